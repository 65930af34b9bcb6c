// Reads the pool's services and destinations, and takes what was read into what is known.
import { IpvsError } from '../errors.js'
import { endpointKey } from '../servers.js'
import type { Destination, DestinationStatus, Service, ServiceStatus } from '../types.js'
import type { Front } from './front.js'
import type { PoolClient } from './types.js'

/** One front as the kernel shows it. */
export interface Observed {
  readonly front: Front
  readonly service: Service | undefined
  /** By key. */
  readonly destinations: ReadonlyMap<string, Destination>
}

export function observe(client: PoolClient, fronts: readonly Front[]): Promise<Observed[]> {
  return Promise.all(fronts.map((front) => observeFront(client, front)))
}

async function observeFront(client: PoolClient, front: Front): Promise<Observed> {
  const absent = { front, service: undefined, destinations: new Map<string, Destination>() }
  const service = await client.service(front.id)
  if (service === undefined) return absent
  try {
    const seen = (await client.destinations(front.id)).map(plainDestination)
    const destinations = new Map(seen.map((it) => [endpointKey(it.address, it.port), it]))
    return { front, service: plainService(service), destinations }
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SERVICE') return absent
    throw error
  }
}

/**
 * Takes a read into what is known. It says nothing about a seat that has changes under way or has had some since
 * `since`, the clock when the read was requested: there the pool knows better.
 */
export function take(observed: readonly Observed[], since: number): void {
  for (const { front, service, destinations } of observed) {
    if (front.version <= since) front.known = service ?? 'absent'
    for (const seat of front.seats.values()) {
      if (seat.pending > 0 || seat.version > since) continue
      seat.known = destinations.get(seat.key) ?? 'absent'
    }
    front.undeclared = new Map([...destinations].filter(([key]) => !front.seats.has(key)))
  }
}

function plainService({ stats, ...service }: ServiceStatus): Service {
  return service
}

function plainDestination(seen: DestinationStatus): Destination {
  const { address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel } = seen
  const plain = { address, port, forwarding, weight, upperThreshold, lowerThreshold }
  return tunnel === undefined ? plain : { ...plain, tunnel }
}
