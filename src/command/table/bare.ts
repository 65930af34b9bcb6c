// What can be written of what was seen: without counters.
import type { Destination, Service, ServiceTree } from '../../types.js'

type Seen<T> = T & Readonly<Record<string, unknown>>

export function bareService(service: Service): Service {
  const { stats: _, destinations: __, ...rest } = service as Seen<Service>
  return rest as Service
}

export function bareDestination(destination: Destination): Destination {
  const {
    stats: _,
    activeConnections: __,
    inactiveConnections: ___,
    persistentConnections: ____,
    ...rest
  } = destination as Seen<Destination>
  return rest as Destination
}

export function bareTree(tree: ServiceTree): ServiceTree {
  return { ...bareService(tree), destinations: tree.destinations.map(bareDestination) }
}
