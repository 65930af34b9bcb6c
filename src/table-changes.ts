// What changes from one table to another. Pure.
import { parseAddress } from './address.js'
import { destinationDiff, type FieldDifference, serviceDiff } from './diff.js'
import type { Destination, Service } from './types.js'

/** One property that has changed. Values are as you would write them, with every default filled in. */
export interface FieldChange {
  /** Name of the property: `weight`, `scheduler`, `persistence`... */
  readonly field: FieldDifference['field']
  /** `undefined` for none. */
  readonly before: unknown
  readonly after: unknown
}

/** One difference between two tables. */
export type TableChange<S extends Service = Service, D extends Destination = Destination> =
  | {
      readonly type: 'service-added' | 'service-removed'
      readonly service: S
    }
  | {
      readonly type: 'service-changed'
      readonly service: S
      readonly differences: readonly FieldChange[]
    }
  | {
      readonly type: 'destination-added' | 'destination-removed'
      readonly service: S
      readonly destination: D
    }
  | {
      readonly type: 'destination-changed'
      readonly service: S
      readonly destination: D
      readonly differences: readonly FieldChange[]
    }

type Tree<S extends Service, D extends Destination> = S & { readonly destinations: readonly D[] }

/**
 * The differences of two tables, as snapshots, `parseRules` or programs give them: what went, what came, what changed; counters are
 * no difference, nor are order and spelling. Nothing is checked. What `reconcile` would do about them comes in another order.
 */
export function* tableChanges<S extends Service, D extends Destination>(
  before: readonly (S & { readonly destinations: readonly D[] })[],
  after: readonly (S & { readonly destinations: readonly D[] })[],
): Generator<TableChange<S, D>, void, void> {
  const old = new Map(before.map((service) => [serviceId(service), service]))
  const now = new Map(after.map((service) => [serviceId(service), service]))
  for (const [id, service] of old) {
    if (now.has(id)) continue
    for (const destination of service.destinations) {
      yield { type: 'destination-removed', service, destination }
    }
    yield { type: 'service-removed', service }
  }
  for (const [id, service] of now) {
    const was = old.get(id)
    if (was === undefined) yield { type: 'service-added', service }
    else {
      const differences = changesOf(serviceDiff(service, was))
      if (differences.length > 0) yield { type: 'service-changed', service, differences }
    }
    yield* destinationChanges(service, was?.destinations ?? [])
  }
}

function* destinationChanges<S extends Service, D extends Destination>(
  service: Tree<S, D>,
  before: readonly D[],
): Generator<TableChange<S, D>, void, void> {
  const old = new Map(before.map((row) => [destinationId(row), row]))
  const now = new Map(service.destinations.map((row) => [destinationId(row), row]))
  for (const [id, destination] of old) {
    if (!now.has(id)) yield { type: 'destination-removed', service, destination }
  }
  for (const [id, destination] of now) {
    const was = old.get(id)
    if (was === undefined) yield { type: 'destination-added', service, destination }
    else {
      const differences = changesOf(destinationDiff(destination, was))
      if (differences.length > 0)
        yield { type: 'destination-changed', service, destination, differences }
    }
  }
}

function changesOf(differences: readonly FieldDifference[]): FieldChange[] {
  return differences.map(({ field, actual, desired }) => {
    return { field, before: actual, after: desired }
  })
}

// Not serviceKey: what others put into the kernel need not pass our validation.
const serviceId = (service: Service): string =>
  service.fwmark === undefined
    ? `${service.protocol} ${destinationId(service)}`
    : `${service.fwmark} ${service.family ?? 'ipv4'}`
const destinationId = ({ address, port }: Pick<Destination, 'address' | 'port'>): string =>
  `${canonical(address)} ${port}`

/** Only addresses of IPv6 have several spellings. */
function canonical(address: string): string {
  if (!address.includes(':')) return address
  try {
    return parseAddress(address, 'address').text
  } catch {
    return address
  }
}
