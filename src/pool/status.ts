// The pool as a table.
import type { PoolServerStatus } from './api.js'
import { held, type Server } from './policy/server.js'

export function serverStatus(server: Server): PoolServerStatus {
  const failed = server.places.find(({ entry }) => entry.failure !== undefined)
  return {
    server: server.key,
    backup: server.backup,
    serves: server.serving === 'serves' && !server.refused,
    ...server.state(),
    fronts: Object.fromEntries(
      server.places.map(({ front, entry }) => [front.key, held(entry.known)]),
    ),
    since: server.since,
    reason: server.reason,
    error: failed?.entry.failure?.error.message,
  }
}

/** The keys of some servers, for a message. */
export function listServers(servers: ReadonlyMap<string, Server>): string {
  if (servers.size === 0) return 'none'
  const some = [...servers.keys()].slice(0, 20).join(', ')
  return servers.size > 20 ? `${some} and ${servers.size - 20} more` : some
}
