// What is measured, and how much of it: what callers say, checked.
import type { Ipvs } from '../client.js'
import { rangeError, typeError } from '../errors.js'
import type { HealthChecker } from '../health/checker.js'
import type { MirroredPool } from '../pool/pool.js'
import { checkBoolean, checkInteger, readFields } from '../validate.js'

/** What is used of a `Registry` of prom-client. */
export interface MetricRegistry {
  /** Adds one, whose name is not taken. */
  registerMetric(metric: never): void
  /** Takes it out. */
  removeSingleMetric(name: string): void
}

/** What there is to measure. What is left out has no figures. */
export interface MetricSources {
  /**
   * A client: the kernel's table is read at each scrape, once for all figures, and the settings where it has `sysctls()`.
   * Nothing is ever set back (ZERO). Default: none.
   */
  readonly ipvs?: Pick<Ipvs, 'snapshot'> & Partial<Pick<Ipvs, 'sysctls'>>
  /** Pools, or what gives those there are at a scrape. Each needs a name of its own (option `name`). Default: none. */
  readonly pools?: Iterable<MirroredPool> | (() => Iterable<MirroredPool>)
  /**
   * Checkers by the name that their figures carry, or what gives those there are at a scrape: one that comes is counted from the
   * first scrape that sees it. `dns/resolver` is the check `resolver` of the pool `dns`. Default: none.
   */
  readonly checkers?:
    | Readonly<Record<string, HealthChecker>>
    | (() => Readonly<Record<string, HealthChecker>>)
  /** Figures for each destination too, not only for each service: nine series each. Default true. */
  readonly destinations?: boolean
  /** Figures for each server of pools and checkers too, not only for each pool and checker: five and eight series each. Default true. */
  readonly servers?: boolean
  /**
   * At most so many series of each of the three sources; `ipvs_metrics_left_out_series` says how many there was no room for.
   * Default 50,000.
   */
  readonly mostSeries?: number
  /** Upper bounds for the durations of checks, in seconds, ascending. Default from 0.001 to 5, twelve of them. */
  readonly buckets?: readonly number[]
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const MOST_SERIES = 50_000

export interface CheckedSources {
  readonly ipvs: MetricSources['ipvs']
  readonly pools: (() => Iterable<MirroredPool>) | undefined
  readonly checkers: (() => Readonly<Record<string, HealthChecker>>) | undefined
  readonly destinations: boolean
  readonly servers: boolean
  readonly mostSeries: number
  readonly buckets: readonly number[]
}

/** @throws TypeError, RangeError */
export function checkSources(registry: MetricRegistry, sources: MetricSources): CheckedSources {
  if (typeof registry?.registerMetric !== 'function') {
    throw typeError('registry', 'a Registry of prom-client', registry)
  }
  const none: Record<keyof MetricSources, unknown> = {
    ipvs: undefined,
    pools: undefined,
    checkers: undefined,
    destinations: true,
    servers: true,
    mostSeries: MOST_SERIES,
    buckets: BUCKETS,
  }
  const read = readFields(sources, 'sources', none, '{ ipvs, pools, checkers }') as MetricSources
  const { ipvs, pools, checkers, buckets } = read
  if (ipvs !== undefined && typeof ipvs?.snapshot !== 'function') {
    throw typeError('sources.ipvs', 'a client, which Ipvs.open() makes', ipvs)
  }
  if (
    pools !== undefined &&
    typeof pools !== 'function' &&
    typeof pools?.[Symbol.iterator] !== 'function'
  ) {
    throw typeError('sources.pools', 'a list of pools, or a function that gives one', pools)
  }
  if (checkers !== undefined && typeof checkers !== 'function') checkCheckers(checkers)
  return {
    ipvs,
    pools: pools === undefined || typeof pools === 'function' ? pools : () => pools,
    checkers: checkers === undefined || typeof checkers === 'function' ? checkers : () => checkers,
    destinations: checkBoolean(read.destinations, 'sources.destinations'),
    servers: checkBoolean(read.servers, 'sources.servers'),
    mostSeries: checkInteger(read.mostSeries, 'sources.mostSeries', 0, 10_000_000),
    buckets: checkBuckets(buckets),
  }
}

function checkCheckers(checkers: unknown): void {
  if (typeof checkers !== 'object' || checkers === null) {
    throw typeError(
      'sources.checkers',
      'checkers by their names, or a function that gives them',
      checkers,
    )
  }
  for (const [name, checker] of Object.entries(checkers)) {
    if (typeof (checker as HealthChecker | null)?.status === 'function') continue
    throw typeError(`sources.checkers.${name}`, 'a HealthChecker', checker)
  }
}

function checkBuckets(buckets: unknown): readonly number[] {
  const rule = 'ascending numbers of seconds above 0, 1 to 100 of them'
  if (!Array.isArray(buckets)) throw typeError('sources.buckets', rule, buckets)
  const bounds: readonly unknown[] = [...buckets]
  const ascend = bounds.every(
    (bound, index) => Number.isFinite(bound) && Number(bound) > Number(bounds[index - 1] ?? 0),
  )
  if (!ascend || bounds.length === 0 || bounds.length > 100) {
    throw rangeError('sources.buckets', rule, buckets)
  }
  return bounds as readonly number[]
}
