// What the rules judge. Every fact may be missing by itself, and says then why.
import { serviceKey } from '../../identity.js'
import type { ListedService } from '../../rules/index.js'
import type { SyncRole } from '../../system/sync-daemon.js'
import type { Timeouts } from '../../system/timeouts.js'
import { endpoint } from '../table/seen.js'

/** Something looked at; `because` says why it could not be. */
export type Fact<T> = { readonly value: T } | { readonly because: string }

/** Whether IPVS lets us in. */
export type Access = { readonly granted: true } | Refusal

export interface Refusal {
  readonly granted: false
  readonly reason:
    | 'platform'
    | 'no-binary'
    | 'addons-disabled'
    | 'no-module'
    | 'user-namespace'
    | 'permission'
    | 'other'
  readonly message: string
}

export interface Table {
  readonly from: 'netlink' | '/proc/net/ip_vs'
  readonly services: readonly ListedService[]
  /** What could not be read of it. */
  readonly lacks: readonly string[]
}

/** The way to an address, as the kernel would take it for a packet of ours. */
export type Route = { readonly source: string } | { readonly code: string }

export interface Owner {
  /** `keepalived` */
  readonly program: string
  /** `process 812`, `interface kube-ipvs0` */
  readonly trace: string
}

/** What became of a packet to the virtual address on one server. */
export interface Probed {
  readonly service: string
  readonly server: string
  /** Of the server, without port. */
  readonly address: string
  readonly virtual: string
  readonly forwarding: 'direct' | 'tunnel'
  readonly outcome: 'answers' | 'refuses' | 'silent' | 'dead'
}

export interface Facts {
  readonly kernel: {
    readonly platform: string
    readonly arch: string
    readonly release: string
  }
  readonly access: Access
  readonly table: Fact<Table>
  /** The services of the file that was named. */
  readonly file?: readonly ListedService[] | undefined
  /** Those of the file: whether the kernel has them. */
  readonly schedulers: Fact<Readonly<Record<string, boolean>>>
  /** Of /proc/sys/net, by the names of `sysctl`. */
  readonly settings: Fact<ReadonlyMap<string, string>>
  readonly timeouts: Fact<Timeouts>
  readonly syncRoles: Fact<readonly SyncRole[]>
  readonly hash: Fact<{
    readonly size: number
    /** The module's parameter; absent where it is not to be seen. */
    readonly bits?: number | undefined
  }>
  /** TCP connections that have used up two thirds of their time. */
  readonly idleTcp: Fact<number>
  /** Network devices. */
  readonly devices: Fact<readonly string[]>
  /** Addresses of this machine, with their devices. */
  readonly addresses: Fact<readonly { readonly address: string; readonly device: string }[]>
  /** Of each virtual address and each server. */
  readonly routes: Fact<ReadonlyMap<string, Route>>
  /** Packets that the reverse-path filter has dropped since the namespace was made. */
  readonly filtered: Fact<number>
  readonly processes: Fact<readonly Owner[]>
  readonly sets: Fact<readonly Owner[]>
  readonly chains: Fact<readonly Owner[]>
  /** Absent: not asked for. */
  readonly probes?: Fact<readonly Probed[]> | undefined
}

export function known<T>(fact: Fact<T> | undefined): T | undefined {
  return fact !== undefined && 'value' in fact ? fact.value : undefined
}

/** The services of table and file: what the file says of one counts, with the connections that the table has. */
export function servicesOf({ table, file = [] }: Pick<Facts, 'table' | 'file'>): ListedService[] {
  const inTable = known(table)?.services ?? []
  if (file.length === 0) return [...inTable]
  const all = new Map(inTable.map((service) => [nameOf(service), service]))
  for (const service of file) {
    const seen = new Map(
      all.get(nameOf(service))?.destinations.map((server) => [endpoint(server), server]),
    )
    all.set(nameOf(service), {
      ...service,
      destinations: service.destinations.map((server) => ({
        ...seen.get(endpoint(server)),
        ...server,
      })),
    })
  }
  return [...all.values()]
}

/** `udp 192.0.2.1:53` */
export function nameOf(service: ListedService): string {
  try {
    return serviceKey(service)
  } catch {
    // What others have put into the kernel need not be one of ours.
    return `${service.protocol ?? 'fwmark'} ${service.address ?? service.fwmark}:${service.port ?? 0}`
  }
}

export function setting({ settings }: Pick<Facts, 'settings'>, name: string): number | undefined {
  const text = known(settings)?.get(name)
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text)
}

/** Whether packets to it end here. Unknown without facts. */
export function isLocal(
  { addresses, routes }: Pick<Facts, 'addresses' | 'routes'>,
  address: string,
): boolean | undefined {
  const own = known(addresses)
  const route = known(routes)?.get(address)
  if (own?.some((one) => one.address === address)) return true
  if (route !== undefined) return 'source' in route && route.source === address
  return own === undefined ? undefined : false
}

/** Another director seems to share the work: addresses may be with it. */
export function hasPeer({ syncRoles, processes }: Pick<Facts, 'syncRoles' | 'processes'>): boolean {
  return (
    (known(syncRoles) ?? []).length > 0 ||
    (known(processes) ?? []).some(({ program }) => program === 'keepalived')
  )
}

/** This machine takes over connections of a director that works. */
export function isStandby({ syncRoles }: Pick<Facts, 'syncRoles'>): boolean {
  const roles = known(syncRoles) ?? []
  return roles.includes('backup') && !roles.includes('master')
}
