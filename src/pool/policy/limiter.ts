// At most so many changes of health a minute: a network that flaps must not make the pool flap with it.

const MINUTE_MS = 60_000

export class Limiter {
  readonly #most: number
  /** When the last changes were, oldest first: no more than there may be, and none that is older than a minute. */
  readonly #times: number[] = []

  constructor(most: number) {
    this.#most = most
  }

  /** A change has been made. Times are monotonic. */
  note(now: number): void {
    this.#times.push(now)
    if (this.#times.length > this.#most) this.#times.shift()
    this.#forget(now)
  }

  /** Milliseconds until another change may be made; 0: now. */
  wait(now: number): number {
    this.#forget(now)
    return this.#times.length < this.#most ? 0 : this.#times[0]! + MINUTE_MS - now
  }

  #forget(now: number): void {
    while (this.#times.length > 0 && this.#times[0]! + MINUTE_MS <= now) this.#times.shift()
  }
}
