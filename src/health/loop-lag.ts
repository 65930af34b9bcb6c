// How long the event loop was blocked: a check that saw no answer meanwhile has proved nothing.

/** Measures while at least one user is inside `enter` and `leave`. */
export class LoopLag {
  readonly #tickMs: number
  #users = 0
  #blockedMs = 0
  #lastTick = 0
  #timer: NodeJS.Timeout | undefined

  /** A block shorter than `tickMs` is not noticed, of a longer one up to as much is missed. */
  constructor(tickMs: number) {
    this.#tickMs = tickMs
  }

  enter(): void {
    this.#users++
    if (this.#timer !== undefined) return
    this.#lastTick = performance.now()
    this.#timer = setInterval(() => this.#tick(), this.#tickMs).unref()
  }

  leave(): void {
    this.#users--
  }

  /** Goes on for a tick after the last one has left: most checks end at once, and are not worth a timer each. */
  #tick(): void {
    this.#blockedMs = this.blockedMs()
    this.#lastTick = performance.now()
    if (this.#users === 0) this.stop()
  }

  /** To be called when nobody is inside any more. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Ever growing; compare two readings. */
  blockedMs(): number {
    // The tick that is due now may run after the timer that asks.
    const late = performance.now() - this.#lastTick - this.#tickMs
    return late < this.#tickMs ? this.#blockedMs : this.#blockedMs + late
  }
}
