// The rows of a table as the addon has read them: bytes to observed values.
import { inspect } from 'node:util'
import type { DestinationStatus, ServiceStatus, ServiceTreeStatus } from '../types.js'
import type { Layout, RawTable } from './addon.js'
import { observedDestination, observedService, ShownStats } from './observed.js'
import { readName } from './records.js'

/** Services that are read between two looks at the clock. */
const CLOCK_EVERY = 256

export class TableReader {
  readonly #layout: Layout
  readonly #services: Rows
  readonly #destinations: Rows

  constructor(layout: Layout, table: RawTable) {
    this.#layout = layout
    this.#services = rowsOf(table.services)
    this.#destinations = rowsOf(table.destinations)
  }

  services(): ServiceStatus[] {
    const { serviceRow } = this.#layout
    const services: ServiceStatus[] = []
    const end = this.#services.bytes.length
    for (let at = 0; at < end; at += serviceRow) services.push(this.#service(at))
    return services
  }

  destinations(): DestinationStatus[] {
    return this.#rows(0, this.#destinations.bytes.length)
  }

  /** Yields every now and then: a table can be large. Destinations are made when somebody looks at them. */
  *trees(): Generator<void, ServiceTreeStatus[], void> {
    const { serviceRow, serviceRowDestinations, destinationRow } = this.#layout
    const trees: ServiceTreeStatus[] = []
    let from = 0
    for (let at = 0; at < this.#services.bytes.length; at += serviceRow) {
      const count = this.#services.longs[(at + serviceRowDestinations) >> 2]!
      const [first, end] = [from, from + count * destinationRow]
      from = end
      trees.push(withDestinations(this.#service(at), () => this.#rows(first, end)))
      if (trees.length % CLOCK_EVERY === 0) yield
    }
    return trees
  }

  #rows(from: number, to: number): DestinationStatus[] {
    const { destinationRow } = this.#layout
    const destinations: DestinationStatus[] = []
    for (let at = from; at < to; at += destinationRow) destinations.push(this.#destination(at))
    return destinations
  }

  #service(at: number): ServiceStatus {
    const layout = this.#layout
    const { bytes, words, longs, counters, view } = this.#services
    return observedService(
      {
        af: words[(at + layout.serviceAf) >> 1]!,
        protocol: words[(at + layout.serviceProtocol) >> 1]!,
        fwmark: longs[(at + layout.serviceFwmark) >> 2]!,
        address: bytes,
        addressAt: at + layout.serviceAddress,
        port: words[(at + layout.servicePort) >> 1]!,
        flags: longs[(at + layout.serviceFlags) >> 2]!,
        timeoutSeconds: longs[(at + layout.serviceTimeout) >> 2]!,
        netmask: longs[(at + layout.serviceNetmask) >> 2]!,
        scheduler: readName(view, at + layout.serviceScheduler),
        engine: readName(view, at + layout.serviceEngine),
      },
      new ShownStats(counters, (at + layout.serviceRowCounters) >> 3),
    )
  }

  #destination(at: number): DestinationStatus {
    const layout = this.#layout
    const { bytes, words, longs, counters } = this.#destinations
    return observedDestination(
      {
        af: words[(at + layout.destinationAf) >> 1]!,
        address: bytes,
        addressAt: at + layout.destinationAddress,
        port: words[(at + layout.destinationPort) >> 1]!,
        method: longs[(at + layout.destinationMethod) >> 2]!,
        weight: longs[(at + layout.destinationWeight) >> 2]!,
        upperThreshold: longs[(at + layout.destinationUpper) >> 2]!,
        lowerThreshold: longs[(at + layout.destinationLower) >> 2]!,
        tunnelType: words[(at + layout.destinationTunnelType) >> 1]!,
        tunnelPort: words[(at + layout.destinationTunnelPort) >> 1]!,
        tunnelFlags: words[(at + layout.destinationTunnelFlags) >> 1]!,
      },
      {
        active: longs[(at + layout.destinationRowActive) >> 2]!,
        inactive: longs[(at + layout.destinationRowInactive) >> 2]!,
        persistent: longs[(at + layout.destinationRowPersistent) >> 2]!,
      },
      new ShownStats(counters, (at + layout.destinationRowCounters) >> 3),
    )
  }
}

/** A service whose destinations come with the first look: a property as any other, made late. */
function withDestinations(
  service: ServiceStatus,
  read: () => DestinationStatus[],
): ServiceTreeStatus {
  const rest = { enumerable: true, configurable: true }
  const properties = {
    destinations: {
      ...rest,
      get(): DestinationStatus[] {
        const value = read()
        Object.defineProperty(service, 'destinations', { ...rest, value })
        return value
      },
    },
    // Else console.log would show "[Getter]".
    [inspect.custom]: { value: () => ({ ...service }) },
  }
  return Object.defineProperties(service, properties) as ServiceTreeStatus
}

/** One kind of rows. The addon's structures are aligned, and in the machine's own byte order. */
interface Rows {
  readonly bytes: Uint8Array
  readonly words: Uint16Array
  readonly longs: Uint32Array
  readonly counters: BigUint64Array
  readonly view: DataView
}

function rowsOf(bytes: Uint8Array): Rows {
  const { buffer, byteOffset, byteLength } = bytes
  return {
    bytes,
    words: new Uint16Array(buffer, byteOffset, byteLength / 2),
    longs: new Uint32Array(buffer, byteOffset, byteLength / 4),
    counters: new BigUint64Array(buffer, byteOffset, byteLength / 8),
    view: new DataView(buffer, byteOffset, byteLength),
  }
}
