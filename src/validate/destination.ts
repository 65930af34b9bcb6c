// Destinations: from what callers write to the numbers the kernel wants.
import {
  type AddressBytes,
  type AddressFamily,
  AF_INET,
  AF_INET6,
  addressBytes,
  isBroadcast,
  isMulticast,
  isUnspecified,
  readIPv4,
} from '../address.js'
import { rangeError, typeError } from '../errors.js'
import { COUNTS, DESTINATION_SETTINGS, type DestinationRecord, MOST_COUNT } from '../fields.js'
import type { Destination, DestinationStatus, ForwardingMethod, Tunnel } from '../types.js'
import {
  checkInteger,
  checkName,
  checkObject,
  inheritedKey,
  readFields,
  unknownKey,
  unknownNumber,
} from './options.js'
import type { CheckedServiceId, Source } from './service.js'

/** Identity of a destination, checked. */
export interface CheckedDestinationId {
  readonly af: AddressFamily
  /** 4 or 16 bytes. */
  readonly address: AddressBytes
  readonly port: number
}

/** A destination, checked, with every default filled in. `tunnelPort`: 0 for none. */
export type CheckedDestination = CheckedDestinationId & DestinationRecord

/** Forwarding methods (linux/ip_vs.h: IP_VS_CONN_F_*). */
export const METHODS: ReadonlyMap<string, number> = new Map<ForwardingMethod, number>([
  ['masquerade', 0],
  ['local', 1],
  ['tunnel', 2],
  ['direct', 3],
])

/** Encapsulations (linux/ip_vs.h: IP_VS_CONN_F_TUNNEL_TYPE_*). */
export const TUNNEL_TYPES: ReadonlyMap<string, number> = new Map([
  ['ipip', 0],
  ['gue', 1],
  ['gre', 2],
])

const METHOD_NAMES = inverse<ForwardingMethod>(METHODS)
const TUNNEL_NAMES = inverse<Tunnel['type']>(TUNNEL_TYPES)

/** Checksums of the outer header (linux/ip_vs.h: IP_VS_TUNNEL_ENCAP_FLAG_*). */
export const TUNNEL_CHECKSUMS: ReadonlyMap<string, number> = new Map([
  ['none', 0],
  ['standard', 1],
  ['remote', 2],
])
const CHECKSUM_NAMES = inverse<NonNullable<Tunnel['checksum']>>(TUNNEL_CHECKSUMS)

// What this version has no name for keeps its number, so that what was read can be written back.
const UNKNOWN_METHOD = 'method-'
const UNKNOWN_TUNNEL = 'type-'
const UNKNOWN_CHECKSUM = 'checksum-'
/** The kernel keeps three bits of a method (ip_vs.h: IP_VS_CONN_F_FWD_MASK), and eight of a tunnel's type. */
const LAST_METHOD = 7
const LAST_TUNNEL = 255

export function methodName(method: number): ForwardingMethod {
  return METHOD_NAMES.get(method) ?? (`${UNKNOWN_METHOD}${method}` as ForwardingMethod)
}

export function tunnelName(type: number): Tunnel['type'] {
  return TUNNEL_NAMES.get(type) ?? (`${UNKNOWN_TUNNEL}${type}` as Tunnel['type'])
}

export function checksumName(flags: number): NonNullable<Tunnel['checksum']> {
  return CHECKSUM_NAMES.get(flags) ?? (`${UNKNOWN_CHECKSUM}${flags}` as 'none')
}

const TUNNEL = 2
const DIRECT = 3
const IPIP = 0
const GUE = 1
const REMOTE = 2
const UINT_MAX = 0xffffffff

const EXAMPLE = "{ address: '10.1.0.1', port: 53 }"

interface CheckedTunnel {
  readonly type: number
  readonly port: number
  readonly flags: number
}

const PLAIN_TUNNEL: CheckedTunnel = { type: IPIP, port: 0, flags: 0 }

