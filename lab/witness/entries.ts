// What witness.c tells, a JSON object a line. Times are milliseconds of CLOCK_MONOTONIC, which all processes of the guest share.
import type { StolenTime } from './steal.js'

/** The lines of /proc/net/ip_vs without their counters, whenever they have changed. */
export interface TableEntry {
  readonly at: number
  /** The look before this one, and how many there had been: the change came in between. */
  readonly before: number
  readonly looks: number
  readonly table: readonly string[]
}

export interface StolenEntry {
  readonly at: number
  /** Nobody in the guest has run for so long before `at`. */
  readonly stolenMs: number
}

export interface EndEntry {
  readonly at: number
  readonly looks: number
  readonly longestGapMs: number
  readonly end: true
}

export type WitnessEntry = TableEntry | StolenEntry | EndEntry

export function stolenTimes(entries: Iterable<WitnessEntry>): StolenTime[] {
  return [...entries].flatMap((entry) =>
    'stolenMs' in entry ? [{ from: entry.at - entry.stolenMs, to: entry.at }] : [],
  )
}
