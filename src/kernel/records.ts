// The compact records that pass to and from the addon: checked changes to bytes, bytes to observed values.
import { inspect } from 'node:util'
import { AF_INET, formatAddress, formatNetmask } from '../address.js'
import type {
  Change,
  DestinationStatus,
  ForwardingMethod,
  ObservedServiceId,
  Protocol,
  SchedulerFlag,
  ServiceSettings,
  ServiceStatus,
  ServiceTreeStatus,
  Stats,
  Tunnel,
} from '../types.js'
import {
  type CheckedChange,
  type CheckedDestination,
  type CheckedDestinationId,
  type CheckedService,
  type CheckedServiceId,
  METHODS,
  PROTOCOLS,
  SERVICE_FLAGS,
  schedulerFlagNames,
  TUNNEL_CHECKSUMS,
  TUNNEL_TYPES,
} from '../validate.js'
import type { Layout, RawTable } from './addon.js'

// Numbers of native/record.h: Op.
const OPS: Readonly<Record<Change['op'], number>> = {
  'add-service': 1,
  'replace-service': 2,
  'ensure-service': 3,
  'remove-service': 4,
  'ensure-no-service': 5,
  'add-destination': 6,
  'replace-destination': 7,
  'ensure-destination': 8,
  'remove-destination': 9,
  'ensure-no-destination': 10,
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** Writes checked changes one behind the other. */
export class ChangeWriter {
  readonly bytes: Uint8Array
  readonly #layout: Layout
  readonly #view: DataView
  #at = 0
  #previous: CheckedChange | undefined

  constructor(layout: Layout, count: number) {
    this.#layout = layout
    this.bytes = new Uint8Array(layout.change * count)
    this.#view = new DataView(this.bytes.buffer)
  }

  add(change: CheckedChange): void {
    const layout = this.#layout
    this.bytes[this.#at + layout.op] = OPS[change.op]
    this.bytes[this.#at + layout.joined] = isOneFlip(this.#previous, change) ? 1 : 0
    this.#service(this.#at + layout.service, change.service)
    if (change.destination !== undefined) {
      this.#destination(this.#at + layout.destination, change.destination)
    }
    this.#previous = change
    this.#at += layout.change
  }

  /** One record that carries nothing but a service's identity, for reads. */
  static identity(layout: Layout, service: CheckedServiceId): Uint8Array {
    const writer = new ChangeWriter(layout, 1)
    writer.add({ op: 'remove-service', service, destination: undefined })
    return writer.bytes
  }

  #service(at: number, service: CheckedServiceId | CheckedService): void {
    const layout = this.#layout
    const view = this.#view
    view.setUint16(at + layout.serviceAf, service.af, LITTLE_ENDIAN)
    view.setUint16(at + layout.serviceProtocol, service.protocol, LITTLE_ENDIAN)
    view.setUint32(at + layout.serviceFwmark, service.fwmark, LITTLE_ENDIAN)
    if (service.address !== undefined) this.bytes.set(service.address, at + layout.serviceAddress)
    view.setUint16(at + layout.servicePort, service.port, LITTLE_ENDIAN)
    if (!('scheduler' in service)) return
    view.setUint32(at + layout.serviceFlags, service.flags, LITTLE_ENDIAN)
    view.setUint32(at + layout.serviceTimeout, service.timeoutSeconds, LITTLE_ENDIAN)
    view.setUint32(at + layout.serviceNetmask, service.netmask, LITTLE_ENDIAN)
    this.#name(at + layout.serviceScheduler, service.scheduler)
    this.#name(at + layout.serviceEngine, service.engine)
  }

  #destination(at: number, destination: CheckedDestinationId | CheckedDestination): void {
    const layout = this.#layout
    const view = this.#view
    view.setUint16(at + layout.destinationAf, destination.af, LITTLE_ENDIAN)
    view.setUint16(at + layout.destinationPort, destination.port, LITTLE_ENDIAN)
    this.bytes.set(destination.address, at + layout.destinationAddress)
    if (!('method' in destination)) return
    view.setUint32(at + layout.destinationMethod, destination.method, LITTLE_ENDIAN)
    view.setUint32(at + layout.destinationWeight, destination.weight, LITTLE_ENDIAN)
    view.setUint32(at + layout.destinationUpper, destination.upperThreshold, LITTLE_ENDIAN)
    view.setUint32(at + layout.destinationLower, destination.lowerThreshold, LITTLE_ENDIAN)
    view.setUint16(at + layout.destinationTunnelType, destination.tunnelType, LITTLE_ENDIAN)
    view.setUint16(at + layout.destinationTunnelPort, destination.tunnelPort, LITTLE_ENDIAN)
    view.setUint16(at + layout.destinationTunnelFlags, destination.tunnelFlags, LITTLE_ENDIAN)
  }

  // Names are ASCII and at most 15 bytes (validation), in fields of 16.
  #name(at: number, name: string): void {
    for (let i = 0; i < name.length; i++) this.bytes[at + i] = name.charCodeAt(i)
  }
}