/**
 * Checks the identity of a destination. Of a larger object, a `DestinationStatus` say, it reads the identity only.
 * Port 0 is allowed: another program may have made such a destination, and it can be removed.
 *
 * @throws TypeError, RangeError
 */
export function checkDestinationId(value: unknown, option: string): CheckedDestinationId {
  return identity(destinationFields(value, option), option, 'given')
}

/**
 * Checks a whole destination of `service`. Connection counts and `stats` are ignored, so that a seen destination
 * can be written back.
 *
 * @throws TypeError, RangeError
 */
export function checkDestination(
  value: unknown,
  option: string,
  service: CheckedServiceId,
  source: Source = 'given',
): CheckedDestination {
  const seen = source === 'seen'
  const fields = destinationFields(value, option)
  const id = identity(fields, option, source)
  const method =
    METHODS.get(fields.forwarding as string) ??
    unknownNumber(UNKNOWN_METHOD, fields.forwarding, LAST_METHOD) ??
    checkName(fields.forwarding, `${option}.forwarding`, METHODS)
  if (!seen) checkPlace(fields, option, id, method, service)

  const upperThreshold = count(fields, option, 'upperThreshold', seen)
  const lowerThreshold = count(fields, option, 'lowerThreshold', seen)
  // 0 as the upper one is no exception (ip_vs_ctl.c: ERANGE).
  if (lowerThreshold > upperThreshold && !seen) {
    const rule = `at most upperThreshold, which is ${upperThreshold}`
    throw rangeError(`${option}.lowerThreshold`, rule, lowerThreshold)
  }
  const tunnel =
    fields.tunnel === undefined
      ? PLAIN_TUNNEL
      : checkTunnel(fields.tunnel, `${option}.tunnel`, method, seen)
  return {
    af: id.af,
    address: id.address,
    port: id.port,
    method,
    weight: count(fields, option, 'weight', seen),
    upperThreshold,
    lowerThreshold,
    tunnelType: tunnel.type,
    tunnelPort: tunnel.port,
    tunnelFlags: tunnel.flags,
  }
}

type DestinationFields = { readonly [K in keyof Destination]-?: unknown }

const DESTINATION_KEYS = [
  'address',
  'port',
  ...DESTINATION_SETTINGS,
  'activeConnections',
  'inactiveConnections',
  'persistentConnections',
  'stats',
] as const

/** The settings of a destination, each read once; what only the kernel knows is left. */
function destinationFields(value: unknown, option: string): DestinationFields {
  const from = checkObject(value, option, EXAMPLE)
  let address: unknown
  let port: unknown
  let forwarding: unknown
  let weight: unknown
  let upperThreshold: unknown
  let lowerThreshold: unknown
  let tunnel: unknown
  for (const key in from) {
    if (!Object.hasOwn(from, key)) throw inheritedKey(from, key, option)
    const name = key as keyof DestinationStatus
    switch (name) {
      case 'address':
        address = from.address
        break
      case 'port':
        port = from.port
        break
      case 'forwarding':
        forwarding = from.forwarding
        break
      case 'weight':
        weight = from.weight
        break
      case 'upperThreshold':
        upperThreshold = from.upperThreshold
        break
      case 'lowerThreshold':
        lowerThreshold = from.lowerThreshold
        break
      case 'tunnel':
        tunnel = from.tunnel
        break
      case 'activeConnections':
      case 'inactiveConnections':
      case 'persistentConnections':
      case 'stats':
        break
      default:
        throw unknownKey(from, name satisfies never, option, DESTINATION_KEYS)
    }
  }
  return { address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel }
}

function tunnelFields(): Record<keyof Tunnel, unknown> {
  const absent: unknown = undefined
  return { type: absent, port: absent, checksum: absent }
}

