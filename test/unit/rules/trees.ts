// Random tables of services that ipvsadm can describe, and the form in which two tables can be compared.
import fc from 'fast-check'
import { AF_INET, AF_INET6, formatAddress } from '../../../src/address.js'
import { destinationKey, serviceKey } from '../../../src/identity.js'
import type {
  Change,
  Destination,
  DestinationId,
  DestinationStatus,
  SchedulerFlag,
  ServiceId,
  ServiceStatus,
  ServiceTree,
} from '../../../src/types.js'
import { asRead, destinationAsRead, destinationSettings, settingsOf } from '../../kernel/witness.js'

export interface TreeOptions {
  /**
   * Only what `ipvsadm -Sn` prints as it is: no thresholds, no firewall mark that it takes for negative, no third flag
   * of `sh` and `mh`.
   */
  readonly faithful?: boolean
}

/** A list of services with their destinations, no two of them the same. */
export function trees(options: TreeOptions = {}): fc.Arbitrary<ServiceTree[]> {
  return fc.uniqueArray(tree(options), { maxLength: 12, selector: serviceKey })
}

const ipv4 = fc
  .tuple(fc.integer({ min: 1, max: 255 }), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((bytes) => bytes.join('.'))

// Many zeros, for every way to shorten an address.
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) =>
    formatAddress(AF_INET6, Uint8Array.from(groups.flatMap((n) => [n >> 8, n & 255]))),
  )
  .filter((text) => text !== '::' && !text.startsWith('::ffff:'))

// What the kernel takes for one server's in an empty namespace.
const serverIPv4 = fc
  .tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 1, max: 254 }))
  .map((bytes) => formatAddress(AF_INET, Uint8Array.of(10, ...bytes)))
const serverIPv6 = fc
  .integer({ min: 1, max: 0xffff_ffff })
  .map((n) =>
    formatAddress(
      AF_INET6,
      Uint8Array.from(
        [0x2001, 0xdb8, 0, 0, 0, 0, n >>> 16, n & 0xffff].flatMap((g) => [g >> 8, g & 255]),
      ),
    ),
  )

const port = fc.oneof(fc.constantFrom(53, 80, 443), fc.integer({ min: 1, max: 65535 }))

function serviceId({ faithful }: TreeOptions): fc.Arbitrary<ServiceId> {
  const protocol = fc.constantFrom('tcp', 'udp', 'sctp')
  const largest = faithful ? 0x7fffffff : 0xffffffff
  return fc.oneof(
    { weight: 3, arbitrary: fc.record({ protocol, address: fc.oneof(ipv4, ipv6), port }) },
    {
      weight: 1,
      arbitrary: fc.record({
        fwmark: fc.oneof(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: largest })),
        family: fc.constantFrom('ipv4', 'ipv6'),
      }),
    },
  )
}

const FLAGS: Readonly<Record<string, SchedulerFlag[]>> = {
  sh: ['sh-fallback', 'sh-port', 'flag-3'],
  mh: ['mh-fallback', 'mh-port', 'flag-3'],
}
const PLAIN_FLAGS: SchedulerFlag[] = ['flag-1', 'flag-2', 'flag-3']
const SCHEDULERS = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'sed',
  'nq',
  'fo',
  'ovf',
  'mh',
]

function flagsOf(scheduler: string, { faithful }: TreeOptions): SchedulerFlag[] {
  const own = FLAGS[scheduler]
  if (own === undefined) return PLAIN_FLAGS
  return faithful ? own.filter((flag) => flag !== 'flag-3') : own
}

function isIPv6Service(id: ServiceId): boolean {
  return id.fwmark === undefined ? id.address.includes(':') : id.family === 'ipv6'
}

