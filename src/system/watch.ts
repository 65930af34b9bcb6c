// What changes in the table. The kernel has no notifications (ip_vs_ctl.c: no multicast groups), so this looks.
import { pause } from '../abort.js'
import { destinationDiff, type FieldDifference, serviceDiff } from '../diff.js'
import type { DestinationStatus, ServiceStatus, ServiceTreeStatus, Snapshot } from '../types.js'
import { checkInteger, checkOptions, checkSignal, DAY_MS } from '../validate.js'

/** Options of {@link Ipvs.watch}. */
export interface WatchOptions {
  /** Pause between two looks, in milliseconds, 10 to 86400000. Default 2000, the kernel's own step for counters. */
  readonly intervalMs?: number
  /** Ends the iteration. Default: none. */
  readonly signal?: AbortSignal
}

/** One property that has changed. Values are as you would write them, with every default filled in. */
export interface FieldChange {
  /** Name of the property: `weight`, `scheduler`, `persistence`... */
  readonly field: FieldDifference['field']
  /** `undefined` for none. */
  readonly before: unknown
  readonly after: unknown
}

/** One difference between two looks at the table. What came and went in between is not seen. */
export type WatchEvent =
  | {
      readonly type: 'service-added' | 'service-removed'
      readonly service: ServiceStatus
    }
  | {
      readonly type: 'service-changed'
      readonly service: ServiceStatus
      readonly differences: readonly FieldChange[]
    }
  | {
      readonly type: 'destination-added' | 'destination-removed'
      readonly service: ServiceStatus
      readonly destination: DestinationStatus
    }
  | {
      readonly type: 'destination-changed'
      readonly service: ServiceStatus
      readonly destination: DestinationStatus
      readonly differences: readonly FieldChange[]
    }

export function readWatchOptions(options: WatchOptions | undefined) {
  const fields = checkOptions(options, 'options', ['intervalMs', 'signal'])
  const { intervalMs = 2000 } = fields
  return {
    intervalMs: checkInteger(intervalMs, 'options.intervalMs', 10, DAY_MS),
    signal: checkSignal(fields.signal, 'options.signal'),
  }
}

/**
 * Looks again and again. A look that could not be verified is left out, the first one too, so that nothing seems to come
 * or go that was there all the time.
 */
export async function* watchTable(
  look: () => Promise<Snapshot>,
  { intervalMs, signal }: { readonly intervalMs: number; readonly signal: AbortSignal | undefined },
): AsyncGenerator<WatchEvent, void, void> {
  let before: Snapshot['services'] | undefined
  while (!signal?.aborted) {
    const { services, verified } = await look()
    if (signal?.aborted) return
    if (verified) {
      if (before !== undefined) yield* tableChanges(before, services)
      before = services
    }
    await pause(intervalMs, signal, true)
  }
}

/** The differences of two tables: what went, what came, what changed; counters are no difference. */
export function* tableChanges(
  before: readonly ServiceTreeStatus[],
  after: readonly ServiceTreeStatus[],
): Generator<WatchEvent, void, void> {
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

function* destinationChanges(
  service: ServiceTreeStatus,
  before: readonly DestinationStatus[],
): Generator<WatchEvent, void, void> {
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
const serviceId = (service: ServiceStatus): string =>
  service.fwmark === undefined
    ? `${service.protocol} ${service.address} ${service.port}`
    : `${service.fwmark} ${service.family}`
const destinationId = ({ address, port }: DestinationStatus): string => `${address} ${port}`
