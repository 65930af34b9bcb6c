// The kernel tells nobody of changes: the pool looks again and again, and not in step with other pools.

export class Rounds {
  readonly #intervalMs: number
  readonly #look: () => Promise<unknown>
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param look must not reject */
  constructor(intervalMs: number, look: () => Promise<unknown>) {
    this.#intervalMs = intervalMs
    this.#look = look
  }

  /** The first look comes after an interval, give or take a tenth. None if it is 0. */
  start(): void {
    if (this.#intervalMs === 0 || this.#stopped) return
    const delay = Math.min(0x7fffffff, this.#intervalMs * (0.9 + Math.random() / 5))
    this.#timer = setTimeout(async () => {
      await this.#look()
      this.start()
    }, delay).unref()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }
}
