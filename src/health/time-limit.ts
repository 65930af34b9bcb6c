// How long a check may take: fixed, or following what the answers of its member take, as TCP's retransmission timer does (RFC 6298).

export interface TimeLimitSettings {
  readonly min: number
  readonly max: number
}

/** RFC 6298, 2.3: how much a new answer moves the mean, and the deviation; and how many deviations are left room for. */
const MEAN = 1 / 8
const DEVIATION = 1 / 4
const DEVIATIONS = 4

export class TimeLimit {
  readonly #settings: TimeLimitSettings
  #mean: number | undefined
  #deviation = 0
  /** Checks in a row that were not answered in time: each doubles the limit, or a network that got slower would never be measured. */
  #missed = 0

  constructor(settings: TimeLimitSettings) {
    this.#settings = settings
  }

  /** Milliseconds of the next check. The most that is allowed before the first answer. */
  get ms(): number {
    const { min, max } = this.#settings
    if (this.#mean === undefined) return max
    const measured = Math.ceil(this.#mean + DEVIATIONS * this.#deviation)
    return Math.min(max, Math.max(min, measured) * 2 ** this.#missed)
  }

  /** A check was answered after so long. */
  answered(ms: number): void {
    this.#missed = 0
    if (this.#mean === undefined) {
      this.#mean = ms
      this.#deviation = ms / 2
      return
    }
    this.#deviation += DEVIATION * (Math.abs(this.#mean - ms) - this.#deviation)
    this.#mean += MEAN * (ms - this.#mean)
  }

  /** A check was not answered within its limit. */
  missed(): void {
    // More says nothing: the limit has its end.
    if (this.#missed < 32) this.#missed++
  }
}
