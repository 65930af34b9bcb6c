// What is desired: checked, keyed, and reduced to what can be written.
import { rangeError, typeError } from '../errors.js'
import { pick, pickDestination, SERVICE_SETTINGS } from '../fields.js'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import type { Destination, Service, ServiceId } from '../types.js'
import {
  type CheckedDestination,
  type CheckedServiceId,
  checkDestination,
  checkService,
} from '../validate.js'

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

const SERVICE_NAMES = [...ID_FIELDS, ...SERVICE_SETTINGS] as const

/** Destinations that are read between two looks at the clock. */
const CLOCK_EVERY = 128

/**
 * Checks every service and destination, and refuses two of one identity, whatever their spelling. Services as
 * `snapshot()` shows them will do; their statistics are left behind. Yields every now and then.
 *
 * @throws TypeError, RangeError naming the place: `desired[3].destinations[1].weight`
 */
export function* readDesired(desired: unknown): Generator<void, Wanted[], void> {
  const keys = new Set<string>()
  const wanted: Wanted[] = []
  let read = 0
  for (const tree of iterable(desired)) {
    const option = `desired[${wanted.length}]`
    const checked = checkService(tree, option)
    const key = checkedServiceKey(checked)
    if (keys.has(key)) {
      const first = wanted.findIndex((want) => want.key === key)
      throw rangeError(option, `different from desired[${first}]`, key)
    }
    keys.add(key)
    const service = pick(tree as Service, SERVICE_NAMES)
    const list = checkList(tree, `${option}.destinations`)
    const destinations = new Map<string, Destination>()
    wanted.push({ key, id: serviceId(service), service, destinations })
    // By index: a hole must not pass.
    for (let i = 0; i < list.length; i++) {
      readDestination(list, i, option, checked, destinations)
      if (++read % CLOCK_EVERY === 0) yield
    }
    if (++read % CLOCK_EVERY === 0) yield
  }
  return wanted
}

/** The identity of a service alone. */
export function serviceId(service: ServiceId): ServiceId {
  return pick(service, ID_FIELDS)
}

function checkList(tree: unknown, option: string): readonly unknown[] {
  const { destinations } = tree as { destinations?: unknown }
  if (Array.isArray(destinations)) return destinations
  throw typeError(option, 'an array of destinations, [] for none', destinations)
}

/** Into `read`, by key. */
function readDestination(
  list: readonly unknown[],
  index: number,
  service: string,
  owner: CheckedServiceId,
  read: Map<string, Destination>,
): void {
  const at = () => `${service}.destinations[${index}]`
  const value = list[index]
  let checked: CheckedDestination
  try {
    checked = checkDestination(value, '', owner)
  } catch {
    // Ten thousand paths would take longer to spell than ten thousand destinations to check.
    checked = checkDestination(value, at(), owner)
  }
  const key = checkedDestinationKey(checked)
  const size = read.size
  read.set(key, pickDestination(value as Destination))
  if (read.size > size) return
  const first = [...read.keys()].indexOf(key)
  throw rangeError(at(), `different from ${service}.destinations[${first}]`, key)
}

function iterable(desired: unknown): Iterable<unknown> {
  if (typeof desired === 'object' && desired !== null && Symbol.iterator in desired) {
    return desired as Iterable<unknown>
  }
  throw typeError('desired', 'an array, or another iterable, of services', desired)
}
