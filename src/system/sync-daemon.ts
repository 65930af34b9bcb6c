// Connection synchronisation between two directors: the kernel's master and backup daemons.
import {
  type AddressBytes,
  AF_INET,
  AF_INET6,
  formatAddress,
  isMulticast,
  parseAddress,
} from '../address.js'
import { rangeError, typeError } from '../errors.js'
import { checkInteger, checkName, checkOptions } from '../validate.js'

/** `master` sends the connections it has, `backup` takes them in; one namespace may run both. */
export type SyncRole = 'master' | 'backup'

/**
 * A sync daemon. It carries connections, never services or destinations: those have to be the same on both
 * directors. Short UDP flows and one-packet services are practically never synced (ip_vs_sync.c: sync_threshold).
 */
export interface SyncDaemon {
  readonly role: SyncRole
  /** Multicast interface, at most 15 bytes; it should have its address already. */
  readonly interface: string
  /** 0 to 255; daemons hear only their own id, a backup with 0 hears all. Default 0. */
  readonly syncId?: number
  /** Longest message, in bytes, 1 to 65507 (a backup: at least 1024). Default: what the interface's MTU allows. */
  readonly maxLength?: number
  /** Multicast group, IPv4 or IPv6. Default `224.0.0.81`. */
  readonly group?: string
  /** UDP port, 1 to 65535. Default 8848. */
  readonly port?: number
  /** Hops that a message may take (IP_MULTICAST_TTL), 1 to 255. Default 1. */
  readonly ttl?: number
}

/** A running daemon, with the kernel's defaults filled in. */
export type SyncDaemonStatus = Required<SyncDaemon>

export interface CheckedDaemon {
  readonly state: number
  readonly interface: string
  readonly syncId: number
  readonly maxLength: number
  readonly port: number
  readonly ttl: number
  /** 4 or 16 bytes. */
  readonly group: AddressBytes | undefined
}

/** linux/ip_vs.h: IP_VS_STATE_MASTER, IP_VS_STATE_BACKUP. */
export const daemonStates: ReadonlyMap<string, number> = new Map([
  ['master', 1],
  ['backup', 2],
])

export function checkRole(value: unknown, option: string): number {
  return checkName(value, option, daemonStates)
}

/** @throws TypeError, RangeError */
export function checkDaemon(value: unknown, option = 'daemon'): CheckedDaemon {
  if (value === undefined) throw typeError(option, '{ role, interface }', value)
  const fields = checkOptions(value, option, [
    'role',
    'interface',
    'syncId',
    'maxLength',
    'group',
    'port',
    'ttl',
  ])
  const state = checkRole(fields.role, `${option}.role`)
  const integer = (name: 'syncId' | 'maxLength' | 'port' | 'ttl', min: number, max: number) =>
    fields[name] === undefined ? 0 : checkInteger(fields[name], `${option}.${name}`, min, max)
  return {
    state,
    interface: checkInterface(fields.interface, `${option}.interface`),
    syncId: integer('syncId', 0, 255),
    // ip_vs_sync.c: start_sync_thread wants 1 for a master and 1024 for a backup at least.
    maxLength: integer('maxLength', state === daemonStates.get('backup') ? 1024 : 1, 65_507),
    port: integer('port', 1, 65_535),
    ttl: integer('ttl', 1, 255),
    group: fields.group === undefined ? undefined : checkGroup(fields.group, `${option}.group`),
  }
}

function checkInterface(value: unknown, option: string): string {
  const rule =
    'an interface name such as "eth0", 1 to 15 bytes of ASCII without "/" and white space'
  if (typeof value !== 'string') throw typeError(option, rule, value)
  if (!/^[\x21-\x2e\x30-\x7e]{1,15}$/.test(value)) throw rangeError(option, rule, value)
  return value
}

function checkGroup(value: unknown, option: string): AddressBytes {
  const { bytes } = parseAddress(value, option)
  if (!isMulticast(bytes)) throw rangeError(option, 'a multicast address', value)
  return bytes
}

/** Makes a status of what the kernel says; `af` 0: none said. */
export function daemonStatus(
  state: number,
  af: number,
  group: AddressBytes,
  rest: Omit<SyncDaemonStatus, 'role' | 'group'>,
): SyncDaemonStatus {
  const role = state === daemonStates.get('master') ? 'master' : 'backup'
  const known = af === AF_INET || af === AF_INET6
  return { role, group: known ? formatAddress(af, group) : '', ...rest }
}
