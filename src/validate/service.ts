// Services: from what callers write to the numbers the kernel wants.
import {
  type AddressBytes,
  type AddressFamily,
  AF_INET,
  AF_INET6,
  addressBytes,
  isUnspecified,
  parseNetmask,
} from '../address.js'
import { rangeError, typeError } from '../errors.js'
import { SERVICE_SETTINGS, type ServiceRecord, type ServiceSetting } from '../fields.js'
import type { AddressServiceId, Persistence } from '../types.js'
import {
  checkBoolean,
  checkInteger,
  checkModuleName,
  checkName,
  checkObject,
  inheritedKey,
  readFields,
  unknownKey,
  unknownNumber,
} from './options.js'
import { schedulerFlagBit, schedulerFlagNames } from './scheduler-flags.js'
import { didYouMean, quoted } from './spelling.js'

/** Identity of a service, checked. */
export interface CheckedServiceId {
  readonly af: AddressFamily
  /** 6, 17 or 132; 0 for a fwmark service. */
  readonly protocol: number
  /** 0 for an address service. */
  readonly fwmark: number
  /** 4 or 16 bytes; `undefined` for a fwmark service. */
  readonly address: AddressBytes | undefined
  /** 0 for every port, and for a fwmark service. */
  readonly port: number
}

/**
 * A service, checked, with every default filled in. `flags`: IP_VS_SVC_F_* bits; `timeoutSeconds`: 0 without persistence;
 * `netmask`: for IPv4 the mask as an unsigned number, for IPv6 the prefix length, and the kernel wants it without
 * persistence too; `engine`: empty for none.
 */
export type CheckedService = CheckedServiceId & ServiceRecord

/** Bits of the service flags (linux/ip_vs.h: IP_VS_SVC_F_*). */
export const SERVICE_FLAGS = { persistent: 0x1, onePacket: 0x4 } as const

/** Protocol numbers by name. */
export const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['tcp', 6],
  ['udp', 17],
  ['sctp', 132],
])

const UDP = 17

const FAMILIES: ReadonlyMap<string, AddressFamily> = new Map([
  ['ipv4', AF_INET],
  ['ipv6', AF_INET6],
])

/**
 * Longest persistence: the kernel multiplies seconds by HZ (at most 1000) in 32 bits, unchecked (ip_vs_ctl.c).
 */
const LONGEST_TIMEOUT = 4_294_967

const EXAMPLE = "{ protocol: 'udp', address: '192.0.2.1', port: 53 }"

/**
 * Checks the identity of a service. Of a larger object, a `ServiceStatus` say, it reads the identity only. Port 0
 * and the unspecified address are allowed: another program may have made such a service, and it can be removed.
 *
 * @throws TypeError, RangeError
 */
export function checkServiceId(value: unknown, option: string): CheckedServiceId {
  const fields = serviceFields(value, option)
  if (last === undefined || !isSameId(fields, last.fields)) {
    last = { fields, id: identity(fields, option, 'given') }
  }
  return last.id
}

/** The last one that was right: who makes thousands of calls asks mostly about one service, and often twice. */
let last: { readonly fields: ServiceFields; readonly id: CheckedServiceId } | undefined

function isSameId(a: ServiceFields, b: ServiceFields): boolean {
  return (
    a.address === b.address &&
    a.port === b.port &&
    a.protocol === b.protocol &&
    a.fwmark === b.fwmark &&
    a.family === b.family
  )
}

/**
 * Whose the values are: what a caller wants is refused where no good can come of it; what the kernel was seen to hold, by
 * whoever put it there, only has to have the right form.
 */
export type Source = 'given' | 'seen'

/**
 * Checks a whole service. `stats` is ignored, so that a seen service can be written back; so is `destinations`,
 * except by the operations that create a service, where it would be lost without a word.
 *
 * @throws TypeError, RangeError
 */
