// What is desired against what was seen.
import type { ListedDestination, ListedService } from '../../rules/listed.js'
import { type TableChange, tableChanges } from '../../table-changes.js'
import type { Destination, ServiceTree } from '../../types.js'
import { endpoint, KERNEL, type SeenTable, serviceName } from './seen.js'

/** What has to change, in the order of the table; with `prune` also services that nobody desires. */
export function compare(
  seen: SeenTable,
  desired: readonly ServiceTree[],
  prune: boolean,
): TableChange[] {
  const wanted = new Map(desired.map((service) => [serviceName(service), service]))
  const before = seen.services.flatMap((service) => {
    const want = wanted.get(serviceName(service)) ?? markOf(service, desired)
    return want !== undefined || prune ? [completed(service, want, seen.source === KERNEL)] : []
  })
  return [...tableChanges(before, desired)]
}

/** A listing may not say which family a mark has. */
function markOf(
  { fwmark, family }: ListedService,
  desired: readonly ServiceTree[],
): ServiceTree | undefined {
  if (fwmark === undefined || family !== undefined) return undefined
  return desired.find((service) => service.fwmark === fwmark)
}

/**
 * Over netlink all of it was seen. What a listing does not show is taken to be as it is desired, for nobody can tell; whether a
 * service is persistent it does show.
 */
function completed(
  service: ListedService,
  want: ServiceTree | undefined,
  isWhole: boolean,
): ServiceTree {
  if (isWhole) return service as ServiceTree
  const wanted = new Map(want?.destinations.map((one) => [endpoint(one), one]))
  const { onePacket, schedulerFlags, persistenceEngine, family } = want ?? {}
  const persistence = service.persistence && { ...want?.persistence, ...service.persistence }
  return {
    ...{ onePacket, schedulerFlags, persistenceEngine, family },
    ...service,
    persistence,
    destinations: service.destinations.map((one) => completedOne(one, wanted.get(endpoint(one)))),
  } as ServiceTree
}

function completedOne(one: ListedDestination, want: Destination | undefined): Destination {
  const { upperThreshold, lowerThreshold, tunnel } = want ?? {}
  return { upperThreshold, lowerThreshold, tunnel, ...one } as Destination
}
