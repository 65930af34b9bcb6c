// So many at a time: the others wait for their turn, in order.
import { onAbort } from './abort.js'

export class Slots {
  /** Below 0 when some did not wait. */
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Runs it when there is a place; at the abort of `signal` at once: it is to end by itself then. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#free > 0 || signal?.aborted) this.#free--
    else await this.#turn(signal)
    try {
      return await work()
    } finally {
      this.#give()
    }
  }

  /** Resolves with a place. */
  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const forget = onAbort(signal, () => {
        if (!this.#waiting.delete(go)) return
        this.#free--
        resolve()
      })
      const go = () => {
        forget()
        resolve()
      }
      this.#waiting.add(go)
    })
  }

  #give(): void {
    const [go] = this.#waiting
    if (go === undefined || this.#free < 0) {
      this.#free++
      return
    }
    this.#waiting.delete(go)
    go()
  }
}
