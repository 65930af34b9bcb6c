// A table that behaves as the kernel does, as far as reconciling can tell, and random tables for it.
import fc from 'fast-check'
import { IpvsError } from '../../../src/errors.js'
import { destinationKey, serviceKey } from '../../../src/identity.js'
import { seenServiceKey } from '../../../src/reconcile/plan.js'
import type { Table } from '../../../src/reconcile/table.js'
import type {
  Change,
  Destination,
  DestinationStatus,
  ObservedServiceId,
  Service,
  ServiceId,
  ServiceStatus,
  ServiceTree,
  ServiceTreeStatus,
  Snapshot,
  Stats,
} from '../../../src/types.js'

const stats = { toJSON: () => ({}) } as unknown as Stats

interface Entry {
  service: Service
  readonly destinations: Map<string, Destination>
}

/** Notes every call, and can fail or misread as told. */
export class Model implements Table {
  readonly entries = new Map<string, Entry>()
  readonly calls: string[] = []
  /** Every change that was sent. */
  readonly sent: Change[] = []
  verified = true
  attempts = 1
  /** Keys of services that a dump does not show. */
  overlooked: readonly string[] = []
  /** The error of a change, instead of running it. */
  fail: (change: Change) => IpvsError | undefined = () => undefined
  /** Called after every change. */
  changed: () => void = () => {}

  constructor(trees: readonly ServiceTree[]) {
    for (const { destinations, ...service } of trees) {
      const rows = new Map(destinations.map((it) => [looseKey(it), it]))
      this.entries.set(seenServiceKey(service as ServiceStatus), {
        service: service as Service,
        destinations: rows,
      })
    }
  }

  async snapshot(): Promise<Snapshot> {
    this.calls.push('snapshot')
    const services = this.trees().filter((tree) => !this.overlooked.includes(seenServiceKey(tree)))
    return { services, verified: this.verified, attempts: this.attempts }
  }

  async service(id: ServiceId): Promise<ServiceStatus | undefined> {
    const key = serviceKey(id)
    this.calls.push(`service ${key}`)
    const entry = this.entries.get(key)
    return entry && serviceStatus(entry.service)
  }

  async destinations(id: ServiceId): Promise<readonly DestinationStatus[] | undefined> {
    const key = serviceKey(id)
    this.calls.push(`destinations ${key}`)
    const entry = this.entries.get(key)
    return entry && [...entry.destinations.values()].map(destinationStatus)
  }

  async write(changes: readonly Change[]): Promise<ReadonlyMap<number, IpvsError>> {
    this.calls.push(`write ${changes.length}`)
    const errors = new Map<number, IpvsError>()
    for (const [index, change] of changes.entries()) {
      this.sent.push(change)
      const error = this.fail(change) ?? this.run(change)
      if (error !== undefined) errors.set(index, error)
      this.changed()
    }
    return errors
  }

  run(change: Change): IpvsError | undefined {
    const key = serviceKey(change.service)
    const entry = this.entries.get(key)
    switch (change.op) {
      case 'ensure-service': {
        const destinations = entry?.destinations ?? new Map<string, Destination>()
        this.entries.set(key, { service: change.service, destinations })
        return undefined
      }
      case 'ensure-no-service':
        this.entries.delete(key)
        return undefined
    }
    if (entry === undefined) {
      return change.op === 'ensure-no-destination' ? undefined : refused('ERR_IPVS_NO_SERVICE')
    }
    switch (change.op) {
      case 'replace-service':
        entry.service = change.service
        return undefined
      case 'ensure-destination':
        entry.destinations.set(destinationKey(change.destination), change.destination)
        return undefined
      case 'replace-destination': {
        const own = destinationKey(change.destination)
        if (!entry.destinations.has(own)) return refused('ERR_IPVS_NO_DESTINATION')
        entry.destinations.set(own, change.destination)
        return undefined
      }
      case 'ensure-no-destination':
        entry.destinations.delete(destinationKey(change.destination))
        return undefined
      default:
        throw new Error(`reconcile never sends ${change.op}`)
    }
  }

