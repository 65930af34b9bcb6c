// Settles changes whose answer was lost: reads each object back and compares it with what was wanted.
import { destinationDiff, serviceDiff } from '../diff.js'
import { isDestination, serviceKey } from '../identity.js'
import type { Change, DestinationStatus, ServiceId, ServiceStatus } from '../types.js'

/** What settling reads with. */
export interface Reads {
  service(id: ServiceId): Promise<ServiceStatus | undefined>
  /** `undefined` if there is no such service. */
  destinations(id: ServiceId): Promise<readonly DestinationStatus[] | undefined>
}

/** `applied` if the kernel equals the change; `observed` is what it holds. */
export interface Settled {
  readonly applied: boolean
  readonly observed: ServiceStatus | DestinationStatus | undefined
}

/** A settler remembers what it has read, so that many lost answers of one service cost one read. */
export function settler(reads: Reads): (change: Change) => Promise<Settled> {
  const services = new Map<string, Promise<ServiceStatus | undefined>>()
  const destinations = new Map<string, Promise<readonly DestinationStatus[] | undefined>>()
  return async (change) => {
    const key = serviceKey(change.service)
    if (!('destination' in change)) {
      const observed = await remember(services, key, () => reads.service(change.service))
      return { applied: serviceHolds(change, observed), observed }
    }
    const rows = await remember(destinations, key, () => reads.destinations(change.service))
    const observed = rows?.find((row) => isDestination(row, change.destination))
    return { applied: destinationHolds(change, observed), observed }
  }
}

function serviceHolds(change: Change, observed: ServiceStatus | undefined): boolean {
  switch (change.op) {
    case 'add-service':
    case 'replace-service':
    case 'ensure-service':
      return observed !== undefined && serviceDiff(change.service, observed).length === 0
    default:
      return observed === undefined
  }
}

function destinationHolds(change: Change, observed: DestinationStatus | undefined): boolean {
  switch (change.op) {
    case 'add-destination':
    case 'replace-destination':
    case 'ensure-destination':
      return observed !== undefined && destinationDiff(change.destination, observed).length === 0
    default:
      return observed === undefined
  }
}

function remember<T>(
  map: Map<string, Promise<T>>,
  key: string,
  read: () => Promise<T>,
): Promise<T> {
  const known = map.get(key)
  if (known !== undefined) return known
  const fresh = read()
  map.set(key, fresh)
  return fresh
}
