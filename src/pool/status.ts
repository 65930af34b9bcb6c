// The pool as a table.
import { held, type Member } from './member.js'
import type { PoolServerStatus } from './types.js'

export function serverStatus(member: Member): PoolServerStatus {
  return {
    server: member.key,
    backup: member.backup,
    serves: member.duty === 'serves',
    ...member.state(),
    fronts: Object.fromEntries(member.seats.map(({ front, known }) => [front.key, held(known)])),
    since: member.since,
    reason: member.reason,
    error: member.error?.message,
  }
}

/** The keys of some servers, for a message. */
export function listServers(members: ReadonlyMap<string, Member>): string {
  if (members.size === 0) return 'none'
  const some = [...members.keys()].slice(0, 20).join(', ')
  return members.size > 20 ? `${some} and ${members.size - 20} more` : some
}
