// When a member is checked next: fixed slots on the monotonic clock, with retries in between.

/** All times are readings of `performance.now()`. */
export class Schedule {
  /** The next regular slot, without jitter. */
  #slot: number
  #regular = false
  readonly #jitter: number

  /** The first check is due at once; the first slot follows after `phase` (0 to 1) of the interval. */
  constructor(now: number, intervalMs: number, phase: number, jitter: number) {
    this.#slot = now + phase * intervalMs
    this.#jitter = jitter
  }

  /** The next slot after `now`. Missed slots are skipped, never made up for in a burst. */
  next(now: number, intervalMs: number): number {
    this.#advance(now, intervalMs)
    this.#regular = true
    return this.#slot + (Math.random() - 0.5) * this.#jitter * intervalMs
  }

  /** A retry `delayMs` from now; the slots stay where they are. */
  retry(now: number, intervalMs: number, delayMs: number): number {
    this.#advance(now, intervalMs)
    const due = now + delayMs * (1 + (Math.random() - 0.5) * this.#jitter)
    // A retry that comes after the slot takes its place.
    this.#regular = due >= this.#slot
    return due
  }

  #advance(now: number, intervalMs: number): void {
    if (this.#regular) this.#slot += intervalMs
    if (this.#slot <= now)
      this.#slot += (Math.floor((now - this.#slot) / intervalMs) + 1) * intervalMs
  }
}

/**
 * Spreads members over the interval, however many there are and in whatever order they come: the golden ratio
 * puts each one into the largest gap left by those before it. Above 0, at most 1.
 */
export function phaseOf(index: number): number {
  return 1 - ((index * 0.6180339887498949) % 1)
}
