// Counters that begin again with their object in the kernel, as counters that never go down.

interface Lasting {
  /** As the kernel had them at the last look. */
  seen: readonly number[]
  /** What was counted before the object began again. */
  readonly before: number[]
}

export class LastingCounters {
  readonly #most: number
  /** Those that were not seen for longest come first. */
  readonly #known = new Map<string, Lasting>()

  /** @param most of them are remembered, those that are gone included */
  constructor(most: number) {
    this.#most = most
  }

  /**
   * What was counted in all, by what the kernel says now. One counter that is lower than before tells that all have begun
   * again: with a new object, or because somebody has zeroed them.
   */
  total(key: string, now: readonly number[]): number[] {
    const known = this.#known.get(key) ?? { seen: now, before: now.map(() => 0) }
    const { seen, before } = known
    if (now.some((value, index) => value < seen[index]!)) {
      for (const [index, value] of seen.entries()) before[index]! += value
    }
    known.seen = now
    this.#known.delete(key)
    this.#known.set(key, known)
    return now.map((value, index) => value + before[index]!)
  }

  /** After each look: forgets whom it has no room for. */
  sweep(): void {
    for (const key of this.#known.keys()) {
      if (this.#known.size <= this.#most) return
      this.#known.delete(key)
    }
  }
}
