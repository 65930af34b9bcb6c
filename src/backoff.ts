// Pauses between tries: twice as long each time, up to a limit, and never in step with others.

export interface BackoffSettings {
  readonly firstMs: number
  readonly maxMs: number
}

export class Backoff {
  readonly #settings: BackoffSettings
  #failures = 0

  constructor(settings: BackoffSettings) {
    this.#settings = settings
  }

  /** Milliseconds until the next try, after one more that has failed: give or take a tenth. */
  next(): number {
    const { firstMs, maxMs } = this.#settings
    // Beyond the limit it does not grow.
    const delay = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures++, 30))
    return delay * (0.9 + Math.random() / 5)
  }

  /** It has succeeded. */
  reset(): void {
    this.#failures = 0
  }
}
