// The smallest list of changes that makes a table what is desired, in an order in which no service runs dry. Pure.
import { isSameDestination, serviceDiff } from '../diff.js'
import type { Change, Destination, ServiceId, ServiceStatus, ServiceTreeStatus } from '../types.js'
import { checkDestinationId, checkServiceId } from '../validate.js'
import { serviceId, type Wanted } from './desired.js'

/**
 * What a step does: `add` a service and fill it, `edit` a service, let a destination `gain` (be added, or stay with
 * no less weight) or `lower` its weight, `drop` a destination, `remove` a service.
 */
export type StepKind = 'add' | 'edit' | 'gain' | 'lower' | 'drop' | 'remove'

export interface Step {
  readonly kind: StepKind
  readonly change: Change
  /** Key of its service. */
  readonly service: string
  /** For messages: `10.1.0.1:53 of tcp 192.0.2.1:53`. */
  readonly target: string
  /** Why no change can name the object: another program made it with values that this library refuses. */
  readonly unnamable?: string | undefined
}

/** Destinations that are compared between two looks at the clock. */
const CLOCK_EVERY = 256

/**
 * What is added comes first, each service with its destinations; then edits of services; then destinations that
 * gain before those that lose, over all services; what is removed comes last. Yields every now and then.
 *
 * @param seen by {@link seenServiceKey}
 * @param pruned services that are not desired and are to go
 */
export function* plan(
  wanted: readonly Wanted[],
  seen: ReadonlyMap<string, ServiceTreeStatus>,
  pruned: readonly ServiceStatus[],
): Generator<void, Step[], void> {
  const steps: Record<StepKind, Step[]> = {
    add: [],
    edit: [],
    gain: [],
    lower: [],
    drop: [],
    remove: [],
  }
  let compared = 0
  for (const want of wanted) {
    const tree = seen.get(want.key)
    const list = tree === undefined ? additions(want) : differences(want, tree)
    for (const step of list) steps[step.kind].push(step)
    compared += 1 + want.destinations.size
    if (compared < CLOCK_EVERY) continue
    compared = 0
    yield
  }
  const { add, edit, gain, lower, drop } = steps
  return [...add, ...edit, ...gain, ...lower, ...drop, ...pruned.map(removal)]
}

/** {@link serviceKey} of what the kernel shows; of anything it shows, also what validation would refuse. */
export function seenServiceKey(seen: ServiceStatus): string {
  if (seen.fwmark !== undefined) return `fwmark ${seen.fwmark} ${seen.family}`
  return `${seen.protocol} ${endpoint(seen)}`
}

function additions({ key, id, service, destinations }: Wanted): Step[] {
  const own: Step = {
    kind: 'add',
    change: { op: 'ensure-service', service },
    service: key,
    target: key,
  }
  return [own, ...[...destinations].map(([name, it]) => addition('add', key, id, name, it))]
}

function differences(want: Wanted, tree: ServiceTreeStatus): Step[] {
  const { key, id, service } = want
  const steps: Step[] = []
  if (serviceDiff(service, tree).length > 0) {
    const change: Change = { op: 'replace-service', service }
    steps.push({ kind: 'edit', change, service: key, target: key })
  }
  if (hasSameDestinations(want, tree)) return steps
  const rows = new Map(tree.destinations.map((row) => [endpoint(row), row]))
  for (const [name, destination] of want.destinations) {
    const row = rows.get(name)
    if (row === undefined) {
      steps.push(addition('gain', key, id, name, destination))
    } else if (!isSameDestination(destination, row)) {
      const kind = (destination.weight ?? 1) < row.weight ? 'lower' : 'gain'
      const change: Change = { op: 'replace-destination', service: id, destination }
      steps.push({ kind, change, service: key, target: `${name} of ${key}` })
    }
  }
  for (const [name, { address, port }] of rows) {
    if (want.destinations.has(name)) continue
    const destination = { address, port }
    steps.push({
      kind: 'drop',
      change: { op: 'ensure-no-destination', service: id, destination },
      service: key,
      target: `${name} of ${key}`,
      unnamable: refusal(() => checkDestinationId(destination, 'destination')),
    })
  }
  return steps
}

/** Without making anything: mostly a table is as it should be. */
function hasSameDestinations({ destinations }: Wanted, tree: ServiceTreeStatus): boolean {
  if (destinations.size !== tree.destinations.length) return false
  for (const row of tree.destinations) {
    const wanted = destinations.get(endpoint(row))
    if (wanted === undefined || !isSameDestination(wanted, row)) return false
  }
  return true
}

function addition(
  kind: 'add' | 'gain',
  key: string,
  id: ServiceId,
  name: string,
  destination: Destination,
): Step {
  const change: Change = { op: 'ensure-destination', service: id, destination }
  return { kind, change, service: key, target: `${name} of ${key}` }
}

function removal(seen: ServiceStatus): Step {
  const service = serviceId(seen)
  const key = seenServiceKey(seen)
  return {
    kind: 'remove',
    change: { op: 'ensure-no-service', service },
    service: key,
    target: key,
    unnamable: refusal(() => checkServiceId(service, 'service')),
  }
}

function refusal(check: () => unknown): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

// Addresses that the kernel shows are canonical already (RFC 5952), as in the keys of what is desired.
function endpoint({ address, port }: { readonly address: string; readonly port: number }): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
