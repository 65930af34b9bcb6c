// The compact records that pass to the addon: checked changes to bytes. (What comes back: table.ts.)
import { type AddressBytes, isSameAddress } from '../address.js'
import {
  type Column,
  DESTINATION_FIELDS,
  type DestinationRecord,
  type Field,
  SERVICE_FIELDS,
  type ServiceRecord,
} from '../fields.js'
import type { Change } from '../types.js'
import type {
  CheckedChange,
  CheckedDestination,
  CheckedDestinationId,
  CheckedService,
  CheckedServiceId,
} from '../validate.js'
import type { Layout } from './addon.js'

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

/** Where a record has what. */
interface Place<Name> {
  readonly name: Name
  readonly width: Column[0]
  readonly offset: number
}

interface Places {
  readonly service: readonly Place<keyof ServiceRecord>[]
  readonly destination: readonly Place<keyof DestinationRecord>[]
}

const places = new WeakMap<Layout, Places>()

function placesOf(layout: Layout): Places {
  const known = places.get(layout)
  if (known !== undefined) return known
  const service = placesIn<keyof ServiceRecord>(SERVICE_FIELDS, layout)
  const found = {
    service,
    destination: placesIn<keyof DestinationRecord>(DESTINATION_FIELDS, layout),
  }
  places.set(layout, found)
  return found
}

function placesIn<Name extends string>(
  fields: Readonly<Record<string, Field<never>>>,
  layout: Layout,
): Place<Name>[] {
  const columns = new Map<string, Place<Name>>()
  for (const { record } of Object.values(fields)) {
    for (const [name, [width, place]] of Object.entries(record)) {
      columns.set(name, { name: name as Name, width, offset: layout[place] })
    }
  }
  return [...columns.values()]
}

/** Writes checked changes one behind the other into a buffer that is used again and again. */
export class ChangeWriter {
  readonly #layout: Layout
  readonly #capacity: number
  readonly #bytes: Uint8Array
  // The addon's structures are aligned, and in the machine's own byte order.
  readonly #words: Uint16Array
  readonly #longs: Uint32Array
  readonly #places: Places
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
    this.#places = placesOf(layout)
  }

  /** So many more changes fit. */
  get room(): number {
    return (this.#capacity - this.#at) / this.#layout.change
  }

  /** @param joined goes into the same batch as the change before it */
  add(change: CheckedChange, joined = isOneFlip(this.#previous, change)): void {
    const layout = this.#layout
    const at = this.#at
    this.#bytes[at + layout.op] = OPS[change.op]
    if (joined) this.#bytes[at + layout.joined] = 1
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
    if ('scheduler' in service) this.#settings(at, service, this.#places.service)
  }

  #destination(at: number, destination: CheckedDestinationId | CheckedDestination): void {
    const layout = this.#layout
    const words = this.#words
    words[(at + layout.destinationAf) >> 1] = destination.af
    words[(at + layout.destinationPort) >> 1] = destination.port
    this.#address(at + layout.destinationAddress, destination.address)
    if ('method' in destination) this.#settings(at, destination, this.#places.destination)
  }

  #settings<Name extends string>(
    at: number,
    from: Readonly<Record<Name, number | string>>,
    to: readonly Place<Name>[],
  ): void {
    for (const { name, width, offset } of to) {
      const value = from[name]
      if (width === 'u32') this.#longs[(at + offset) >> 2] = value as number
      else if (width === 'u16') this.#words[(at + offset) >> 1] = value as number
      else this.#name(at + offset, value as string)
    }
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
