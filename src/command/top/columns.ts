// What can be shown of a row, and what rows are sorted by.
import type { sortKeys } from '../commands.js'
import { short } from '../table/show.js'
import type { Counter, Row } from './model.js'

export type SortKey = (typeof sortKeys)[number]
export type ColumnName = Exclude<SortKey, 'name'>

export interface Column {
  readonly head: string
  readonly of: (row: Row) => number | undefined
  /** Of those that the kernel counts: what a sparkline shows. */
  readonly counter?: Counter
}

const rate = (head: string, counter: Counter): Column => ({
  head,
  counter,
  of: ({ rates }) => rates?.[counter],
})

/** By what `--sort` calls them. */
export const columns: Readonly<Record<ColumnName, Column>> = {
  connections: rate('CONN/S', 'connections'),
  'in-packets': rate('IN-PKT/S', 'inPackets'),
  'out-packets': rate('OUT-PKT/S', 'outPackets'),
  'in-bytes': rate('IN-B/S', 'inBytes'),
  'out-bytes': rate('OUT-B/S', 'outBytes'),
  weight: { head: 'WEIGHT', of: ({ weight }) => weight },
  active: { head: 'ACTIVE', of: ({ active }) => active },
  inactive: { head: 'INACTIVE', of: ({ inactive }) => inactive },
}

export interface Sort {
  readonly key: SortKey
  /** Numbers begin with the largest, names with the first, unless it is reversed. */
  readonly reverse: boolean
}

const rates = ['connections', 'in-packets', 'out-packets', 'in-bytes', 'out-bytes'] as const
const counts = ['weight', 'active', 'inactive'] as const

/** Only destinations have weights. Where nobody counts for them, services have the sums of their destinations' connections. */
export function columnsOf(
  rowsAre: 'services' | 'destinations',
  hasCounters: boolean,
): readonly ColumnName[] {
  if (rowsAre === 'destinations') return hasCounters ? [...counts, ...rates] : counts
  return hasCounters ? rates : ['active', 'inactive']
}

/** `0`, `0.4`, `12`, `12.3k`; `-` for what is not known. */
export function figure(value: number | undefined): string {
  if (value === undefined || value >= 10 || Number.isInteger(value)) {
    return short(value === undefined ? value : Math.round(value))
  }
  return value.toFixed(1)
}

const names = new Intl.Collator('en', { numeric: true })

/** Sorted, without those that the filter does not let through. */
export function arrange(rows: Iterable<Row>, { key, reverse }: Sort, filter = ''): Row[] {
  const wanted = filter.toLowerCase()
  const all = [...rows].filter(
    ({ name, kind }) => wanted === '' || `${name} ${kind}`.toLowerCase().includes(wanted),
  )
  const turn = reverse ? -1 : 1
  if (key === 'name') return all.sort((a, b) => turn * names.compare(a.name, b.name))
  const { of } = columns[key]
  return all.sort((a, b) => {
    const [x, y] = [of(a), of(b)]
    // Who has no figure comes last, whichever way.
    if (x === undefined || y === undefined) {
      if (x !== y) return x === undefined ? 1 : -1
    } else if (x !== y) return turn * (y - x)
    return names.compare(a.name, b.name)
  })
}
