// What is desired: checked, keyed, and reduced to what can be written.
import { rangeError, typeError } from '../errors.js'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import type { Destination, Service, ServiceId } from '../types.js'
import { checkDestination, checkService } from '../validate.js'

/** One service as it is wanted. */
export interface Wanted {
  readonly key: string
  /** Its identity alone. */
  readonly id: ServiceId
  /** Without destinations and statistics. */
  readonly service: Service
  /** By key. */
  readonly destinations: ReadonlyMap<string, Destination>
}

const ID_FIELDS = ['protocol', 'address', 'port', 'fwmark', 'family'] as const

const SERVICE_FIELDS = [
  ...ID_FIELDS,
  'scheduler',
  'onePacket',
  'persistence',
  'schedulerFlags',
  'persistenceEngine',
] as const

const DESTINATION_FIELDS = [
  'address',
  'port',
  'forwarding',
  'weight',
  'upperThreshold',
  'lowerThreshold',
  'tunnel',
] as const

/**
 * Checks every service and destination, and refuses two of one identity, whatever their spelling. Services as
 * `snapshot()` shows them will do; their statistics are left behind.
 *
 * @throws TypeError, RangeError naming the place: `desired[3].destinations[1].weight`
 */
export function readDesired(desired: unknown): Wanted[] {
  const places = new Map<string, string>()
  const wanted: Wanted[] = []
  for (const tree of iterable(desired)) {
    const option = `desired[${wanted.length}]`
    const checked = checkService(tree, option)
    const key = checkedServiceKey(checked)
    place(places, key, option)
    const { destinations } = tree as { destinations?: unknown }
    const service = pick<Service>(tree, SERVICE_FIELDS)
    wanted.push({
      key,
      id: serviceId(service),
      service,
      destinations: readDestinations(destinations, `${option}.destinations`, checked),
    })
  }
  return wanted
}

/** The identity of a service alone. */
export function serviceId(service: ServiceId): ServiceId {
  return pick<ServiceId>(service, ID_FIELDS)
}

function readDestinations(
  destinations: unknown,
  option: string,
  service: Parameters<typeof checkDestination>[2],
): Map<string, Destination> {
  if (!Array.isArray(destinations)) {
    throw typeError(option, 'an array of destinations, [] for none', destinations)
  }
  const places = new Map<string, string>()
  const read = new Map<string, Destination>()
  // By index: a hole must not pass.
  for (let i = 0; i < destinations.length; i++) {
    const destination: unknown = destinations[i]
    const at = `${option}[${i}]`
    const key = checkedDestinationKey(checkDestination(destination, at, service))
    place(places, key, at)
    read.set(key, pick<Destination>(destination, DESTINATION_FIELDS))
  }
  return read
}

function iterable(desired: unknown): Iterable<unknown> {
  if (typeof desired === 'object' && desired !== null && Symbol.iterator in desired) {
    return desired as Iterable<unknown>
  }
  throw typeError('desired', 'an array, or another iterable, of services', desired)
}

/** @throws RangeError if something else has the key already */
function place(places: Map<string, string>, key: string, option: string): void {
  const first = places.get(key)
  if (first !== undefined) throw rangeError(option, `different from ${first}`, key)
  places.set(key, option)
}

/** Of what has been checked: the fields that can be written. */
function pick<T>(from: unknown, names: readonly string[]): T {
  const fields = from as Readonly<Record<string, unknown>>
  const picked: Record<string, unknown> = {}
  for (const name of names) if (fields[name] !== undefined) picked[name] = fields[name]
  return picked as T
}
