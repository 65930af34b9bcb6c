// Observed values: from the kernel's numbers to what callers see. One place for the real kernel and the one in memory.
import { type AddressBytes, AF_INET, formatAddress, formatNetmask } from '../address.js'
import {
  type DestinationRecord,
  type Every,
  pick,
  pickDestination,
  type ServiceRecord,
} from '../fields.js'
import type {
  Destination,
  DestinationId,
  DestinationStatus,
  ObservedServiceId,
  Protocol,
  SchedulerFlag,
  ServiceSettings,
  ServiceStatus,
  Stats,
  Tunnel,
} from '../types.js'
import {
  checksumName,
  methodName,
  PROTOCOLS,
  SERVICE_FLAGS,
  schedulerFlagsOf,
  TUNNEL_TYPES,
  tunnelName,
} from '../validate.js'

/** The identity of a service in numbers, as far as reading needs it. A `CheckedServiceId` is one. */
export interface ServiceIdNumbers {
  readonly af: number
  readonly protocol: number
  readonly fwmark: number
  /** Bytes that hold the address from `addressAt` on; `undefined` for a fwmark service. */
  readonly address: AddressBytes | undefined
  readonly addressAt?: number
  readonly port: number
}

/** A service as records have it. A `CheckedService` is one. */
export type ServiceNumbers = ServiceIdNumbers & ServiceRecord

/** The identity of a destination in numbers. */
export interface DestinationIdNumbers {
  readonly af: number
  readonly address: AddressBytes
  readonly addressAt?: number
  readonly port: number
}

/** A destination as records have it. A `CheckedDestination` is one. */
export type DestinationNumbers = DestinationIdNumbers & DestinationRecord

export interface ConnectionCounts {
  readonly active: number
  readonly inactive: number
  readonly persistent: number
}

/** A service without what only the kernel knows of it. */
export function serviceOf(fields: ServiceNumbers): ObservedServiceId & ServiceSettings {
  const { af, flags, scheduler, engine, timeoutSeconds, netmask } = fields
  const isPersistent = (flags & SERVICE_FLAGS.persistent) !== 0
  const schedulerFlags = schedulerFlagsOf(scheduler, flags) as SchedulerFlag[]
  const settings: Every<ServiceSettings> = {
    scheduler,
    onePacket: (flags & SERVICE_FLAGS.onePacket) !== 0,
    persistence: isPersistent
      ? { timeoutSeconds, netmask: af === AF_INET ? formatNetmask(netmask) : netmask }
      : undefined,
    schedulerFlags: schedulerFlags.length > 0 ? schedulerFlags : undefined,
    persistenceEngine: engine === '' ? undefined : engine,
  }
  return { ...serviceIdOf(fields), ...given(settings) }
}

export function observedService(fields: ServiceNumbers, stats: Stats): ServiceStatus {
  return { ...serviceOf(fields), stats }
}

export function serviceIdOf({
  af,
  fwmark,
  protocol,
  address,
  addressAt,
  port,
}: ServiceIdNumbers): ObservedServiceId {
  if (fwmark !== 0 || address === undefined) {
    return { fwmark, family: af === AF_INET ? 'ipv4' : 'ipv6' }
  }
  return {
    // A number is what somebody else gave the kernel, which takes any.
    protocol: PROTOCOL_NAMES.get(protocol) ?? (String(protocol) as Protocol),
    address: formatAddress(af, address, addressAt),
    port,
  }
}

export function observedDestination(
  fields: DestinationNumbers,
  connections: ConnectionCounts,
  stats: Stats,
): DestinationStatus {
  const forwarding = methodName(fields.method)
  const address = formatAddress(fields.af, fields.address, fields.addressAt)
  const { port, weight, upperThreshold, lowerThreshold } = fields
  const activeConnections = connections.active
  const inactiveConnections = connections.inactive
  const persistentConnections = connections.persistent
  // Two literals: a spread of what is mostly absent costs as much as all the rest.
  if (forwarding !== 'tunnel') {
    return {
      address,
      port,
      forwarding,
      weight,
      upperThreshold,
      lowerThreshold,
      activeConnections,
      inactiveConnections,
      persistentConnections,
      stats,
    } satisfies Every<Omit<DestinationStatus, 'tunnel'>>
  }
  return {
    address,
    port,
    forwarding,
    weight,
    upperThreshold,
    lowerThreshold,
    tunnel: tunnel(fields),
    activeConnections,
    inactiveConnections,
    persistentConnections,
    stats,
  } satisfies Every<DestinationStatus>
}

/** A destination without what only the kernel knows of it. */
export function destinationOf(fields: DestinationNumbers): Destination {
  return pickDestination(observedDestination(fields, NO_CONNECTIONS, NO_STATS))
}

export function destinationIdOf(id: DestinationIdNumbers): DestinationId {
  return { address: formatAddress(id.af, id.address, id.addressAt), port: id.port }
}

function tunnel({ tunnelType, tunnelPort, tunnelFlags }: DestinationNumbers): Tunnel {
  const type = tunnelName(tunnelType)
  const isKnown = TUNNEL_TYPES.has(type)
  const hasPort = type === 'gue' || (!isKnown && tunnelPort !== 0)
  return {
    type,
    ...(hasPort && { port: tunnelPort }),
    ...(tunnelFlags !== 0 && { checksum: checksumName(tunnelFlags) }),
  }
}

/** Without what is `undefined`. */
function given<T extends object>(settings: Every<T>): T {
  return pick(settings as T, Object.keys(settings) as (keyof T)[])
}

/**
 * Statistics, from ten counters in the order of native/record.h: Counters. Plain values of its own: they can be spread and
 * cloned, and whoever keeps them keeps nothing else of the table.
 */
export class ShownStats implements Stats {
  readonly connections: bigint
  readonly inPackets: bigint
  readonly outPackets: bigint
  readonly inBytes: bigint
  readonly outBytes: bigint
  readonly connectionRate: number
  readonly inPacketRate: number
  readonly outPacketRate: number
  readonly inByteRate: number
  readonly outByteRate: number

  constructor(counters: ArrayLike<bigint>, at = 0) {
    this.connections = counters[at]!
    this.inPackets = counters[at + 1]!
    this.outPackets = counters[at + 2]!
    this.inBytes = counters[at + 3]!
    this.outBytes = counters[at + 4]!
    this.connectionRate = Number(counters[at + 5]!)
    this.inPacketRate = Number(counters[at + 6]!)
    this.outPacketRate = Number(counters[at + 7]!)
    this.inByteRate = Number(counters[at + 8]!)
    this.outByteRate = Number(counters[at + 9]!)
  }

  toJSON(): Record<string, string | number> {
    const shown: Record<string, string | number> = {}
    for (const [name, value] of Object.entries(this) as [string, bigint | number][]) {
      shown[name] = typeof value === 'bigint' ? String(value) : value
    }
    return shown
  }
}

const NO_CONNECTIONS: ConnectionCounts = { active: 0, inactive: 0, persistent: 0 }
const NO_STATS = undefined as unknown as Stats
const PROTOCOL_NAMES: ReadonlyMap<number, Protocol> = new Map(
  [...(PROTOCOLS as ReadonlyMap<Protocol, number>)].map(([name, number]) => [number, name]),
)
