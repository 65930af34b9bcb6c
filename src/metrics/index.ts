/**
 * Figures for Prometheus and whoever speaks OpenMetrics, in a registry of the `prom-client` package: this one does not load it.
 *
 * @module ipvs/metrics
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { PoolStatus } from '../pool/api.js'
import { poolEvents } from '../pool/events.js'
import { count } from './check-counts.js'
import { CheckReader, checkFamilies, memberFamilies } from './checks.js'
import { Estimation } from './estimation.js'
import type { Family, Seen } from './family.js'
import {
  type CheckedSources,
  checkSources,
  type MetricRegistry,
  type MetricSources,
} from './options.js'
import { poolFamilies, serverFamilies } from './pools.js'
import { destinationFamilies, TableReader, tableFamilies } from './table.js'

export type { MetricRegistry, MetricSources }

/**
 * Adds figures to a registry; each is made when the registry is asked for its metrics. Labels: `service` as `udp 192.0.2.1:53` or
 * `fwmark 7 ipv4`, so that no two collide; `server` as `10.1.0.1:53`; `pool`, `checker`, `event`, `reason`, `outcome`.
 * A table that cannot be read is `ipvs_table_readable 0`, and not an error of the whole scrape.
 *
 * @param registry a `Registry` of prom-client
 * @returns takes them out again
 * @throws TypeError no registry, no sources, or an unknown one; prom-client's own error if these are registered already
 * @throws RangeError a number that cannot be
 */
export function registerMetrics(registry: MetricRegistry, sources: MetricSources): () => void {
  const checked = checkSources(registry, sources)
  const { ipvs, pools, checkers, destinations, servers } = checked
  const wanted: readonly Family[] = [
    ...(ipvs === undefined ? [] : [...tableFamilies, ...(destinations ? destinationFamilies : [])]),
    ...(pools === undefined ? [] : [...poolFamilies, ...(servers ? serverFamilies : [])]),
    ...(checkers === undefined ? [] : [...checkFamilies, ...(servers ? memberFamilies : [])]),
  ]
  const names: string[] = []
  const reader = new Reader(checked)
  const look = once(() => reader.look())
  const turn = turns()
  function unregister(): void {
    for (const name of names.splice(0)) registry.removeSingleMetric(name)
    reader.close()
  }
  try {
    for (const { name, help, type, values } of wanted) {
      // Its name is the registry's to change: OpenMetrics counters have it without "_total".
      const metric = { name, help, type, aggregator: 'sum', get, reset: () => {} }
      async function get() {
        const seen = await look()
        await turn()
        return { ...metric, values: [...values(seen)] }
      }
      registry.registerMetric(metric as never)
      names.push(name)
    }
  } catch (error) {
    unregister()
    throw error
  }
  return unregister
}

/** Looks at all sources, and counts what comes between two looks. */
class Reader {
  readonly #sources: CheckedSources
  readonly #table: TableReader
  readonly #estimation = new Estimation()
  readonly #checks: CheckReader | undefined
  readonly #events = new Map<string, Map<string, number>>()
  readonly #heard: readonly { readonly channel: string; readonly hear: (said: unknown) => void }[]

  constructor(sources: CheckedSources) {
    const { pools, checkers, mostSeries, destinations, buckets } = sources
    this.#sources = sources
    this.#table = new TableReader(mostSeries, destinations)
    this.#checks = checkers && new CheckReader(checkers, buckets)
    this.#heard = (pools === undefined ? [] : poolEvents).map((event) => ({
      channel: `ipvs:${event}`,
      hear: (said) => {
        const { pool } = said as { readonly pool: string }
        this.#events.set(pool, count(this.#events.get(pool) ?? new Map<string, number>(), event))
      },
    }))
    for (const { channel, hear } of this.#heard) subscribe(channel, hear)
  }

  async look(): Promise<Seen> {
    const { pools, mostSeries, servers } = this.#sources
    const ofPools = pools === undefined ? [] : this.#pools(pools())
    const read = await this.#readTable(ofPools)
    const ofChecks = this.#checks?.read() ?? []
    const perServer = servers ? serverFamilies.length : 0
    // Results come by outcome: three of them.
    const perMember = servers ? memberFamilies.length + 2 : 0
    const poolRoom = new Room(mostSeries, perServer)
    const checkRoom = new Room(mostSeries, perMember)
    return {
      table: read?.table,
      pools: ofPools.map((pool) => ({ ...pool, shown: poolRoom.take(pool.servers) })),
      events: this.#events,
      checks: ofChecks.map((seen) => ({ ...seen, members: checkRoom.take(seen.members) })),
      leftOut: { table: read?.leftOut ?? 0, pool: poolRoom.leftOut, check: checkRoom.leftOut },
    }
  }

  close(): void {
    for (const { channel, hear } of this.#heard) unsubscribe(channel, hear)
    this.#checks?.close()
  }

  #pools(pools: Iterable<{ readonly name: string; status(): PoolStatus }>): PoolStatus[] {
    const seen = new Map<string, PoolStatus>()
    for (const pool of pools) {
      if (seen.has(pool.name)) {
        throw new TypeError(
          `two pools are named "${pool.name}": give each a name of its own, with option "name"`,
        )
      }
      seen.set(pool.name, pool.status())
    }
    for (const name of this.#events.keys()) if (!seen.has(name)) this.#events.delete(name)
    return [...seen.values()]
  }

  async #readTable(pools: readonly PoolStatus[]) {
    const { ipvs } = this.#sources
    const snapshot = await ipvs?.snapshot().catch(() => undefined)
    if (snapshot === undefined) return undefined
    const sysctls = (await ipvs?.sysctls?.().catch(() => undefined)) ?? {}
    const { services, destinations, leftOut } = this.#table.read(snapshot, pools)
    const isEstimating = this.#estimation.isRunning(snapshot, sysctls)
    return { table: { services, destinations, isEstimating }, leftOut }
  }
}

/** For how many rows there is. */
class Room {
  readonly #perRow: number
  #rows: number
  leftOut = 0

  /** @param perRow series of a row; 0: rows have none */
  constructor(series: number, perRow: number) {
    this.#perRow = perRow
    this.#rows = perRow === 0 ? 0 : Math.floor(series / perRow)
  }

  take<T>(rows: readonly T[]): readonly T[] {
    const taken = rows.slice(0, this.#rows)
    this.#rows -= taken.length
    this.leftOut += (rows.length - taken.length) * this.#perRow
    return taken
  }
}

/** A turn of the event loop for each figure: of a big table they are much work, and checks want to go on meanwhile. */
function turns(): () => Promise<void> {
  let last = Promise.resolve()
  return () => {
    last = last.then(() => new Promise((resolve) => setImmediate(resolve)))
    return last
  }
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
