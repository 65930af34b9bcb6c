// What a listing says. What it does not say is absent.
import type {
  DestinationId,
  DestinationStatus,
  ForwardingMethod,
  Persistence,
  ServiceId,
  ServiceSettings,
  Stats,
} from '../types.js'

/** Counters, or rates. ipvsadm rounds large ones down to thousands (`123456K`), unless it was asked for `--exact`. */
export type ListedStats = Partial<Omit<Stats, 'toJSON'>>

export type ListedSettings = Partial<Omit<ServiceSettings, 'persistence'>> & {
  /** The kernel's own listing has the time in ticks: `timeoutSeconds` is absent unless `hz` was given. */
  readonly persistence?: Partial<Persistence>
  readonly stats?: ListedStats
}

/**
 * A service. The kernel's own listing does not say which family a firewall mark has: it is absent unless a server tells (only
 * tunnels cross families).
 */
export type ListedService = ServiceId &
  ListedSettings & { readonly destinations: readonly ListedDestination[] }

export type ListedColumns = Partial<
  Pick<
    DestinationStatus,
    | 'weight'
    | 'upperThreshold'
    | 'lowerThreshold'
    | 'activeConnections'
    | 'inactiveConnections'
    | 'persistentConnections'
  >
> & { readonly forwarding?: ForwardingMethod; readonly stats?: ListedStats }

/** A destination, with what its listing shows of it. */
export type ListedDestination = DestinationId & ListedColumns
