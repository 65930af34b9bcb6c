// Random programs of changes over a small world, so that they meet: every operation, every errno that can be had.
import fc from 'fast-check'
import type { Ipvs } from '../../src/client.js'
import type {
  Change,
  Destination,
  DestinationId,
  Service,
  ServiceId,
  ServiceSettings,
  Tunnel,
} from '../../src/types.js'
import { clear, said, table } from './fixture.js'

/** Changes of one call; `sync`: by applySync. */
export interface Batch {
  readonly sync: boolean
  readonly changes: readonly Change[]
}

export type Program = readonly Batch[]

export interface Run {
  readonly outcomes: readonly string[]
  readonly table: readonly object[]
}

/** Runs a program on an empty table. */
export async function run(ipvs: Ipvs, program: Program): Promise<Run> {
  await clear(ipvs)
  const outcomes: string[] = []
  for (const { sync, changes } of program) {
    const result = sync ? ipvs.applySync(changes) : await ipvs.apply(changes)
    outcomes.push(...result.outcomes.map(said))
  }
  return { outcomes, table: await table(ipvs) }
}

const IDS: readonly ServiceId[] = [
  { protocol: 'udp', address: '192.0.2.1', port: 53 },
  { protocol: 'tcp', address: '192.0.2.1', port: 53 },
  { protocol: 'tcp', address: '192.0.2.1', port: 0 },
  { protocol: 'udp', address: '2001:db8::1', port: 53 },
  { fwmark: 7, family: 'ipv4' },
  { fwmark: 7, family: 'ipv6' },
]

const SERVERS = [
  ...['10.1.0.1', '10.1.0.2', '10.1.0.3', '2001:db8:1::1', '2001:db8:1::2'],
  // The kernel refuses these two in every namespace that has its loopback.
  ...['127.255.255.255', 'fe80::1'],
]

// Few unknown ones: for each the kernel starts modprobe.
const scheduler = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.constantFrom('rr', 'wrr', 'lc', 'wlc', 'dh', 'sh', 'mh', 'sed', 'nq', 'fo'),
  },
  { weight: 1, arbitrary: fc.constant('nosuch') },
)
const engine = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(undefined, 'sip') },
  { weight: 3, arbitrary: fc.constant('nosuch') },
)

const service: fc.Arbitrary<Service> = fc
  .record({
    id: fc.constantFrom(...IDS),
    scheduler,
    engine,
    onePacket: fc.boolean(),
    persistent: fc.boolean(),
    timeoutSeconds: fc.constantFrom(1, 60, 4_294_967),
    mask: fc.constantFrom(undefined, 0, 1),
    bits: fc.nat({ max: 7 }),
  })
  .map(({ id, scheduler, engine, onePacket, persistent, timeoutSeconds, mask, bits }) => {
    const udp = id.fwmark !== undefined || id.protocol === 'udp'
    const names = flagsOf(scheduler).filter((_, bit) => (bits >> bit) & 1)
    const masks = isIPv6(id) ? ([1, 64] as const) : (['255.0.0.0', '255.255.255.254'] as const)
    const settings: ServiceSettings = {
      scheduler,
      ...(udp && { onePacket }),
      ...((persistent || id.port === 0) && {
        persistence: { timeoutSeconds, ...(mask !== undefined && { netmask: masks[mask]! }) },
        ...(engine !== undefined && { persistenceEngine: engine }),
      }),
      ...(names.length > 0 && { schedulerFlags: names }),
    }
    return { ...id, ...settings } as Service
  })

const tunnel: fc.Arbitrary<Tunnel | undefined> = fc.constantFrom<(Tunnel | undefined)[]>(
  undefined,
  { type: 'ipip' },
  { type: 'gue', port: 6080 },
  { type: 'gue', port: 6081, checksum: 'remote' },
  { type: 'gre', checksum: 'standard' },
)

const placed: fc.Arbitrary<{ service: ServiceId; destination: Destination }> = fc
  .record({
    service: fc.constantFrom(...IDS),
    address: fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(...SERVERS.slice(0, 5)) },
      { weight: 1, arbitrary: fc.constantFrom(...SERVERS.slice(5)) },
    ),
    forwarding: fc.constantFrom('direct', 'masquerade', 'tunnel', 'local'),
    elsewhere: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    weight: fc.constantFrom(undefined, 0, 1, 5, 2_147_483_647),
    upper: fc.constantFrom(0, 10, 2_147_483_647),
    lower: fc.constantFrom(0, 5),
    tunnel,
  })
  .map(({ service, address, forwarding, elsewhere, weight, upper, lower, tunnel }) => {
    const method = address.includes(':') === isIPv6(service) ? forwarding : 'tunnel'
    const rewrites = service.fwmark !== undefined || method === 'masquerade' || method === 'local'
    const destination: Destination = {
      address,
      port: rewrites && elsewhere ? 99 : (service.port ?? 53),
      forwarding: method,
      ...(weight !== undefined && { weight }),
      ...(upper !== 0 && { upperThreshold: upper, lowerThreshold: lower }),
      ...(method === 'tunnel' && tunnel !== undefined && { tunnel }),
    }
    return { service, destination }
  })

const change: fc.Arbitrary<Change> = fc.oneof(
  ...[
    [3, 'add-service'] as const,
    [4, 'replace-service'] as const,
    [5, 'ensure-service'] as const,
  ].map(([weight, op]) => ({
    weight,
    arbitrary: service.map((service): Change => ({ op, service })),
  })),
  ...[[1, 'remove-service'] as const, [1, 'ensure-no-service'] as const].map(([weight, op]) => ({
    weight,
    arbitrary: fc.constantFrom(...IDS).map((service): Change => ({ op, service })),
  })),
  ...[
    [6, 'add-destination'] as const,
    [6, 'replace-destination'] as const,
    [8, 'ensure-destination'] as const,
  ].map(([weight, op]) => ({
    weight,
    arbitrary: placed.map((place): Change => ({ op, ...place })),
  })),
  ...[[3, 'remove-destination'] as const, [3, 'ensure-no-destination'] as const].map(
    ([weight, op]) => ({
      weight,
      arbitrary: placed.map(({ service, destination: { address, port } }): Change => {
        const destination: DestinationId = { address, port }
        return { op, service, destination }
      }),
    }),
  ),
)

export const program: fc.Arbitrary<Program> = fc.array(
  fc.record({
    sync: fc.boolean(),
    changes: fc.array(change, { minLength: 1, maxLength: 24, size: 'max' }),
  }),
  { minLength: 1, maxLength: 20, size: 'max' },
)

function flagsOf(scheduler: string) {
  if (scheduler === 'sh') return ['sh-fallback', 'sh-port'] as const
  if (scheduler === 'mh') return ['mh-fallback', 'mh-port'] as const
  return ['flag-1', 'flag-2', 'flag-3'] as const
}

function isIPv6(id: ServiceId): boolean {
  return id.fwmark === undefined ? id.address.includes(':') : id.family === 'ipv6'
}
