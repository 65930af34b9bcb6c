// One figure: its name, its meaning, and how its values follow from what was seen.

import type { HealthStatus } from '../health/types.js'
import type { PoolServerStatus, PoolStatus } from '../pool/api.js'
import type { DestinationStatus } from '../types.js'
import type { CheckCounts } from './check-counts.js'

export type Labels = Readonly<Record<string, string | number>>

export interface MetricValue {
  readonly labels: Labels
  readonly value: number
  /** Of a histogram's parts. */
  readonly metricName?: string
}

/** All that one scrape tells, looked at once. */
export interface Seen {
  readonly table: SeenTable
  readonly pools: readonly SeenPool[]
  /** How often each event of a pool has come. */
  readonly events: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly checks: readonly SeenChecks[]
  /** Series that there was no room for. */
  readonly leftOut: Readonly<Record<Source, number>>
}

/** What figures are about, as their names say. */
export type Source = 'table' | 'pool' | 'check'

/** A service or a destination. */
export interface TableRow {
  readonly labels: Labels
  /** In the order of the figures. */
  readonly counters: readonly number[]
}

export interface DestinationRow extends TableRow {
  readonly destination: DestinationStatus
}

/** Undefined: the table could not be read, or was not asked for. */
export type SeenTable =
  | {
      readonly services: readonly TableRow[]
      readonly destinations: readonly DestinationRow[]
      readonly isEstimating: boolean | undefined
    }
  | undefined

/** One checker, by the name that the caller gives it. */
export interface SeenChecks {
  readonly labels: Labels
  readonly members: readonly HealthStatus[]
  readonly counted: CheckCounts
}

/** A pool, and those of its servers that there is room for. */
export interface SeenPool extends PoolStatus {
  readonly shown: readonly PoolServerStatus[]
}

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly values: (seen: Seen) => Iterable<MetricValue>
}

export function leftOutOf(source: Source): Family {
  return {
    name: `ipvs_${source}_series_left_out`,
    help: 'Series that there was no room for (option mostSeries)',
    type: 'gauge',
    values: ({ leftOut }) => [{ labels: {}, value: leftOut[source] }],
  }
}
