// Counters as the kernel's estimator makes them visible: in steps of two seconds (ip_vs_est.c).
import { ShownStats } from '../kernel/observed.js'

/** Packets that passed: connections, packets and bytes in and out, in the order of the kernel's counters. */
export type Amounts = readonly [
  connections: number,
  inPackets: number,
  outPackets: number,
  inBytes: number,
  outBytes: number,
]

export const TICK_MS = 2000

// Rates are kept as fixed-point numbers: packets and connections in 1/1024, bytes in 1/32 (ip_vs_est.c). A step is
// two seconds, so that one packet in it is 512/1024 per second.
const STEP_SHIFT = [9n, 9n, 9n, 4n, 4n] as const
const SHOWN_SHIFT = [10n, 10n, 10n, 5n, 5n] as const

/** The counters of one service or destination. Time is counted in ticks of the estimator. */
export class Counters {
  /** All that has passed, seen by the estimator or not. */
  readonly #passed = [0n, 0n, 0n, 0n, 0n]
  /** As of the last tick: what reading shows. */
  readonly #seen = [0n, 0n, 0n, 0n, 0n]
  /** Where zeroing put the beginning. */
  readonly #base = [0n, 0n, 0n, 0n, 0n]
  readonly #rates = [0n, 0n, 0n, 0n, 0n]
  #tick: number

  constructor(tick: number) {
    this.#tick = tick
  }

  add(amounts: Amounts, tick: number): void {
    this.advance(tick)
    for (const [i, amount] of amounts.entries()) this.#passed[i]! += BigInt(amount)
  }

  /** Lets the estimator run up to a tick. */
  advance(tick: number): void {
    for (; this.#tick < tick; this.#tick++) {
      if (this.#isStill()) break
      for (let i = 0; i < 5; i++) {
        const rate = (this.#passed[i]! - this.#seen[i]!) << STEP_SHIFT[i]!
        this.#seen[i] = this.#passed[i]!
        this.#rates[i]! += (rate - this.#rates[i]!) >> 2n
      }
    }
    this.#tick = tick
  }

  /** The estimator lets go of what is deleted; from `tick` on it takes it up again. */
  resume(tick: number): void {
    this.#tick = tick
  }

  /** Zeroing makes the last tick the beginning: what has passed since shows up after it (ip_vs_ctl.c: ip_vs_zero_stats). */
  zero(): void {
    for (let i = 0; i < 5; i++) {
      this.#base[i] = this.#seen[i]!
      this.#rates[i] = 0n
    }
  }

  read(): ShownStats {
    return new ShownStats([
      ...this.#seen.map((value, i) => value - this.#base[i]!),
      ...this.#rates.map((rate, i) => {
        const shift = SHOWN_SHIFT[i]!
        return (rate + (1n << (shift - 1n)) - 1n) >> shift
      }),
    ])
  }

  #isStill(): boolean {
    return (
      this.#rates.every((rate) => rate === 0n) &&
      this.#seen.every((value, i) => value === this.#passed[i])
    )
  }
}
