// One kernel and one client for all tests of a group, empty before each.
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Ipvs } from '../../src/client.js'
import { IpvsError } from '../../src/errors.js'
import { destinationKey, serviceKey } from '../../src/identity.js'
import type {
  Change,
  ChangeOutcome,
  Destination,
  DestinationStatus,
  Service,
  ServiceStatus,
} from '../../src/types.js'
import type { Subject } from './subject.js'

export const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
export const TCP = { ...UDP, protocol: 'tcp' } as const
export const MARK = { fwmark: 7, family: 'ipv6' } as const
export const SERVICE: Service = { ...UDP, scheduler: 'wrr' }
export const SERVER = { address: '10.1.0.1', port: 53, forwarding: 'masquerade' } as const
export const STICKY = { persistence: { timeoutSeconds: 60 } } as const

/** Longer than any test: only what hangs takes so long. */
export const PATIENCE_MS = 3_600_000

export interface Fixture {
  subject: Subject
  ipvs: Ipvs
}

export function fixture(openKernel: () => Promise<Subject>): Fixture {
  const shared = {} as Fixture
  beforeAll(async () => {
    shared.subject = await openKernel()
    shared.ipvs = await shared.subject.open({ deadlineMs: PATIENCE_MS })
  })
  afterAll(async () => {
    await shared.ipvs?.close()
    shared.subject?.close()
  })
  beforeEach(async () => {
    await clear(shared.ipvs)
  })
  return shared
}

export async function clear(ipvs: Ipvs): Promise<void> {
  const services = await ipvs.services()
  await ipvs.apply(services.map((service) => ({ op: 'remove-service', service })))
}

export function server(n: number, weight = 1): Destination {
  const address = `10.1.${Math.floor(n / 255)}.${(n % 255) + 1}`
  return { address, port: 53, forwarding: 'masquerade', weight }
}

/** What one change became: `applied`, or `failed ERR_IPVS_EXISTS -17 NEW_DEST`. */
export function said({ status, error }: ChangeOutcome): string {
  if (!(error instanceof IpvsError)) return status
  const { code, errno = '', command = '' } = error
  return `${status} ${code} ${errno} ${command}`.trimEnd()
}

export async function applied(ipvs: Ipvs, changes: readonly Change[]): Promise<string[]> {
  return (await ipvs.apply(changes)).outcomes.map(said)
}

export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'ok',
    (error) => error.code,
  )
}

/** The whole table without what only traffic changes: services in order of their key, destinations as listed. */
export async function table(ipvs: Ipvs): Promise<object[]> {
  const { services, verified } = await ipvs.snapshot()
  if (!verified) throw new Error('the table changed while it was read')
  return services
    .map((tree) => [serviceKey(tree), tree] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { destinations, ...service }]) => ({
      ...serviceSettings(service as ServiceStatus),
      destinations: destinations.map(destinationSettings),
    }))
}

export function serviceSettings({ stats: _, ...settings }: ServiceStatus): object {
  return settings
}

export function destinationSettings({ stats: _, ...settings }: DestinationStatus): object {
  return settings
}

export async function addresses(ipvs: Ipvs, service: Parameters<Ipvs['destinations']>[0]) {
  return (await ipvs.destinations(service)).map(destinationKey)
}
