// Reads the pool's services and destinations, and takes what was read into what is known.
import { IpvsError } from '../../errors.js'
import { pickDestination } from '../../fields.js'
import { endpointKey } from '../../servers.js'
import type { TableClient } from '../../table-client.js'
import type { Destination, Service, ServiceStatus } from '../../types.js'
import type { DestinationEntry, Entry } from '../state/entry.js'
import type { Front } from '../state/front.js'

/** One front as the kernel shows it. */
export interface Observed {
  readonly front: Front
  readonly service: Service | undefined
  /** By key. */
  readonly destinations: ReadonlyMap<string, Destination>
}

export function observe(client: TableClient, fronts: readonly Front[]): Promise<Observed[]> {
  return Promise.all(fronts.map((front) => observeFront(client, front)))
}

async function observeFront(client: TableClient, front: Front): Promise<Observed> {
  const { id } = front.spec
  const absent = { front, service: undefined, destinations: new Map<string, Destination>() }
  const service = await client.service(id)
  if (service === undefined) return absent
  try {
    const seen = (await client.destinations(id)).map(pickDestination)
    const destinations = new Map(seen.map((it) => [endpointKey(it.address, it.port), it]))
    return { front, service: plainService(service), destinations }
  } catch (error) {
    if (error instanceof IpvsError && error.code === 'ERR_IPVS_NO_SERVICE') return absent
    throw error
  }
}

/**
 * Takes a read into what is known. It says nothing about what has changes under way or has had some since `since`, the
 * clock when the read was requested: there the pool knows better.
 *
 * @returns what may differ by the pool's own doing
 */
export function takeRead(
  observed: readonly Observed[],
  since: number,
): Set<Entry<Service> | DestinationEntry> {
  const ours = new Set<Entry<Service> | DestinationEntry>()
  for (const { front, service, destinations } of observed) {
    if (!front.entry.changedSince(since) && !front.entry.read(service ?? 'absent')) {
      ours.add(front.entry)
    }
    for (const [key, { address, port }] of destinations) front.destination(key, { address, port })
    for (const [key, entry] of front.destinations) {
      if (entry.changedSince(since)) continue
      if (!entry.read(destinations.get(key) ?? 'absent')) ours.add(entry)
    }
  }
  return ours
}

function plainService({ stats, ...service }: ServiceStatus): Service {
  return service
}
