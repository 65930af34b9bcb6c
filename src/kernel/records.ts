// The compact records that pass to and from the addon: checked changes to bytes, bytes to observed values.
import type { Change, DestinationStatus, ServiceStatus, ServiceTreeStatus } from '../types.js'
import type {
  CheckedChange,
  CheckedDestination,
  CheckedDestinationId,
  CheckedService,
  CheckedServiceId,
} from '../validate.js'
import type { Layout, RawTable } from './addon.js'
import { CounterStats, observedDestination, observedService } from './observed.js'

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

export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

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
export function isOneFlip(previous: CheckedChange | undefined, change: CheckedChange): boolean {
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
    const uint16 = (offset: number): number => view.getUint16(at + offset, LITTLE_ENDIAN)
    const uint32 = (offset: number): number => view.getUint32(at + offset, LITTLE_ENDIAN)
    return observedService(
      {
        af: uint16(layout.serviceAf),
        protocol: uint16(layout.serviceProtocol),
        fwmark: uint32(layout.serviceFwmark),
        address: bytesOf(view),
        addressAt: view.byteOffset + at + layout.serviceAddress,
        port: uint16(layout.servicePort),
        flags: uint32(layout.serviceFlags),
        timeoutSeconds: uint32(layout.serviceTimeout),
        netmask: uint32(layout.serviceNetmask),
        scheduler: readName(view, at + layout.serviceScheduler),
        engine: readName(view, at + layout.serviceEngine),
      },
      new ReadStats(view, at + layout.serviceRowCounters),
    )
  }

  #destination(at: number): DestinationStatus {
    const layout = this.#layout
    const view = this.#destinations
    const uint16 = (offset: number): number => view.getUint16(at + offset, LITTLE_ENDIAN)
    const uint32 = (offset: number): number => view.getUint32(at + offset, LITTLE_ENDIAN)
    return observedDestination(
      {
        af: uint16(layout.destinationAf),
        address: bytesOf(view),
        addressAt: view.byteOffset + at + layout.destinationAddress,
        port: uint16(layout.destinationPort),
        method: uint32(layout.destinationMethod),
        weight: uint32(layout.destinationWeight),
        upperThreshold: uint32(layout.destinationUpper),
        lowerThreshold: uint32(layout.destinationLower),
        tunnelType: uint16(layout.destinationTunnelType),
        tunnelPort: uint16(layout.destinationTunnelPort),
        tunnelFlags: uint16(layout.destinationTunnelFlags),
      },
      {
        active: uint32(layout.destinationRowActive),
        inactive: uint32(layout.destinationRowInactive),
        persistent: uint32(layout.destinationRowPersistent),
      },
      new ReadStats(view, at + layout.destinationRowCounters),
    )
  }
}

/** Statistics read from a row. Counters stay bytes until somebody asks. */
class ReadStats extends CounterStats {
  readonly #view: DataView
  readonly #at: number

  constructor(view: DataView, at: number) {
    super()
    this.#view = view
    this.#at = at
  }

  protected override counter(index: number): bigint {
    return this.#view.getBigUint64(this.#at + index * 8, LITTLE_ENDIAN)
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer)
}

/** A NUL-terminated name in a field of 16 bytes. */
export function readName(view: DataView, at: number): string {
  let value = ''
  for (let i = at; i < at + 16; i++) {
    const code = view.getUint8(i)
    if (code === 0) break
    value += String.fromCharCode(code)
  }
  return value
}
