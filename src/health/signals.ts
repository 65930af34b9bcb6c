// The abort signals of one member's checks.
import { getEventListeners } from 'node:events'

/** A leftover that cannot be seen, such as what `AbortSignal.any` notes, does not pile up for longer than this. */
const MAX_USES = 100

/**
 * Gives each check a signal that is not aborted and that nobody else listens on. As a rule it is the last one again: in
 * Node 20 a new one is most of a check's garbage, of a kind that only a full collection frees.
 */
export class Signals {
  #controller = new AbortController()
  #uses = 0

  /** The last check has ended, or has been aborted. */
  next(): AbortController {
    const { signal } = this.#controller
    const used = this.#uses++ >= MAX_USES || signal.aborted
    if (used || getEventListeners(signal, 'abort').length > 0) {
      this.#controller = new AbortController()
      this.#uses = 1
    }
    return this.#controller
  }
}