function tree(options: TreeOptions): fc.Arbitrary<ServiceTree> {
  return serviceId(options).chain((id) => {
    const mask = isIPv6Service(id) ? fc.integer({ min: 1, max: 128 }) : ipv4
    const persistence = fc.record(
      { timeoutSeconds: fc.integer({ min: 1, max: 2_678_400 }), netmask: mask },
      { requiredKeys: ['timeoutSeconds'] },
    )
    const mayBeOnePacket = id.fwmark !== undefined || id.protocol === 'udp'
    return fc
      .record({
        scheduler: fc.constantFrom(...SCHEDULERS),
        persistence: fc.option(persistence, { nil: undefined }),
        sip: fc.boolean(),
        everyPort: fc.boolean(),
        onePacket: mayBeOnePacket ? fc.boolean() : fc.constant(false),
      })
      .chain(({ scheduler, persistence, sip, everyPort, onePacket }) => {
        const service =
          persistence !== undefined && everyPort && id.port !== undefined ? { ...id, port: 0 } : id
        return fc.record({
          service: fc.constant({
            ...service,
            scheduler,
            onePacket,
            ...(persistence !== undefined && { persistence }),
            ...(persistence !== undefined && sip && { persistenceEngine: 'sip' }),
          }),
          schedulerFlags: fc.subarray(flagsOf(scheduler, options)),
          destinations: fc.uniqueArray(destination(service, options), {
            maxLength: 6,
            selector: destinationKey,
          }),
        })
      })
      .map(({ service, schedulerFlags, destinations }) => ({
        ...service,
        ...(schedulerFlags.length > 0 && { schedulerFlags }),
        destinations,
      }))
  })
}

function destination(id: ServiceId, { faithful }: TreeOptions): fc.Arbitrary<Destination> {
  const own = isIPv6Service(id) ? serverIPv6 : serverIPv4
  const anyPort = id.port === undefined || id.port === 0 ? fc.oneof(port, fc.constant(0)) : port
  const samePort = id.port === undefined ? anyPort : fc.constant(id.port)
  const weight = fc.oneof(fc.nat(100), fc.nat(0x7fffffff))
  const thresholds = faithful
    ? fc.constant({})
    : fc
        .tuple(fc.nat(0x7fffffff), fc.nat(0x7fffffff))
        .map(([a, b]) => ({ upperThreshold: Math.max(a, b), lowerThreshold: Math.min(a, b) }))
  const checksum = fc.constantFrom('none', 'standard')
  const tunnel = fc.oneof(
    fc.constant({ type: 'ipip' } as const),
    fc.record({
      type: fc.constant('gue'),
      port,
      checksum: fc.oneof(checksum, fc.constant('remote' as const)),
    }),
    fc.record({ type: fc.constant('gre'), checksum }, { requiredKeys: ['type'] }),
  )
  const to = fc.oneof(
    fc.record({ forwarding: fc.constant('direct'), address: own, port: samePort }),
    fc.record({ forwarding: fc.constant('masquerade'), address: own, port: anyPort }),
    fc.record(
      {
        forwarding: fc.constant('tunnel'),
        address: fc.oneof(serverIPv4, serverIPv6),
        port: samePort,
        tunnel,
      },
      { requiredKeys: ['forwarding', 'address', 'port'] },
    ),
  )
  return fc
    .tuple(to, fc.record({ weight }, { requiredKeys: [] }), fc.option(thresholds, { nil: {} }))
    .map(([to, weight, thresholds]) => ({ ...to, ...weight, ...thresholds }))
}

/** A table with every default filled in and without what only the kernel knows. */
export function normal(trees: readonly ServiceTree[]): object[] {
  return trees.map(normalTree)
}

/** {@link normal} without order, for what has been in a kernel. */
export function sorted(trees: readonly ServiceTree[]): object[] {
  return inOrder(trees).map(normalTree)
}

/** By their keys. */
export function inOrder<T extends ServiceId & { readonly destinations: readonly DestinationId[] }>(
  trees: readonly T[],
): T[] {
  return trees
    .toSorted(by(serviceKey))
    .map((tree) => ({ ...tree, destinations: tree.destinations.toSorted(by(destinationKey)) }))
}

/** What makes such a table in an empty one. */
export function additions(table: readonly ServiceTree[]): Change[] {
  return table.flatMap(({ destinations, ...service }): Change[] => [
    { op: 'add-service', service },
    ...destinations.map((destination): Change => ({ op: 'add-destination', service, destination })),
  ])
}

function normalTree({ destinations, ...service }: ServiceTree): object {
  return {
    ...settingsOf(asRead(service) as ServiceStatus),
    destinations: destinations.map((destination) =>
      destinationSettings(destinationAsRead(destination) as DestinationStatus),
    ),
  }
}

function by<T>(key: (value: T) => string): (a: T, b: T) => number {
  return (a, b) => (key(a) < key(b) ? -1 : 1)
}
