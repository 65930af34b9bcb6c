// What is measured: names, meanings, and values from what the kernel, the pools and the checkers say of themselves.

import type { HealthStatus } from '../health/types.js'
import { destinationKey, serviceKey } from '../identity.js'
import type { PoolStatus } from '../pool/api.js'
import type { Snapshot, Stats } from '../types.js'

export interface MetricValue {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** One name, and how its values follow from what was seen. */
export interface Family<Seen> {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly values: (seen: Seen) => Iterable<MetricValue>
}

type Row<T> = (seen: T) => number | undefined

/** The counters of a service or a destination, as the kernel keeps them: they begin at 0 with it. */
const COUNTERS: readonly [name: string, help: string, field: keyof Stats][] = [
  ['connections_total', 'Connections', 'connections'],
  ['in_packets_total', 'Packets to the servers', 'inPackets'],
  ['out_packets_total', 'Packets back through the director: with masquerading only', 'outPackets'],
  ['in_bytes_total', 'Bytes to the servers', 'inBytes'],
  ['out_bytes_total', 'Bytes back through the director: with masquerading only', 'outBytes'],
]

/** Undefined: the table could not be read, or none was asked for. */
export type SeenTable = Snapshot | undefined

export const tableFamilies: readonly Family<SeenTable>[] = [
  {
    name: 'ipvs_table_readable',
    help: 'The kernel has answered with its table: 1, else 0',
    type: 'gauge',
    values: (table) => [{ labels: {}, value: table === undefined ? 0 : 1 }],
  },
  ...COUNTERS.map(
    ([name, help, field]): Family<SeenTable> => ({
      name: `ipvs_service_${name}`,
      help: `${help}, of a service`,
      type: 'counter',
      values: (table) =>
        (table?.services ?? []).map((service) => ({
          labels: { service: serviceKey(service) },
          value: Number(service.stats[field]),
        })),
    }),
  ),
]

type SeenDestination = Snapshot['services'][number]['destinations'][number]

function ofDestinations(
  name: string,
  help: string,
  type: Family<never>['type'],
  row: Row<SeenDestination>,
): Family<SeenTable> {
  return {
    name: `ipvs_destination_${name}`,
    help: `${help}, of a destination`,
    type,
    *values(table) {
      for (const service of table?.services ?? []) {
        for (const destination of service.destinations) {
          const labels = { service: serviceKey(service), destination: destinationKey(destination) }
          yield { labels, value: row(destination) ?? 0 }
        }
      }
    },
  }
}

export const destinationFamilies: readonly Family<SeenTable>[] = [
  ofDestinations('weight', 'The weight', 'gauge', ({ weight }) => weight),
  ofDestinations(
    'active_connections',
    'Connections that are established',
    'gauge',
    (one) => one.activeConnections,
  ),
  ofDestinations(
    'inactive_connections',
    'Other connections',
    'gauge',
    (one) => one.inactiveConnections,
  ),
  ofDestinations(
    'persistent_connections',
    'Persistence templates',
    'gauge',
    (one) => one.persistentConnections,
  ),
  ...COUNTERS.map(([name, help, field]) =>
    ofDestinations(name, help, 'counter', ({ stats }) => Number(stats[field])),
  ),
]

/** Pools as they are, and how often each event of theirs has come. */
export interface SeenPools {
  readonly pools: readonly PoolStatus[]
  readonly events: ReadonlyMap<string, ReadonlyMap<string, number>>
}

function ofPools(name: string, help: string, row: Row<PoolStatus>): Family<SeenPools> {
  return {
    name: `ipvs_pool_${name}`,
    help,
    type: 'gauge',
    *values({ pools }) {
      for (const status of pools) {
        const value = row(status)
        if (value !== undefined) yield { labels: { pool: status.pool }, value }
      }
    },
  }
}

function ofServers(
  name: string,
  help: string,
  row: Row<PoolStatus['servers'][number]>,
): Family<SeenPools> {
  return {
    name: `ipvs_pool_server_${name}`,
    help,
    type: 'gauge',
    *values({ pools }) {
      for (const { pool, servers } of pools) {
        for (const server of servers) {
          const value = row(server)
          if (value !== undefined) yield { labels: { pool, server: server.server }, value }
        }
      }
    },
  }
}

export const poolFamilies: readonly Family<SeenPools>[] = [
  ofPools('quorum', 'Enough servers serve: 1, else 0', ({ quorum }) => Number(quorum)),
  ofPools(
    'converged',
    'The kernel has confirmed all that the pool wants: 1, else 0',
    ({ converged }) => Number(converged),
  ),
  ofPools(
    'missing_services',
    'Services that the kernel should hold and does not',
    ({ missing }) => missing.length,
  ),
  ofPools('read_seconds', 'What one look at the kernel takes', ({ reads }) => reads.readMs / 1000),
  ofPools(
    'read_interval_seconds',
    'Between two looks at the kernel; 0: only on demand',
    ({ reads }) => reads.intervalMs / 1000,
  ),
  ofServers('up', 'Healthy: 1, down: 0; absent before the first verdict', ({ health }) =>
    health === 'unknown' ? undefined : Number(health === 'up'),
  ),
  ofServers('serves', 'It gets connections: 1, else 0', ({ serves }) => Number(serves)),
  ofServers(
    'weight',
    'What the administrator, health and slow start leave of its weight',
    ({ effectiveWeight }) => effectiveWeight,
  ),
  ofServers('refused', 'The kernel refuses it: 1, else 0', ({ error }) =>
    Number(error !== undefined),
  ),
  {
    name: 'ipvs_pool_events_total',
    help: 'Events of the pool since it was registered here',
    type: 'counter',
    *values({ pools, events }) {
      for (const { pool } of pools) {
        for (const [event, value] of events.get(pool) ?? [])
          yield { labels: { pool, event }, value }
      }
    },
  },
]

/** Checkers by the name that the caller gives them. */
export type SeenCheckers = readonly (readonly [name: string, members: readonly HealthStatus[]])[]

function ofMembers(name: string, help: string, row: Row<HealthStatus>): Family<SeenCheckers> {
  return {
    name: `ipvs_check_${name}`,
    help,
    type: 'gauge',
    *values(checkers) {
      for (const [checker, members] of checkers) {
        for (const member of members) {
          const value = row(member)
          if (value !== undefined) yield { labels: { checker, member: member.key }, value }
        }
      }
    },
  }
}

export const checkerFamilies: readonly Family<SeenCheckers>[] = [
  ofMembers('up', 'By its checks: up 1, down 0; absent before the first verdict', ({ state }) =>
    state === 'unknown' ? undefined : Number(state === 'up'),
  ),
  ofMembers('duration_seconds', 'How long the last check took', ({ lastMs }) =>
    lastMs === undefined ? undefined : lastMs / 1000,
  ),
  ofMembers('last_timestamp_seconds', 'When the last check ended, since the epoch', ({ lastAt }) =>
    lastAt === undefined ? undefined : lastAt / 1000,
  ),
  ofMembers('failures', 'Failures in a row', ({ failures }) => failures),
  ofMembers('held', 'It flaps and is kept down for a while: 1, else 0', ({ heldUntil }) =>
    Number(heldUntil !== undefined),
  ),
]
