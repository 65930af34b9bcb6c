// Observed values: from the kernel's numbers to what callers see. One place for the real kernel and the one in memory.
import { inspect } from 'node:util'
import { type AddressBytes, AF_INET, formatAddress, formatNetmask } from '../address.js'
import type {
  Destination,
  DestinationId,
  DestinationStatus,
  ForwardingMethod,
  ObservedServiceId,
  Protocol,
  SchedulerFlag,
  ServiceSettings,
  ServiceStatus,
  Stats,
  Tunnel,
} from '../types.js'
import {
  METHODS,
  PROTOCOLS,
  SERVICE_FLAGS,
  schedulerFlagNames,
  TUNNEL_CHECKSUMS,
  TUNNEL_TYPES,
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

/** A service in numbers. A `CheckedService` is one. */
export interface ServiceNumbers extends ServiceIdNumbers {
  readonly flags: number
  readonly timeoutSeconds: number
  readonly netmask: number
  readonly scheduler: string
  readonly engine: string
}

/** The identity of a destination in numbers. */
export interface DestinationIdNumbers {
  readonly af: number
  readonly address: AddressBytes
  readonly addressAt?: number
  readonly port: number
}

/** A destination in numbers. A `CheckedDestination` is one. */
export interface DestinationNumbers extends DestinationIdNumbers {
  readonly method: number
  readonly weight: number
  readonly upperThreshold: number
  readonly lowerThreshold: number
  readonly tunnelType: number
  readonly tunnelPort: number
  readonly tunnelFlags: number
}

export interface ConnectionCounts {
  readonly active: number
  readonly inactive: number
  readonly persistent: number
}

/** A service without what only the kernel knows of it. */
export function serviceOf(fields: ServiceNumbers): ObservedServiceId & ServiceSettings {
  const { af, flags, scheduler, engine, timeoutSeconds, netmask } = fields
  const schedulerFlags = flagNames(scheduler, flags)
  const settings: ServiceSettings = {
    scheduler,
    onePacket: (flags & SERVICE_FLAGS.onePacket) !== 0,
    ...((flags & SERVICE_FLAGS.persistent) !== 0 && {
      persistence: { timeoutSeconds, netmask: af === AF_INET ? formatNetmask(netmask) : netmask },
    }),
    ...(schedulerFlags.length > 0 && { schedulerFlags }),
    ...(engine !== '' && { persistenceEngine: engine }),
  }
  return { ...serviceIdOf(fields), ...settings }
}

export function observedService(fields: ServiceNumbers, stats: Stats): ServiceStatus {
  return { ...serviceOf(fields), stats }
}

function flagNames(scheduler: string, flags: number): SchedulerFlag[] {
  const names: SchedulerFlag[] = []
  for (const [name, bit] of schedulerFlagNames(scheduler)) {
    if ((flags & bit) !== 0) names.push(name as SchedulerFlag)
  }
  return names
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
  const { method } = fields
  const forwarding = METHOD_NAMES.get(method) ?? (`method-${method}` as ForwardingMethod)
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
    }
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
  }
}

/** A destination without what only the kernel knows of it. */
export function destinationOf(fields: DestinationNumbers): Destination {
  const {
    activeConnections: _active,
    inactiveConnections: _inactive,
    persistentConnections: _persistent,
    stats: _stats,
    ...settings
  } = observedDestination(fields, NO_CONNECTIONS, NO_STATS)
  return settings
}

export function destinationIdOf(id: DestinationIdNumbers): DestinationId {
  return { address: formatAddress(id.af, id.address, id.addressAt), port: id.port }
}

function tunnel({ tunnelType, tunnelPort, tunnelFlags }: DestinationNumbers): Tunnel {
  const type = TUNNEL_NAMES.get(tunnelType) ?? 'ipip'
  const checksum = CHECKSUM_NAMES.get(tunnelFlags)
  return {
    type,
    ...(type === 'gue' && { port: tunnelPort }),
    ...(checksum !== undefined && checksum !== 'none' && { checksum }),
  }
}

/** Statistics over ten counters, in the order of native/record.h: Counters. */
export abstract class CounterStats implements Stats {
  protected abstract counter(index: number): bigint

  get connections(): bigint {
    return this.counter(0)
  }
  get inPackets(): bigint {
    return this.counter(1)
  }
  get outPackets(): bigint {
    return this.counter(2)
  }
  get inBytes(): bigint {
    return this.counter(3)
  }
  get outBytes(): bigint {
    return this.counter(4)
  }
  get connectionRate(): number {
    return Number(this.counter(5))
  }
  get inPacketRate(): number {
    return Number(this.counter(6))
  }
  get outPacketRate(): number {
    return Number(this.counter(7))
  }
  get inByteRate(): number {
    return Number(this.counter(8))
  }
  get outByteRate(): number {
    return Number(this.counter(9))
  }

  /** What `console.log` shows. */
  [inspect.custom](): object {
    return this.toJSON()
  }

  toJSON(): Record<string, string | number> {
    return {
      connections: String(this.connections),
      inPackets: String(this.inPackets),
      outPackets: String(this.outPackets),
      inBytes: String(this.inBytes),
      outBytes: String(this.outBytes),
      connectionRate: this.connectionRate,
      inPacketRate: this.inPacketRate,
      outPacketRate: this.outPacketRate,
      inByteRate: this.inByteRate,
      outByteRate: this.outByteRate,
    }
  }
}

const NO_CONNECTIONS: ConnectionCounts = { active: 0, inactive: 0, persistent: 0 }
const NO_STATS = undefined as unknown as Stats
const PROTOCOL_NAMES = inverse(PROTOCOLS as ReadonlyMap<Protocol, number>)
const METHOD_NAMES = inverse(METHODS as ReadonlyMap<ForwardingMethod, number>)
const TUNNEL_NAMES = inverse(TUNNEL_TYPES as ReadonlyMap<Tunnel['type'], number>)
const CHECKSUM_NAMES = inverse(
  TUNNEL_CHECKSUMS as ReadonlyMap<NonNullable<Tunnel['checksum']>, number>,
)

function inverse<K extends string>(map: ReadonlyMap<K, number>): ReadonlyMap<number, K> {
  return new Map([...map].map(([name, number]) => [number, name]))
}
