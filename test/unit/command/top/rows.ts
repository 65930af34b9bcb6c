// Rows as looks make them, for tests.
import {
  counters,
  follow,
  type Row,
  type Rows,
  type Seen,
} from '../../../../src/command/top/model.js'
import type { ListedStats } from '../../../../src/rules/index.js'

/** Counters of which each is so many times the number. */
export function stats(count: number): ListedStats {
  const entries = counters.map((name, at) => [name, BigInt(count * (at + 1))])
  return Object.fromEntries(entries) as ListedStats
}

export const seen = (name: string, count?: number, more: Partial<Seen> = {}): Seen => ({
  ...{ name, kind: 'wrr' },
  ...(count !== undefined && { stats: stats(count) }),
  ...more,
})

/** What looks at these counts, so many milliseconds apart, tell of a service `x`. */
export function looks(counts: readonly (number | undefined)[], apartMs = 2000): Row[] {
  let rows: Rows = new Map()
  return counts.map((count, at) => {
    rows = follow(rows, count === undefined ? [] : [seen('x', count)], 1e6 + at * apartMs)
    return rows.get('x')!
  })
}

/** Rows with a rate of connections each; others are twice, three times… that. */
export function rated(rates: Readonly<Record<string, number>>, more: Partial<Seen> = {}): Row[] {
  const at = (factor: number) =>
    Object.entries(rates).map(([name, rate]) => seen(name, rate * factor, more))
  return [...follow(follow(new Map(), at(0), 0), at(4), 4000).values()]
}
