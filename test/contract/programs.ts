// Random programs over a small world, so that they meet: every operation and command, every errno that can be had.
import fc from 'fast-check'
import type { Ipvs } from '../../src/client.js'
import type { SyncDaemon, SyncDaemonStatus, SyncRole } from '../../src/system/sync-daemon.js'
import type { Timeouts } from '../../src/system/timeouts.js'
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
interface Batch {
  readonly sync: boolean
  readonly changes: readonly Change[]
}

/** A command on the namespace as a whole. */
type Command =
  | { readonly op: 'start-daemon'; readonly daemon: SyncDaemon }
  | { readonly op: 'stop-daemon'; readonly role: SyncRole }
  | { readonly op: 'set-timeouts'; readonly timeouts: Partial<Timeouts> }
  | { readonly op: 'zero'; readonly service: ServiceId | undefined }
  | { readonly op: 'flush' }

export type Program = readonly (Batch | Command)[]

export interface Run {
  /** By change or command: its op, and what became of it. */
  readonly outcomes: readonly (readonly [op: string, outcome: string])[]
  readonly table: readonly object[]
  readonly daemons: readonly SyncDaemonStatus[]
  readonly timeouts: Timeouts
}

const TIMEOUTS: Timeouts = { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 }

/** Runs a program on an empty table. */
export async function run(ipvs: Ipvs, program: Program): Promise<Run> {
  await clear(ipvs)
  for (const { role } of await ipvs.syncDaemons()) await ipvs.stopSyncDaemon(role)
  await ipvs.setTimeouts(TIMEOUTS)
  const outcomes: (readonly [string, string])[] = []
  for (const step of program) {
    if ('op' in step) {
      outcomes.push([step.op, await outcomeOf(command(ipvs, step))])
      continue
    }
    const { sync, changes } = step
    const result = sync ? ipvs.applySync(changes) : await ipvs.apply(changes)
    outcomes.push(...result.outcomes.map((it) => [it.change.op, said(it)] as const))
  }
  const [daemons, timeouts] = [await ipvs.syncDaemons(), await ipvs.timeouts()]
  return { outcomes, table: await table(ipvs), daemons, timeouts }
}

function command(ipvs: Ipvs, step: Command): Promise<void> {
  switch (step.op) {
    case 'start-daemon':
      return ipvs.startSyncDaemon(step.daemon)
    case 'stop-daemon':
      return ipvs.stopSyncDaemon(step.role)
    case 'set-timeouts':
      return ipvs.setTimeouts(step.timeouts)
    case 'zero':
      return ipvs.zero(step.service)
    case 'flush':
      return ipvs.flush()
  }
}

async function outcomeOf(promise: Promise<void>): Promise<string> {
  return promise.then(
    () => 'applied',
    ({ code, errno, command }) => `failed ${code} ${errno} ${command}`,
  )
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

const role = fc.constantFrom<SyncRole>('master', 'backup')
const seconds = fc.constantFrom(undefined, 1, 60, 2_147_483)

const aCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .record({
        role,
        interface: fc.constantFrom('lo', 'lo', 'lo', 'nosuch'),
        syncId: fc.constantFrom(0, 7, 255),
        maxLength: fc.constantFrom(1024, 2000, 65_507),
        group: fc.constantFrom('224.0.0.81', '239.1.2.3'),
        port: fc.constantFrom(8848, 9000),
        ttl: fc.constantFrom(1, 255),
      })
      .map((daemon): Command => ({ op: 'start-daemon', daemon })),
  },
  { weight: 5, arbitrary: role.map((role): Command => ({ op: 'stop-daemon', role })) },
  {
    weight: 2,
    arbitrary: fc
      .record({
        tcpSeconds: seconds,
        tcpFinSeconds: seconds,
        udpSeconds: fc.integer({ min: 1, max: 300 }),
      })
      .map(({ tcpSeconds, tcpFinSeconds, udpSeconds }): Command => {
        const timeouts = {
          udpSeconds,
          ...(tcpSeconds !== undefined && { tcpSeconds }),
          ...(tcpFinSeconds !== undefined && { tcpFinSeconds }),
        }
        return { op: 'set-timeouts', timeouts }
      }),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(undefined, ...IDS)
      .map((service): Command => ({ op: 'zero', service })),
  },
  { weight: 2, arbitrary: fc.constant<Command>({ op: 'flush' }) },
)

const batch: fc.Arbitrary<Batch> = fc.record({
  sync: fc.boolean(),
  changes: fc.array(change, { minLength: 1, maxLength: 24, size: 'max' }),
})

export const program: fc.Arbitrary<Program> = fc.array(
  fc.oneof({ weight: 5, arbitrary: batch }, { weight: 4, arbitrary: aCommand }),
  { minLength: 1, maxLength: 36, size: 'max' },
)

function flagsOf(scheduler: string) {
  if (scheduler === 'sh') return ['sh-fallback', 'sh-port', 'flag-3'] as const
  if (scheduler === 'mh') return ['mh-fallback', 'mh-port', 'flag-3'] as const
  return ['flag-1', 'flag-2', 'flag-3'] as const
}

function isIPv6(id: ServiceId): boolean {
  return id.fwmark === undefined ? id.address.includes(':') : id.family === 'ipv6'
}