export function checkService(
  value: unknown,
  option: string,
  op?: string,
  source: Source = 'given',
): CheckedService {
  const seen = source === 'seen'
  const fields = serviceFields(value, option)
  const id = identity(fields, option, source)
  if (!seen && id.address !== undefined && isUnspecified(id.address)) {
    const rule = 'the address that packets are sent to: none are ever sent to this one'
    throw rangeError(`${option}.address`, rule, fields.address)
  }
  if (fields.destinations !== undefined && (op === 'add-service' || op === 'ensure-service')) {
    const rule = `left out: ${op} writes the service alone, so give each destination a change of its own, or use reconcile`
    throw typeError(`${option}.destinations`, rule, fields.destinations)
  }

  const scheduler = checkScheduler(fields.scheduler, `${option}.scheduler`, seen)
  let flags = 0
  if (fields.onePacket !== undefined && checkBoolean(fields.onePacket, `${option}.onePacket`)) {
    if (!seen && id.fwmark === 0 && id.protocol !== UDP) {
      const rule = 'false or left out: one-packet scheduling is for UDP and fwmark services'
      throw rangeError(`${option}.onePacket`, rule, true)
    }
    flags |= SERVICE_FLAGS.onePacket
  }
  if (fields.schedulerFlags !== undefined) {
    flags |= checkFlags(fields.schedulerFlags, `${option}.schedulerFlags`, scheduler)
  }

  let timeoutSeconds = 0
  let netmask = id.af === AF_INET ? 0xffffffff : 128
  if (fields.persistence !== undefined) {
    const persistence = `${option}.persistence`
    const given = readFields(
      fields.persistence,
      persistence,
      persistenceFields(),
      '{ timeoutSeconds: 300 }',
    )
    const timeout = `${persistence}.timeoutSeconds`
    timeoutSeconds = seen
      ? checkInteger(given.timeoutSeconds, timeout, 0, 0xffffffff)
      : checkInteger(given.timeoutSeconds, timeout, 1, LONGEST_TIMEOUT)
    if (given.netmask !== undefined) {
      netmask = checkNetmask(given.netmask, `${persistence}.netmask`, id.af, seen)
    }
    flags |= SERVICE_FLAGS.persistent
  } else if (!seen && id.fwmark === 0 && id.port === 0) {
    // The kernel takes it, and then refuses every packet to the ports without a service (ip_vs_core.c: ip_vs_schedule).
    const rule = 'an integer from 1 to 65535: port 0, every port, needs persistence'
    throw rangeError(`${option}.port`, rule, fields.port)
  }

  return {
    af: id.af,
    protocol: id.protocol,
    fwmark: id.fwmark,
    address: id.address,
    port: id.port,
    scheduler,
    flags,
    timeoutSeconds,
    netmask,
    engine: checkEngine(fields, option, seen),
  }
}

const SERVICE_KEYS = [
  'protocol',
  'address',
  'port',
  'fwmark',
  'family',
  ...SERVICE_SETTINGS,
  'destinations',
  'stats',
] as const

type ServiceFields = { readonly [K in GivenKey]: unknown }
type GivenKey = keyof AddressServiceId | ServiceSetting | 'destinations'

/** The settings of a service, each read once; what only the kernel knows is left. */
function serviceFields(value: unknown, option: string): ServiceFields {
  const from = checkObject(value, option, EXAMPLE)
  let protocol: unknown
  let address: unknown
  let port: unknown
  let fwmark: unknown
  let family: unknown
  let scheduler: unknown
  let onePacket: unknown
  let persistence: unknown
  let schedulerFlags: unknown
  let persistenceEngine: unknown
  let destinations: unknown
  for (const key in from) {
    if (!Object.hasOwn(from, key)) throw inheritedKey(from, key, option)
    const name = key as GivenKey | 'stats'
    switch (name) {
      case 'protocol':
        protocol = from.protocol
        break
      case 'address':
        address = from.address
        break
      case 'port':
        port = from.port
        break
      case 'fwmark':
        fwmark = from.fwmark
        break
      case 'family':
        family = from.family
        break
      case 'scheduler':
        scheduler = from.scheduler
        break
      case 'onePacket':
        onePacket = from.onePacket
        break
      case 'persistence':
        persistence = from.persistence
        break
      case 'schedulerFlags':
        schedulerFlags = from.schedulerFlags
        break
      case 'persistenceEngine':
        persistenceEngine = from.persistenceEngine
        break
      case 'destinations':
        destinations = from.destinations
        break
      case 'stats':
        break
      default:
        throw unknownKey(from, name satisfies never, option, SERVICE_KEYS)
    }
  }
  return {
    protocol,
    address,
    port,
    fwmark,
    family,
    scheduler,
    onePacket,
    persistence,
    schedulerFlags,
    persistenceEngine,
    destinations,
  }
}

