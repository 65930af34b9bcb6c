// Figures of the kernel's table: services and destinations.
import { destinationKey, serviceKey } from '../identity.js'
import type { PoolStatus } from '../pool/api.js'
import type { DestinationStatus, Snapshot, Stats } from '../types.js'
import {
  type DestinationRow,
  type Family,
  type Labels,
  leftOutOf,
  type TableRow,
} from './family.js'
import { LastingCounters } from './lasting-counters.js'

const COUNTERS: readonly [name: string, help: string, field: keyof Stats][] = [
  ['connections_total', 'Connections', 'connections'],
  ['in_packets_total', 'Packets to the servers', 'inPackets'],
  ['out_packets_total', 'Packets back through the director: with masquerading only', 'outPackets'],
  ['in_bytes_total', 'Bytes to the servers', 'inBytes'],
  ['out_bytes_total', 'Bytes back through the director: with masquerading only', 'outBytes'],
]

const GAUGES: readonly [name: string, help: string, value: (of: DestinationStatus) => number][] = [
  ['weight', 'The weight', ({ weight }) => weight],
  [
    'active_connections',
    'Connections that are established',
    (destination) => destination.activeConnections,
  ],
  ['inactive_connections', 'Other connections', (destination) => destination.inactiveConnections],
  [
    'persistent_connections',
    'Persistence templates',
    (destination) => destination.persistentConnections,
  ],
]

const PER_SERVICE = COUNTERS.length
const PER_DESTINATION = COUNTERS.length + GAUGES.length

export class TableReader {
  readonly #most: number
  readonly #withDestinations: boolean
  readonly #counters: LastingCounters

  /** @param most series */
  constructor(most: number, withDestinations: boolean) {
    this.#most = most
    this.#withDestinations = withDestinations
    this.#counters = new LastingCounters(most)
  }

  /** Services first: where there is no room for all, each of them says more than a destination. */
  read({ services }: Snapshot, pools: readonly PoolStatus[]) {
    const poolOf = new Map(pools.flatMap(({ pool, fronts }) => fronts.map((key) => [key, pool])))
    let room = this.#most
    let leftOut = 0
    const take = (series: number) => {
      const fits = leftOut === 0 && room >= series
      if (fits) room -= series
      else leftOut += series
      return fits
    }
    const rows: TableRow[] = []
    const destinations: DestinationRow[] = []
    for (const service of services) {
      if (take(PER_SERVICE)) rows.push(this.#row(service.stats, serviceLabels(service, poolOf)))
    }
    for (const service of this.#withDestinations ? services : []) {
      const labels = serviceLabels(service, poolOf)
      for (const destination of service.destinations) {
        if (!take(PER_DESTINATION)) continue
        const own = { ...labels, server: destinationKey(destination) }
        destinations.push({ ...this.#row(destination.stats, own), destination })
      }
    }
    this.#counters.sweep()
    return { services: rows, destinations, leftOut }
  }

  #row(stats: Stats, labels: Labels): TableRow {
    const { service, server = '' } = labels
    const now = COUNTERS.map(([, , field]) => Number(stats[field]))
    return { labels, counters: this.#counters.total(`${service} ${server}`, now) }
  }
}

function serviceLabels(
  service: Snapshot['services'][number],
  poolOf: ReadonlyMap<string, string>,
): Labels {
  const key = serviceKey(service)
  const pool = poolOf.get(key)
  return pool === undefined ? { service: key } : { pool, service: key }
}

function counters(of: 'service' | 'destination'): Family[] {
  return COUNTERS.map(([name, help], index) => ({
    name: `ipvs_${of}_${name}`,
    help: `${help}, of a ${of}`,
    type: 'counter',
    *values({ table }) {
      for (const { labels, counters } of table?.[`${of}s`] ?? []) {
        yield { labels, value: counters[index]! }
      }
    },
  }))
}

export const tableFamilies: readonly Family[] = [
  {
    name: 'ipvs_table_readable',
    help: 'The kernel has answered with its table: 1, else 0',
    type: 'gauge',
    values: ({ table }) => [{ labels: {}, value: Number(table !== undefined) }],
  },
  {
    name: 'ipvs_estimation_running',
    help: 'The kernel counts: 1; its counters and rates stand still (net.ipv4.vs.run_estimation): 0; absent where it cannot be told',
    type: 'gauge',
    values: ({ table }) =>
      table?.isEstimating === undefined ? [] : [{ labels: {}, value: Number(table.isEstimating) }],
  },
  leftOutOf('table'),
  ...counters('service'),
]

export const destinationFamilies: readonly Family[] = [
  ...GAUGES.map(
    ([name, help, value]): Family => ({
      name: `ipvs_destination_${name}`,
      help: `${help}, of a destination`,
      type: 'gauge',
      *values({ table }) {
        for (const { labels, destination } of table?.destinations ?? []) {
          yield { labels, value: value(destination) }
        }
      },
    }),
  ),
  ...counters('destination'),
]
