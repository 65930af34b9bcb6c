// What others call a role: our own words, and those of keepalived (keepalived.conf(5): notify, notify_fifo).
import type { PoolRole } from '../../pool/api.js'

/** Which of keepalived's announcements are ours. */
export interface VrrpName {
  readonly type: 'INSTANCE' | 'GROUP'
  readonly name: string
}

/** What one says of a role. */
export type RoleWord =
  | { readonly role: PoolRole; readonly word: string }
  /** Another one with a lower priority announces that it is master as well. */
  | { readonly rival: true; readonly word: string }

const ROLES: ReadonlyMap<string, PoolRole> = new Map([
  ['active', 'active'],
  ['master', 'active'],
  ['standby', 'standby'],
  ['backup', 'standby'],
  // The interface is down, or a script that it tracks has failed.
  ['fault', 'standby'],
  // keepalived ends, or the instance is taken out of its file.
  ['stop', 'standby'],
  ['deleted', 'standby'],
])

/** `active`, `standby`, or what keepalived says in its place, in capitals or not. */
export function roleOf(word: string): PoolRole | undefined {
  return ROLES.get(word.toLowerCase())
}

/**
 * One announcement of keepalived, as words: `INSTANCE VI_1 MASTER 100`.
 *
 * @returns nothing if it is about another instance, or says nothing about a role
 */
export function readAnnouncement(
  words: readonly string[],
  of: VrrpName | undefined,
): RoleWord | undefined {
  const [type, name, word = ''] = words
  if (type !== 'INSTANCE' && type !== 'GROUP') return undefined
  if (of !== undefined && (of.type !== type || of.name !== name)) return undefined
  if (word === 'MASTER_RX_LOWER_PRI') return { rival: true, word: words.join(' ') }
  const role = roleOf(word)
  return role === undefined ? undefined : { role, word: words.join(' ') }
}

/** A line of keepalived's FIFO: `INSTANCE "VI_1" MASTER 100`. */
export function readLine(line: string, of: VrrpName): RoleWord | undefined {
  const [, type, name, rest = ''] = /^(\w+) "([^"]*)" (.*)$/.exec(line.trim()) ?? []
  if (type === undefined || name === undefined) return undefined
  return readAnnouncement([type, name, ...rest.split(' ')], of)
}