/** The next change is about the same server: two halves of one flip, which no chunk boundary may split. */
function isOneFlip(previous: CheckedChange | undefined, change: CheckedChange): boolean {
  const a = previous?.destination?.address
  const b = change.destination?.address
  if (a === undefined || b === undefined) return false
  if (a === b) return true
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Reads the rows of a table. */
export class TableReader {
  readonly #layout: Layout
  readonly #services: DataView
  readonly #destinations: DataView

  constructor(layout: Layout, table: RawTable) {
    this.#layout = layout
    this.#services = viewOf(table.services)
    this.#destinations = viewOf(table.destinations)
  }

  services(): ServiceStatus[] {
    const services: ServiceStatus[] = []
    for (let at = 0; at < this.#services.byteLength; at += this.#layout.serviceRow) {
      services.push(this.#service(at))
    }
    return services
  }

  destinations(): DestinationStatus[] {
    return this.#rows(0, this.#destinations.byteLength)
  }

  trees(): ServiceTreeStatus[] {
    const { serviceRow, serviceRowDestinations, destinationRow } = this.#layout
    const trees: ServiceTreeStatus[] = []
    let from = 0
    for (let at = 0; at < this.#services.byteLength; at += serviceRow) {
      const count = this.#services.getUint32(at + serviceRowDestinations, LITTLE_ENDIAN)
      const to = from + count * destinationRow
      trees.push({ ...this.#service(at), destinations: this.#rows(from, to) })
      from = to
    }
    return trees
  }

  #rows(from: number, to: number): DestinationStatus[] {
    const destinations: DestinationStatus[] = []
    for (let at = from; at < to; at += this.#layout.destinationRow) {
      destinations.push(this.#destination(at))
    }
    return destinations
  }

  #service(at: number): ServiceStatus {
    const layout = this.#layout
    const view = this.#services
    const flags = view.getUint32(at + layout.serviceFlags, LITTLE_ENDIAN)
    const af = view.getUint16(at + layout.serviceAf, LITTLE_ENDIAN)
    const scheduler = text(view, at + layout.serviceScheduler)
    const schedulerFlags = [...schedulerFlagNames(scheduler)]
      .filter(([, bit]) => (flags & bit) !== 0)
      .map(([name]) => name as SchedulerFlag)
    const engine = text(view, at + layout.serviceEngine)
    const netmask = view.getUint32(at + layout.serviceNetmask, LITTLE_ENDIAN)
    const settings: ServiceSettings = {
      scheduler,
      onePacket: (flags & SERVICE_FLAGS.onePacket) !== 0,
      ...((flags & SERVICE_FLAGS.persistent) !== 0 && {
        persistence: {
          timeoutSeconds: view.getUint32(at + layout.serviceTimeout, LITTLE_ENDIAN),
          netmask: af === AF_INET ? formatNetmask(netmask) : netmask,
        },
      }),
      ...(schedulerFlags.length > 0 && { schedulerFlags }),
      ...(engine !== '' && { persistenceEngine: engine }),
    }
    const stats = new ReadStats(view, at + layout.serviceRowCounters)
    return { ...this.#identity(view, at, af), ...settings, stats }
  }

  #identity(view: DataView, at: number, af: number): ObservedServiceId {
    const layout = this.#layout
    const fwmark = view.getUint32(at + layout.serviceFwmark, LITTLE_ENDIAN)
    if (fwmark !== 0) return { fwmark, family: af === AF_INET ? 'ipv4' : 'ipv6' }
    const protocol = view.getUint16(at + layout.serviceProtocol, LITTLE_ENDIAN)
    return {
      // A number is what somebody else gave the kernel, which takes any.
      protocol: PROTOCOL_NAMES.get(protocol) ?? (String(protocol) as Protocol),
      address: formatAddress(af, bytesOf(view), view.byteOffset + at + layout.serviceAddress),
      port: view.getUint16(at + layout.servicePort, LITTLE_ENDIAN),
    }
  }

  #destination(at: number): DestinationStatus {
    const layout = this.#layout
    const view = this.#destinations
    const uint32 = (offset: number): number => view.getUint32(at + offset, LITTLE_ENDIAN)
    const method = uint32(layout.destinationMethod)
    const forwarding = METHOD_NAMES.get(method) ?? (`method-${method}` as ForwardingMethod)
    return {
      address: formatAddress(
        view.getUint16(at + layout.destinationAf, LITTLE_ENDIAN),
        bytesOf(view),
        view.byteOffset + at + layout.destinationAddress,
      ),
      port: view.getUint16(at + layout.destinationPort, LITTLE_ENDIAN),
      forwarding,
      weight: uint32(layout.destinationWeight),
      upperThreshold: uint32(layout.destinationUpper),
      lowerThreshold: uint32(layout.destinationLower),
      ...(forwarding === 'tunnel' && { tunnel: this.#tunnel(view, at) }),
      activeConnections: uint32(layout.destinationRowActive),
      inactiveConnections: uint32(layout.destinationRowInactive),
      persistentConnections: uint32(layout.destinationRowPersistent),
      stats: new ReadStats(view, at + layout.destinationRowCounters),
    }
  }

  #tunnel(view: DataView, at: number): Tunnel {
    const layout = this.#layout
    const type =
      TUNNEL_NAMES.get(view.getUint16(at + layout.destinationTunnelType, LITTLE_ENDIAN)) ?? 'ipip'
    const port = view.getUint16(at + layout.destinationTunnelPort, LITTLE_ENDIAN)
    const flags = view.getUint16(at + layout.destinationTunnelFlags, LITTLE_ENDIAN)
    const checksum = CHECKSUM_NAMES.get(flags)
    return {
      type,
      ...(type === 'gue' && { port }),
      ...(checksum !== undefined && checksum !== 'none' && { checksum }),
    }
  }
}

/** Statistics read from a row. Counters stay bytes until somebody asks. */
class ReadStats implements Stats {
  readonly #view: DataView
  readonly #at: number

  constructor(view: DataView, at: number) {
    this.#view = view
    this.#at = at
  }

  get connections(): bigint {
    return this.#counter(0)
  }
  get inPackets(): bigint {
    return this.#counter(1)
  }
  get outPackets(): bigint {
    return this.#counter(2)
  }
  get inBytes(): bigint {
    return this.#counter(3)
  }
  get outBytes(): bigint {
    return this.#counter(4)
  }
  get connectionRate(): number {
    return Number(this.#counter(5))
  }
  get inPacketRate(): number {
    return Number(this.#counter(6))
  }
  get outPacketRate(): number {
    return Number(this.#counter(7))
  }
  get inByteRate(): number {
    return Number(this.#counter(8))
  }
  get outByteRate(): number {
    return Number(this.#counter(9))
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

  #counter(index: number): bigint {
    return this.#view.getBigUint64(this.#at + index * 8, LITTLE_ENDIAN)
  }
}

const PROTOCOL_NAMES = inverse(PROTOCOLS as ReadonlyMap<Protocol, number>)
const METHOD_NAMES = inverse(METHODS as ReadonlyMap<ForwardingMethod, number>)
const TUNNEL_NAMES = inverse(TUNNEL_TYPES as ReadonlyMap<Tunnel['type'], number>)
const CHECKSUM_NAMES = inverse(
  TUNNEL_CHECKSUMS as ReadonlyMap<NonNullable<Tunnel['checksum']>, number>,
)

function inverse<K extends string>(map: ReadonlyMap<K, number>): ReadonlyMap<number, K> {
  return new Map([...map].map(([name, number]) => [number, name]))
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer)
}

function text(view: DataView, at: number): string {
  let value = ''
  for (let i = at; i < at + 16; i++) {
    const code = view.getUint8(i)
    if (code === 0) break
    value += String.fromCharCode(code)
  }
  return value
}
