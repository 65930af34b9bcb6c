// How long the event loop was blocked: a check that saw no answer meanwhile has proved nothing.

/** A block shorter than this is not noticed. Also the price: 20 wake-ups a second while checks are running. */
const tickMs = 50

/** Measures while at least one user is inside `enter` and `leave`. */
export class LoopLag {
  #users = 0
  #blockedMs = 0
  #lastTick = 0
  #timer: NodeJS.Timeout | undefined

  enter(): void {
    if (this.#users++ > 0) return
    this.#lastTick = performance.now()
    this.#timer = setInterval(() => {
      this.#blockedMs = this.blockedMs()
      this.#lastTick = performance.now()
    }, tickMs).unref()
  }

  leave(): void {
    if (--this.#users > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Ever growing; compare two readings. */
  blockedMs(): number {
    // The tick that is due now may run after the timer that asks.
    const late = performance.now() - this.#lastTick - tickMs
    return late < tickMs ? this.#blockedMs : this.#blockedMs + late
  }
}
