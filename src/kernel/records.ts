// The compact records that pass to and from the addon: checked changes to bytes, bytes to observed values.
import { type AddressBytes, isSameAddress } from '../address.js'
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

/** Writes checked changes one behind the other into a buffer that is used again and again. */
export class ChangeWriter {
  readonly #layout: Layout
  readonly #capacity: number
  readonly #bytes: Uint8Array
  // The addon's structures are aligned, and in the machine's own byte order.
  readonly #words: Uint16Array
  readonly #longs: Uint32Array
  #at = 0
  #previous: CheckedChange | undefined
  /** Where the previous change has its service, once there is one in the buffer. */
  #previousService = -1

  /** @param capacity how many changes it holds at a time */
  constructor(layout: Layout, capacity: number) {
    this.#layout = layout
    this.#capacity = layout.change * capacity
    this.#bytes = new Uint8Array(this.#capacity)
    this.#words = new Uint16Array(this.#bytes.buffer)
    this.#longs = new Uint32Array(this.#bytes.buffer)
  }

  get isFull(): boolean {
    return this.#at === this.#capacity
  }

  add(change: CheckedChange): void {
    const layout = this.#layout
    const at = this.#at
    this.#bytes[at + layout.op] = OPS[change.op]
    if (isOneFlip(this.#previous, change)) this.#bytes[at + layout.joined] = 1
    const service = at + layout.service
    const { destination } = change
    if (destination !== undefined && this.#isSameService(change)) {
      this.#copyIdentity(this.#previousService, service)
    } else this.#service(service, change.service)
    if (destination !== undefined) this.#destination(at + layout.destination, destination)
    this.#previous = change
    this.#previousService = service
    this.#at += layout.change
  }

  /** What has been written, until the next `add`. */
  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  /** Goes on at the beginning: what was written has been taken. */
  reuse(): void {
    this.#bytes.fill(0, 0, this.#at)
    this.#at = 0
    this.#previousService = -1
  }

  /** As new. */
  reset(): void {
    this.reuse()
    this.#previous = undefined
  }

  /** One record that carries nothing but a service's identity, for reads. */
  static identity(layout: Layout, service: CheckedServiceId): Uint8Array {
    const writer = new ChangeWriter(layout, 1)
    writer.add({ op: 'remove-service', service, destination: undefined })
    return writer.take()
  }

  /** Of changes to destinations, where the service is nothing but its identity. */
  #copyIdentity(from: number, to: number): void {
    const longs = this.#longs
    const length = this.#layout.serviceFlags // which come right behind it
    for (let i = 0; i < length; i += 4) longs[(to + i) >> 2] = longs[(from + i) >> 2]!
  }

  #isSameService({ service }: CheckedChange): boolean {
    return this.#previousService >= 0 && this.#previous?.service === service
  }

  #service(at: number, service: CheckedServiceId | CheckedService): void {
    const layout = this.#layout
    const words = this.#words
    words[(at + layout.serviceAf) >> 1] = service.af
    words[(at + layout.serviceProtocol) >> 1] = service.protocol
    this.#longs[(at + layout.serviceFwmark) >> 2] = service.fwmark
    if (service.address !== undefined) this.#address(at + layout.serviceAddress, service.address)
    words[(at + layout.servicePort) >> 1] = service.port
    if (!('scheduler' in service)) return
    const longs = this.#longs
    longs[(at + layout.serviceFlags) >> 2] = service.flags
    longs[(at + layout.serviceTimeout) >> 2] = service.timeoutSeconds
    longs[(at + layout.serviceNetmask) >> 2] = service.netmask
    this.#name(at + layout.serviceScheduler, service.scheduler)
    this.#name(at + layout.serviceEngine, service.engine)
  }

  #destination(at: number, destination: CheckedDestinationId | CheckedDestination): void {
    const layout = this.#layout
    const words = this.#words
    words[(at + layout.destinationAf) >> 1] = destination.af
    words[(at + layout.destinationPort) >> 1] = destination.port
    this.#address(at + layout.destinationAddress, destination.address)
    if (!('method' in destination)) return
    const longs = this.#longs
    longs[(at + layout.destinationMethod) >> 2] = destination.method
    longs[(at + layout.destinationWeight) >> 2] = destination.weight
    longs[(at + layout.destinationUpper) >> 2] = destination.upperThreshold
    longs[(at + layout.destinationLower) >> 2] = destination.lowerThreshold
    words[(at + layout.destinationTunnelType) >> 1] = destination.tunnelType
    words[(at + layout.destinationTunnelPort) >> 1] = destination.tunnelPort
    words[(at + layout.destinationTunnelFlags) >> 1] = destination.tunnelFlags
  }

  #address(at: number, address: AddressBytes): void {
    for (let i = 0; i < address.length; i++) this.#bytes[at + i] = address[i]!
  }

  // Names are ASCII and at most 15 bytes (validation), in fields of 16.
  #name(at: number, name: string): void {
    for (let i = 0; i < name.length; i++) this.#bytes[at + i] = name.charCodeAt(i)
  }
}

/** The next change is about the same server: two halves of one flip, which no chunk boundary may split. */
export function isOneFlip(previous: CheckedChange | undefined, change: CheckedChange): boolean {
  const a = previous?.destination?.address
  const b = change.destination?.address
  return a !== undefined && b !== undefined && (a === b || isSameAddress(a, b))
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
