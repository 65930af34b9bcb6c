// Time that the machine has not given to the guest. Linux calls it steal time: something else ran, and nobody in the guest moved. What
// lasted so long says nothing about those who could not act, so every verdict counts the time that was left.

/** A piece of it, in milliseconds of CLOCK_MONOTONIC, as the witness has seen it. */
export interface StolenTime {
  readonly from: number
  readonly to: number
}

export class Steal {
  /** In the order of time; none overlaps another. */
  readonly #spells: StolenTime[] = []
  /** What all before each add up to. */
  readonly #before: number[] = []

  constructor(spells: Iterable<StolenTime> = []) {
    for (const spell of spells) this.add(spell)
  }

  add({ from, to }: StolenTime): void {
    const last = this.#spells.at(-1)
    const begin = Math.max(from, last?.to ?? Number.NEGATIVE_INFINITY)
    if (to <= begin) return
    this.#before.push(last === undefined ? 0 : this.#before.at(-1)! + last.to - last.from)
    this.#spells.push({ from: begin, to })
  }

  /** How much of the time between was stolen. */
  ms(from: number, to: number): number {
    return Math.max(0, this.#until(to) - this.#until(from))
  }

  /** How much of it was left to run in. */
  ran(from: number, to: number): number {
    return to - from - this.ms(from, to)
  }

  /** The stolen part of it, from 0 to 1. */
  share(from: number, to: number): number {
    return to > from ? this.ms(from, to) / (to - from) : 0
  }

  /** All that was stolen before this moment. */
  #until(at: number): number {
    let low = 0
    let high = this.#spells.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#spells[middle]!.from < at) low = middle + 1
      else high = middle
    }
    if (low === 0) return 0
    const { from, to } = this.#spells[low - 1]!
    return this.#before[low - 1]! + Math.min(at, to) - from
  }
}
