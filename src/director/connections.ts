// The connections of a server over all services of its pool, as the kernel counts them.
import type { Ipvs } from '../client.js'
import { readServer } from '../servers.js'
import type { ConnectionCounts } from './api.js'
import { serviceIdsOf } from './config/fronts.js'
import type { ManagedPool } from './managed-pool.js'

export async function countConnections(
  client: Pick<Ipvs, 'destinations'>,
  managed: ManagedPool,
  server: string,
): Promise<ConnectionCounts> {
  const counts = { active: 0, inactive: 0, persistent: 0 }
  const { address, secondAddress, port } = readServer(managed.listed(server) ?? server, 'server')
  for (const id of serviceIdsOf(managed.config.options.fronts)) {
    for (const one of await client.destinations(id)) {
      if (one.address !== address && one.address !== secondAddress) continue
      if (port !== undefined && one.port !== port) continue
      counts.active += one.activeConnections
      counts.inactive += one.inactiveConnections
      counts.persistent += one.persistentConnections
    }
  }
  return counts
}