function persistenceFields(): Record<keyof Persistence, unknown> {
  const absent: unknown = undefined
  return { timeoutSeconds: absent, netmask: absent }
}

function identity(fields: ServiceFields, option: string, source: Source): CheckedServiceId {
  if (fields.fwmark !== undefined) return fwmarkIdentity(fields, option)
  if (fields.family !== undefined) {
    const rule = 'left out: the family of an address service follows from its address'
    throw typeError(`${option}.family`, rule, fields.family)
  }
  if (fields.protocol === undefined && fields.address === undefined) {
    throw typeError(
      `${option}.protocol`,
      `one of ${quoted(PROTOCOLS.keys())}, or give a fwmark`,
      undefined,
    )
  }
  const seen = source === 'seen'
  const unnamed = seen ? unknownNumber('', fields.protocol, 0xffff) : undefined
  const protocol = unnamed ?? checkName(fields.protocol, `${option}.protocol`, PROTOCOLS)
  const address = addressBytes(fields.address, `${option}.address`, seen)
  const port = checkInteger(fields.port, `${option}.port`, 0, 65535)
  const af = address.length === 4 ? AF_INET : AF_INET6
  return { af, protocol, fwmark: 0, address, port }
}

function fwmarkIdentity(fields: ServiceFields, option: string): CheckedServiceId {
  for (const key of ['protocol', 'address', 'port'] as const) {
    if (fields[key] !== undefined) {
      const rule = 'left out: a service has either a fwmark, or protocol, address and port'
      throw typeError(`${option}.${key}`, rule, fields[key])
    }
  }
  // 0 would be the service TCP 0.0.0.0:0 to the kernel.
  const fwmark = checkInteger(fields.fwmark, `${option}.fwmark`, 1, 0xffffffff)
  const af =
    fields.family === undefined ? AF_INET : checkName(fields.family, `${option}.family`, FAMILIES)
  return { af, protocol: 0, fwmark, address: undefined, port: 0 }
}

function checkScheduler(value: unknown, option: string, seen: boolean): string {
  const scheduler = checkModuleName(value, option, 'wrr')
  // ip_vs_ctl.c, ip_vs_add_service: "none" makes a service that has no scheduler and refuses every connection.
  if (scheduler === 'none' && !seen) {
    throw rangeError(option, 'a scheduler: with "none" the service refuses every connection', value)
  }
  return scheduler
}

function checkFlags(value: unknown, option: string, scheduler: string): number {
  if (!Array.isArray(value)) throw typeError(option, 'an array of scheduler flag names', value)
  let flags = 0
  for (let index = 0; index < value.length; index++) {
    const flag: unknown = value[index]
    const bit = schedulerFlagBit(scheduler, flag)
    if (bit === undefined) {
      const all = [...schedulerFlagNames(scheduler).keys()]
      const rule = `a flag of scheduler "${scheduler}": ${quoted(all)}${didYouMean(flag, all)}`
      throw typeError(`${option}[${index}]`, rule, flag)
    }
    flags |= bit
  }
  return flags
}

function checkNetmask(value: unknown, option: string, af: AddressFamily, seen: boolean): number {
  if (af === AF_INET6) {
    if (typeof value !== 'number')
      throw typeError(option, 'a prefix length, 1 to 128, for IPv6', value)
    return checkInteger(value, option, 1, 128)
  }
  const mask = parseNetmask(value, option)
  if (mask === 0 && !seen) {
    throw rangeError(option, 'other than 0: all clients would count as one', value)
  }
  return mask
}

function checkEngine(fields: ServiceFields, option: string, seen: boolean): string {
  if (fields.persistenceEngine === undefined) return ''
  const engine = checkModuleName(fields.persistenceEngine, `${option}.persistenceEngine`, 'sip')
  if (fields.persistence === undefined && !seen) {
    throw typeError(`${option}.persistenceEngine`, 'left out without persistence', engine)
  }
  return engine
}
