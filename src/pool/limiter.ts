// At most so many changes of health a minute: a network that flaps must not make the pool flap with it.

const MINUTE_MS = 60_000

export class Limiter {
  readonly #most: number
  /** When the changes of the last minute were, oldest first. */
  readonly #times: number[] = []

  constructor(most: number) {
    this.#most = most
  }

  /** A change has been made. */
  note(now: number): void {
    this.#times.push(now)
  }

  /** Milliseconds until another change may be made; 0: now. */
  wait(now: number): number {
    while (this.#times.length > 0 && this.#times[0]! + MINUTE_MS <= now) this.#times.shift()
    const over = this.#times.length - this.#most
    return over >= 0 ? this.#times[over]! + MINUTE_MS - now : 0
  }
}
