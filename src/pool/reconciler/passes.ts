// Passes never overlap. One that has not begun serves everyone who asks before it does.

/** @param force also what has been refused, and is not due */
export type Pass<Cause, Result> = (cause: Cause, force: boolean) => Promise<Result>

export class Passes<Cause, Result> {
  readonly #pass: Pass<Cause, Result>
  readonly #ended: () => void
  /** The one under way, or the last one. Never rejects. */
  #running: Promise<unknown> = Promise.resolve()
  /** The one that has not begun. */
  #next: Promise<Result> | undefined
  #nextForces = false
  #count = 0

  /** @param ended after each one, whatever has become of it */
  constructor(pass: Pass<Cause, Result>, ended: () => void) {
    this.#pass = pass
    this.#ended = ended
  }

  /** One that begins later than this call. */
  next(cause: Cause, force: boolean): Promise<Result> {
    this.#nextForces ||= force
    if (this.#next === undefined) {
      this.#count++
      this.#next = this.#running.then(() => this.#begin(cause))
      this.#running = this.#next.catch(() => {})
    }
    return this.#next
  }

  /** One is to come. */
  get isAwaited(): boolean {
    return this.#next !== undefined
  }

  /** Some are under way or to come. */
  get areBusy(): boolean {
    return this.#count > 0
  }

  /** Until the last one that has been asked for is over. Never rejects. */
  get idle(): Promise<unknown> {
    return this.#running
  }

  async #begin(cause: Cause): Promise<Result> {
    const forces = this.#nextForces
    this.#next = undefined
    this.#nextForces = false
    try {
      return await this.#pass(cause, forces)
    } finally {
      this.#count--
      this.#ended()
    }
  }
}