function identity(fields: DestinationFields, option: string, source: Source): CheckedDestinationId {
  const seen = source === 'seen'
  const bytes = readIPv4(fields.address) ?? addressBytes(fields.address, `${option}.address`, seen)
  // Never local or unicast in any namespace, so always EINVAL (ip_vs_ctl.c: ip_vs_new_dest).
  if (!seen && (isUnspecified(bytes) || isMulticast(bytes) || isBroadcast(bytes))) {
    const rule = 'the address of one server: not unspecified, multicast or broadcast'
    throw rangeError(`${option}.address`, rule, fields.address)
  }
  return {
    af: bytes.length === 4 ? AF_INET : AF_INET6,
    address: bytes,
    port: isPort(fields.port) ? fields.port : checkInteger(fields.port, `${option}.port`, 0, 65535),
  }
}

// Paths are spelled for errors only: ten thousand of them take a third of the time that checking does.
function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535
}

/** The rules between a destination and its service. */
function checkPlace(
  fields: DestinationFields,
  option: string,
  id: CheckedDestinationId,
  method: number,
  service: CheckedServiceId,
): void {
  if (id.af !== service.af && method !== TUNNEL) {
    const rule = 'of the same family as the service: only forwarding "tunnel" crosses families'
    throw rangeError(`${option}.address`, rule, fields.address)
  }
  if (service.fwmark !== 0 || id.port === service.port) return
  if (id.port === 0) {
    const rule = 'an integer from 1 to 65535: port 0 is for port-0 and fwmark services'
    throw rangeError(`${option}.port`, rule, id.port)
  }
  // The kernel takes it, and sends packets to the service's port all the same (ip_vs_xmit.c).
  if (method === DIRECT || method === TUNNEL) {
    const rule = `the service's port, ${service.port}: forwarding "${fields.forwarding}" does not rewrite packets`
    throw rangeError(`${option}.port`, rule, id.port)
  }
}

function checkTunnel(value: unknown, option: string, method: number, seen: boolean): CheckedTunnel {
  if (method !== TUNNEL && !seen) {
    throw typeError(option, 'left out unless forwarding is "tunnel"', value)
  }
  const fields = readFields(value, option, tunnelFields(), "{ type: 'gue', port: 6080 }")
  const unknown = unknownNumber(UNKNOWN_TUNNEL, fields.type, LAST_TUNNEL)
  const type = unknown ?? checkName(fields.type, `${option}.type`, TUNNEL_TYPES)
  // Of a type that is not known here nobody can say what belongs to it.
  const free = seen || unknown !== undefined

  let port = 0
  if (type === GUE && !free) port = checkInteger(fields.port, `${option}.port`, 1, 65535)
  else if (fields.port !== undefined) {
    if (!free) {
      throw typeError(`${option}.port`, 'left out: only tunnel type "gue" has a port', fields.port)
    }
    port = checkInteger(fields.port, `${option}.port`, 0, 65535)
  }

  const flags = checkChecksum(fields.checksum, `${option}.checksum`)
  if (flags !== 0 && type === IPIP && !free) {
    const rule = '"none" or left out: tunnel type "ipip" has no checksum'
    throw rangeError(`${option}.checksum`, rule, fields.checksum)
  }
  if (flags === REMOTE && type !== GUE && !free) {
    const rule = '"none" or "standard": only tunnel type "gue" has "remote"'
    throw rangeError(`${option}.checksum`, rule, fields.checksum)
  }
  return { type, port, flags }
}

function checkChecksum(value: unknown, option: string): number {
  if (value === undefined) return 0
  return (
    unknownNumber(UNKNOWN_CHECKSUM, value, 0xffff) ?? checkName(value, option, TUNNEL_CHECKSUMS)
  )
}

function count(
  fields: DestinationFields,
  option: string,
  name: keyof typeof COUNTS,
  seen: boolean,
): number {
  const value = fields[name]
  if (value === undefined) return COUNTS[name]
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_COUNT)
    return value as number
  // Some kernels take any threshold (6.1: ip_vs_ctl.c checks the weight alone).
  const most = seen && name !== 'weight' ? UINT_MAX : MOST_COUNT
  return checkInteger(value, `${option}.${name}`, 0, most)
}

function inverse<K extends string>(map: ReadonlyMap<string, number>): ReadonlyMap<number, K> {
  return new Map([...map].map(([name, number]) => [number, name as K]))
}