  trees(): ServiceTreeStatus[] {
    return [...this.entries.values()].map(({ service, destinations }) => ({
      ...serviceStatus(service),
      destinations: [...destinations.values()].map(destinationStatus),
    }))
  }

  /** How many destinations of a service take new connections; `undefined`: no such service. */
  serving(key: string): number | undefined {
    const entry = this.entries.get(key)
    return entry && [...entry.destinations.values()].filter(({ weight }) => weight !== 0).length
  }
}

/** Runs work that comes in slices. */
export function atOnce<T>(work: Iterator<void, T, void>): T {
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
  }
}

export function refused(code: IpvsError['code']): IpvsError {
  return new IpvsError(code, `refused: ${code}`)
}

function looseKey({ address, port }: Destination): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function serviceStatus(service: Service): ServiceStatus {
  const family = service.fwmark !== undefined && { family: service.family ?? 'ipv4' }
  return { ...service, onePacket: service.onePacket ?? false, ...family, stats } as ServiceStatus
}

function destinationStatus(destination: Destination): DestinationStatus {
  const { forwarding, tunnel } = destination
  return {
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    ...destination,
    ...(forwarding === 'tunnel' && { tunnel: tunnel ?? { type: 'ipip' } }),
    activeConnections: 3,
    inactiveConnections: 0,
    persistentConnections: 0,
    stats,
  }
}

const IDS: readonly ObservedServiceId[] = [
  { protocol: 'tcp', address: '192.0.2.1', port: 53 },
  { protocol: 'udp', address: '192.0.2.1', port: 53 },
  { protocol: 'udp', address: '192.0.2.2', port: 53 },
  { protocol: 'udp', address: '2001:db8::1', port: 53 },
  { fwmark: 7, family: 'ipv4' },
  { fwmark: 7, family: 'ipv6' },
]

const settings = fc.constantFrom(
  { scheduler: 'rr' },
  { scheduler: 'wrr' },
  { scheduler: 'sh', schedulerFlags: ['sh-port' as const] },
  { scheduler: 'wrr', persistence: { timeoutSeconds: 60 } },
)

function destination(id: ServiceId): fc.Arbitrary<Destination> {
  const ipv6 = id.fwmark === undefined ? id.address.includes(':') : id.family === 'ipv6'
  return fc.record(
    {
      address: fc.nat({ max: 4 }).map((n) => (ipv6 ? `2001:db8:1::${n + 1}` : `10.1.0.${n + 1}`)),
      port: fc.constantFrom(53, 53, 5353),
      forwarding: fc.constant('masquerade' as const),
      weight: fc.nat({ max: 3 }),
      upperThreshold: fc.constantFrom(0, 9),
    },
    { requiredKeys: ['address', 'port', 'forwarding'] },
  ) as fc.Arbitrary<Destination>
}

function tree(id: ServiceId): fc.Arbitrary<ServiceTree> {
  const destinations = fc.uniqueArray(destination(id), { maxLength: 6, selector: destinationKey })
  return fc
    .tuple(settings, destinations)
    .map(([own, rows]) => ({ ...id, ...own, destinations: rows }) as ServiceTree)
}

/** Random services of a few identities. */
export const trees: fc.Arbitrary<ServiceTree[]> = fc
  .subarray([...IDS])
  .chain((ids) => fc.tuple(...ids.map(tree)))

const weirdRow = { address: '::ffff:10.9.9.9', port: 0, forwarding: 'method-5' }

/** What other programs may have made, and this library could not write. */
export const FOREIGN = [
  { protocol: '200', address: '192.0.2.9', port: 9, scheduler: 'rr', destinations: [weirdRow] },
  { protocol: 'tcp', address: '::ffff:192.0.2.9', port: 9, scheduler: 'none', destinations: [] },
  { protocol: 'udp', address: '0.0.0.0', port: 0, scheduler: 'none', destinations: [weirdRow] },
  { protocol: 'tcp', address: '192.0.2.9', port: 443, scheduler: 'wlc', destinations: [] },
] as unknown as readonly ServiceTree[]
