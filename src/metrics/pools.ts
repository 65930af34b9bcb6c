// Figures of pools and their servers.
import type { PoolServerStatus, PoolStatus } from '../pool/api.js'
import { poolEvents } from '../pool/events.js'
import { type Family, leftOutOf } from './family.js'

function ofPools(name: string, help: string, value: (pool: PoolStatus) => number): Family {
  return {
    name: `ipvs_pool_${name}`,
    help,
    type: 'gauge',
    *values({ pools }) {
      for (const pool of pools) yield { labels: { pool: pool.pool }, value: value(pool) }
    },
  }
}

export const poolFamilies: readonly Family[] = [
  leftOutOf('pool'),
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
  ofPools('servers', 'Servers, backups included', ({ servers }) => servers.length),
  ofPools(
    'servers_up',
    'Servers that are healthy',
    ({ servers }) => servers.filter(({ health }) => health === 'up').length,
  ),
  ofPools(
    'servers_serving',
    'Servers that get connections',
    ({ servers }) => servers.filter(({ serves }) => serves).length,
  ),
  ofPools('warnings', 'Warnings that hold', ({ warnings }) => warnings.length),
  ofPools('read_seconds', 'What one look at the kernel takes', ({ reads }) => reads.readMs / 1000),
  ofPools(
    'read_interval_seconds',
    'Between two looks at the kernel; 0: only on demand',
    ({ reads }) => reads.intervalMs / 1000,
  ),
  ofPools(
    'read_age_seconds',
    'Since the last look at the kernel',
    ({ reads }) => (performance.now() - reads.lookedAt) / 1000,
  ),
  {
    name: 'ipvs_pool_events_total',
    help: 'Events of the pool since it was registered here',
    type: 'counter',
    *values({ pools, events }) {
      for (const { pool } of pools) {
        for (const event of poolEvents) {
          yield { labels: { pool, event }, value: events.get(pool)?.get(event) ?? 0 }
        }
      }
    },
  },
]

function ofServers(
  name: string,
  help: string,
  value: (server: PoolServerStatus) => number | undefined,
): Family {
  return {
    name: `ipvs_pool_server_${name}`,
    help,
    type: 'gauge',
    *values({ pools }) {
      for (const { pool, shown } of pools) {
        for (const server of shown) {
          const found = value(server)
          if (found !== undefined) yield { labels: { pool, server: server.server }, value: found }
        }
      }
    },
  }
}

export const serverFamilies: readonly Family[] = [
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
  ofServers('admin_ready', 'Drained or in maintenance: 0, else 1', ({ admin }) =>
    Number(admin === 'ready'),
  ),
]
