// Looks at the table become rows with rates and a history. Pure, and each look costs the same for each row.
import type { ListedStats } from '../../rules/listed.js'

export const counters = ['connections', 'inPackets', 'outPackets', 'inBytes', 'outBytes'] as const
export type Counter = (typeof counters)[number]

/** A second. */
export type Rates = Readonly<Record<Counter, number>>

/** A service or a destination, as a look has seen it. */
export interface Seen {
  readonly name: string
  /** Scheduler or forwarding method, and what goes with it. */
  readonly kind: string
  readonly weight?: number | undefined
  readonly active?: number | undefined
  readonly inactive?: number | undefined
  readonly stats?: ListedStats | undefined
  /** What a director says of it, where one runs. */
  readonly managed?: Managed | undefined
}

/** A server of a director's. */
export interface Managed {
  /** `dns/10.1.0.1:53` */
  readonly target: string
  /** `up`, `down`, or the administrator's word where that is not `ready`. */
  readonly word: string
}

interface Reading {
  /** Of a clock that nobody sets. */
  readonly atMs: number
  readonly counts: Readonly<Record<Counter, bigint>>
}

export interface Row extends Seen {
  /** Undefined: there is nothing yet that they could be measured from. */
  readonly rates: Rates | undefined
  /** Of the last looks, the newest last. */
  readonly history: readonly Rates[]
  /** As far back as rates go, the newest last. */
  readonly readings: readonly Reading[]
}

/** By name. */
export type Rows = ReadonlyMap<string, Row>

/** The kernel adds its counters up every two seconds (ip_vs_est.c); a tenth less, for looks that come early. */
const STEP_MS = 1800
/** Steps are somewhere between two looks: over two of them, one more or less does not make a rate double or vanish. */
const WINDOW_MS = 2 * STEP_MS
/** The width of the widest sparkline. */
export const HISTORY = 30

/** What is known after a look. Who is not seen is forgotten, and begins anew when it comes back. */
export function follow(before: Rows, seen: readonly Seen[], atMs: number): Rows {
  const rows = new Map<string, Row>()
  for (const one of seen) {
    const name = freeName(one.name, rows)
    rows.set(name, next(before.get(name), { ...one, name }, atMs))
  }
  return rows
}

/** /proc does not say which family a firewall mark has, and there may be one of each. */
function freeName(name: string, rows: Rows): string {
  let free = name
  for (let n = 2; rows.has(free); n++) free = `${name} (${n})`
  return free
}

function next(was: Row | undefined, seen: Seen, atMs: number): Row {
  const now = readingOf(seen.stats, atMs)
  if (now === undefined) return { ...seen, rates: undefined, history: [], readings: [] }
  const last = was?.readings.at(-1)
  // Counters only grow: these are another object's of the same name, or somebody has zeroed them.
  if (last === undefined || counters.some((name) => now.counts[name] < last.counts[name])) {
    return { ...seen, rates: undefined, history: [], readings: [now] }
  }
  const { readings, history } = was!
  const from = readings.findLastIndex((one) => atMs - one.atMs >= WINDOW_MS)
  const kept = readings.slice(Math.max(from, 0))
  const rates = ratesBetween(kept[0]!, now)
  return {
    ...seen,
    rates,
    history: rates === undefined ? history : [...history.slice(1 - HISTORY), rates],
    readings: [...kept, now],
  }
}

function readingOf(stats: ListedStats | undefined, atMs: number): Reading | undefined {
  const { connections, inPackets, outPackets, inBytes, outBytes } = stats ?? {}
  if (connections === undefined) return undefined
  const counts = { connections, inPackets, outPackets, inBytes, outBytes }
  return { atMs, counts: counts as Reading['counts'] }
}

function ratesBetween(from: Reading, to: Reading): Rates | undefined {
  const seconds = (to.atMs - from.atMs) / 1000
  if (1000 * seconds < STEP_MS) return undefined
  const rate = (name: Counter) => Number(to.counts[name] - from.counts[name]) / seconds
  return {
    connections: rate('connections'),
    inPackets: rate('inPackets'),
    outPackets: rate('outPackets'),
    inBytes: rate('inBytes'),
    outBytes: rate('outBytes'),
  }
}

/** Of all rows together; undefined while none has any. */
export function sumOf(rows: Iterable<Row>): Rates | undefined {
  let sum: Record<Counter, number> | undefined
  for (const { rates } of rows) {
    if (rates === undefined) continue
    sum ??= { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }
    for (const name of counters) sum[name] += rates[name]
  }
  return sum
}
