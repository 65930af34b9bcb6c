// When the pool reads and repairs by itself: as soon as something is due, and in vain never more often than a few times a second, whatever
// fails and however often it is asked for.

/** Passes that may follow each other at once. */
const BURST = 4
/** After that, milliseconds for each. */
const PASS_MS = 400

export class RetryClock {
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  /** How many passes may begin at `#at`, monotonic. */
  #passes = BURST
  #at = performance.now()

  /** @param ring something is due, and a pass may begin */
  constructor(ring: () => void) {
    this.#ring = ring
  }

  /** A pass for what is due at this monotonic time; only the last call holds. `undefined`: nothing is due. */
  set(due: number | undefined): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (due === undefined || this.#stopped) return
    const now = performance.now()
    this.#passes = Math.min(BURST, this.#passes + (now - this.#at) / PASS_MS)
    this.#at = now
    const pause = Math.max(due - now, (1 - this.#passes) * PASS_MS)
    if (pause <= 0) this.#begin()
    else this.#timer = setTimeout(() => this.#begin(), Math.ceil(pause)).unref()
  }

  /** The pass has mended something: it does not count. */
  refund(): void {
    this.#passes = Math.min(BURST, this.#passes + 1)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #begin(): void {
    this.#passes--
    this.#ring()
  }
}
