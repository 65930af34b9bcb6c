/**
 * Figures for Prometheus and whoever speaks OpenMetrics, in a registry of the `prom-client` package: this one does not load it.
 *
 * @module ipvs/metrics
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Ipvs } from '../client.js'
import { typeError } from '../errors.js'
import type { HealthChecker } from '../health/checker.js'
import type { PoolStatus } from '../pool/api.js'
import type { MirroredPool } from '../pool/pool.js'
import { readFields } from '../validate.js'
import {
  checkerFamilies,
  destinationFamilies,
  type Family,
  poolFamilies,
  tableFamilies,
} from './families.js'

/** What is used of a `Registry` of prom-client. */
export interface MetricRegistry {
  /** Adds one, whose name is not taken. */
  registerMetric(metric: never): void
  /** Takes it out. */
  removeSingleMetric(name: string): void
}

/** What there is to measure. What is left out has no figures. */
export interface MetricSources {
  /** A client: the kernel's table is read at each scrape, once for all figures. Nothing is ever set back (ZERO). Default: none. */
  readonly client?: Pick<Ipvs, 'snapshot'>
  /** Pools, or what gives those there are at a scrape. Each needs a name of its own (option `name`). Default: none. */
  readonly pools?: Iterable<MirroredPool> | (() => Iterable<MirroredPool>)
  /** Checkers by the name that their figures carry. Default: none. */
  readonly checkers?: Readonly<Record<string, HealthChecker>>
  /** Figures for each destination too, not only for each service: for big tables they are many. Default true. */
  readonly destinations?: boolean
}

const EVENTS = ['up', 'down', 'drained', 'quorum', 'drift', 'diverged', 'warning', 'error'] as const

/**
 * Adds figures to a registry; each is made when the registry is asked for its metrics. Labels: `service` as `udp 192.0.2.1:53` or
 * `fwmark 7 ipv4`, so that no two collide; `destination`, `server` and `member` as `10.1.0.1:53`; `pool`, `checker`, `event`.
 * A table that cannot be read is `ipvs_table_readable 0`, and not an error of the whole scrape.
 *
 * @param registry a `Registry` of prom-client
 * @returns takes them out again
 * @throws TypeError no registry, no sources, or an unknown one; prom-client's own error if these are registered already
 */
export function registerMetrics(registry: MetricRegistry, sources: MetricSources): () => void {
  const { client, pools, checkers, destinations } = checkSources(registry, sources)
  const names: string[] = []
  const counted = new Map<string, Map<string, number>>()
  const heard = EVENTS.map((event) => ({
    channel: `ipvs:${event}`,
    count: (message: unknown) => {
      const { pool } = message as { readonly pool: string }
      const own = counted.get(pool) ?? new Map<string, number>()
      counted.set(pool, own.set(event, (own.get(event) ?? 0) + 1))
    },
  }))

  function add<Seen>(families: readonly Family<Seen>[], look: () => Promise<Seen>): void {
    for (const { name, help, type, values } of families) {
      // Its name is the registry's to change: OpenMetrics counters have it without "_total".
      const metric = { name, help, type, aggregator: 'sum', get, reset: () => {} }
      async function get() {
        return { ...metric, values: [...values(await look())] }
      }
      registry.registerMetric(metric as never)
      names.push(name)
    }
  }
  function unregister(): void {
    for (const name of names.splice(0)) registry.removeSingleMetric(name)
    for (const { channel, count } of heard) unsubscribe(channel, count)
  }

  try {
    if (client !== undefined) {
      const look = once(() => client.snapshot().catch(() => undefined))
      add([...tableFamilies, ...(destinations === false ? [] : destinationFamilies)], look)
    }
    if (pools !== undefined) {
      const all = typeof pools === 'function' ? pools : () => pools
      const look = async () => {
        const seen = new Map<string, PoolStatus>()
        for (const pool of all()) seen.set(uniqueIn(seen, pool.name), pool.status())
        for (const name of counted.keys()) if (!seen.has(name)) counted.delete(name)
        return { pools: [...seen.values()], events: counted }
      }
      add(poolFamilies, once(look))
      for (const { channel, count } of heard) subscribe(channel, count)
    }
    if (checkers !== undefined) {
      const all = Object.entries(checkers)
      const look = async () => all.map(([name, checker]) => [name, checker.status()] as const)
      add(checkerFamilies, once(look))
    }
  } catch (error) {
    unregister()
    throw error
  }
  return unregister
}

function uniqueIn(seen: ReadonlyMap<string, unknown>, pool: string): string {
  if (!seen.has(pool)) return pool
  throw new TypeError(
    `two pools are named "${pool}": give each a name of its own, with option "name"`,
  )
}

/** All that ask while one look is under way get what it sees. */
function once<T>(look: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => {
    running ??= look().finally(() => {
      running = undefined
    })
    return running
  }
}

function checkSources(registry: MetricRegistry, sources: MetricSources): MetricSources {
  if (typeof registry?.registerMetric !== 'function') {
    throw typeError('registry', 'a Registry of prom-client', registry)
  }
  const none: Record<keyof MetricSources, unknown> = {
    client: undefined,
    pools: undefined,
    checkers: undefined,
    destinations: undefined,
  }
  const read = readFields(sources, 'sources', none, '{ client, pools, checkers }') as MetricSources
  const { client, pools, checkers, destinations } = read
  if (client !== undefined && typeof client?.snapshot !== 'function') {
    throw typeError('sources.client', 'a client, which Ipvs.open() makes', client)
  }
  if (
    pools !== undefined &&
    typeof pools !== 'function' &&
    typeof pools?.[Symbol.iterator] !== 'function'
  ) {
    throw typeError('sources.pools', 'a list of pools, or a function that gives one', pools)
  }
  if (checkers !== undefined) {
    for (const [name, checker] of Object.entries(checkers ?? {})) {
      if (typeof checker?.status === 'function') continue
      throw typeError(`sources.checkers.${name}`, 'a HealthChecker', checker)
    }
    if (typeof checkers !== 'object' || checkers === null) {
      throw typeError('sources.checkers', 'checkers by their names', checkers)
    }
  }
  if (destinations !== undefined && typeof destinations !== 'boolean') {
    throw typeError('sources.destinations', 'true or false', destinations)
  }
  return read
}
