// The values of IPVS as callers write them (Service, Destination) and as the kernel shows them (…Status).

/** Transport protocol of an address service. */
export type Protocol = 'tcp' | 'udp' | 'sctp'

/** Address family of a firewall-mark service. */
export type Family = 'ipv4' | 'ipv6'

/**
 * Scheduler name: one of Linux's own or of a module you built, at most 15 bytes. The kernel loads
 * `ip_vs_<name>` by itself when the service is added.
 */
export type Scheduler =
  | 'rr'
  | 'wrr'
  | 'lc'
  | 'wlc'
  | 'lblc'
  | 'lblcr'
  | 'dh'
  | 'sh'
  | 'sed'
  | 'nq'
  | 'fo'
  | 'ovf'
  | 'mh'
  | 'twos'
  | (string & {})

/**
 * How packets reach the destination: `direct` (direct routing), `masquerade` (NAT), `tunnel`, or `local`
 * (the director itself).
 */
export type ForwardingMethod = 'direct' | 'masquerade' | 'tunnel' | 'local'

/**
 * Names of the scheduler flag bits. `sh-*` belong to scheduler `sh`, `mh-*` to `mh`; `flag-1..3` are the same
 * three bits for any other scheduler, `flag-3` for those two as well (ip_vs.h: IP_VS_SVC_F_SCHED1..3). `flag-4` and up
 * are bits that no kernel known here has a name for.
 */
export type SchedulerFlag =
  | 'sh-fallback'
  | 'sh-port'
  | 'mh-fallback'
  | 'mh-port'
  | 'flag-1'
  | 'flag-2'
  | 'flag-3'
  | `flag-${number}`

/** A service that matches packets by protocol, address and port. */
export interface AddressServiceId {
  readonly protocol: Protocol
  /** IPv4 or IPv6 address, without a zone and never IPv4-mapped. */
  readonly address: string
  /** 1 to 65535; 0 (every port) only with persistence. */
  readonly port: number
  readonly fwmark?: never
  readonly family?: never
}

/** A service that matches packets by firewall mark, whatever their protocol. */
export interface FwmarkServiceId {
  /** 1 to 4294967295. */
  readonly fwmark: number
  /** Family of the packets it matches. Default `'ipv4'`; always present in results. */
  readonly family?: Family
  readonly protocol?: never
  readonly address?: never
  readonly port?: never
}

/** Identity of a service. */
export type ServiceId = AddressServiceId | FwmarkServiceId

/** Persistence ("sticky clients") of a service. */
export interface Persistence {
  /** How long a client stays with its destination after its last connection, in seconds, 1 to 4294967. */
  readonly timeoutSeconds: number
  /**
   * Which clients count as one: dotted mask for IPv4 (default `'255.255.255.255'`), prefix length 1 to 128 for
   * IPv6, in bits (default `128`).
   */
  readonly netmask?: string | number
}

/** The settings of a service, apart from its identity. */
export interface ServiceSettings {
  readonly scheduler: Scheduler
  /** One-packet scheduling: each UDP datagram is scheduled by itself. UDP and fwmark services only. Default false. */
  readonly onePacket?: boolean
  /** Default: none. */
  readonly persistence?: Persistence
  /** Default: none. */
  readonly schedulerFlags?: readonly SchedulerFlag[]
  /** Persistence engine, e.g. `'sip'`, at most 15 bytes; needs `persistence`. Default: none. */
  readonly persistenceEngine?: string
}

/** A virtual service as you write it. */
export type Service = ServiceId & ServiceSettings

/** Identity of a destination inside its service. The family follows from the address. */
export interface DestinationId {
  readonly address: string
  /** 0 only in port-0 and fwmark services. */
  readonly port: number
}

/** Encapsulation used by forwarding method `tunnel`. */
export interface Tunnel {
  readonly type: 'ipip' | 'gue' | 'gre'
  /** UDP port of the tunnel's far end: `gue` only, and without a default there. */
  readonly port?: number
  /** Checksum of the outer header, `gue` and `gre` only (`remote`: `gue` only). Default `'none'`. */
  readonly checksum?: 'none' | 'standard' | 'remote'
}

/** A real server of a service, as you write it. */
export interface Destination extends DestinationId {
  readonly forwarding: ForwardingMethod
  /** 0 (no new connections) to 2147483647. Default 1. */
  readonly weight?: number
  /** No new connections above this many; 0 (the default) means no limit. */
  readonly upperThreshold?: number
  /** New connections again below this many; 0 (the default) lets the kernel use 75 % of the upper one. */
  readonly lowerThreshold?: number
  /** Default `{ type: 'ipip' }`. Only with forwarding method `tunnel`. */
  readonly tunnel?: Tunnel
}

/** A service and all its destinations. */
export type ServiceTree = Service & { readonly destinations: readonly Destination[] }

/**
 * Counters since creation or the last zeroing, and rates. The kernel refreshes both every 2 s only (ip_vs_est.c).
 * Replies of direct, tunnel and local destinations bypass the director: their `out` figures stay 0.
 */
export interface Stats {
  readonly connections: bigint
  readonly inPackets: bigint
  readonly outPackets: bigint
  readonly inBytes: bigint
  readonly outBytes: bigint
  /** New connections per second. */
  readonly connectionRate: number
  /** Packets per second. */
  readonly inPacketRate: number
  /** Packets per second. */
  readonly outPacketRate: number
  /** Bytes per second. */
  readonly inByteRate: number
  /** Bytes per second. */
  readonly outByteRate: number
  /** Counters as decimal strings, so that `JSON.stringify` works. */
  toJSON(): Record<string, string | number>
}

/** Identity of a service as results carry it: `family` is always there. */
export type ObservedServiceId = AddressServiceId | (FwmarkServiceId & { readonly family: Family })

/** A service as the kernel shows it. It can be written back. */
export type ServiceStatus = ObservedServiceId & ServiceSettings & { readonly stats: Stats }

/**
 * A destination as the kernel shows it. It can be written back. What this version has no name for keeps its number:
 * forwarding `method-5`, tunnel type `type-3`, checksum `checksum-4`.
 */
export interface DestinationStatus extends Destination {
  readonly weight: number
  /** Connections, as above. */
  readonly upperThreshold: number
  /** Connections, as above. */
  readonly lowerThreshold: number
  /** Established TCP connections; always 0 for UDP (ip_vs_core.c: UDP entries are never "active"). */
  readonly activeConnections: number
  readonly inactiveConnections: number
  /** Entries of persistence (templates). */
  readonly persistentConnections: number
  readonly stats: Stats
}

/** A service and its destinations as the kernel shows them. */
export type ServiceTreeStatus = ServiceStatus & {
  readonly destinations: readonly DestinationStatus[]
}

/**
 * One change of the table. `add`, `replace` and `remove` are strict, as the kernel is; `replace` sets every field,
 * it is never a patch. `ensure-…` is idempotent, without a read, in one round trip.
 */
export type Change =
  | {
      readonly op: 'add-service' | 'replace-service' | 'ensure-service'
      readonly service: Service
    }
  | { readonly op: 'remove-service' | 'ensure-no-service'; readonly service: ServiceId }
  | {
      readonly op: 'add-destination' | 'replace-destination' | 'ensure-destination'
      readonly service: ServiceId
      readonly destination: Destination
    }
  | {
      readonly op: 'remove-destination' | 'ensure-no-destination'
      readonly service: ServiceId
      readonly destination: DestinationId
    }

/** What became of one change. */
export interface ChangeOutcome {
  readonly change: Change
  /**
   * `applied`; `failed` (the kernel refused it); `unknown` (sent, but no answer could be had); `not-sent` (deadline,
   * signal or close came first); `superseded` (a later call wrote the same object, so this bulk change was dropped).
   */
  readonly status: 'applied' | 'failed' | 'unknown' | 'not-sent' | 'superseded'
  /** Why it is not applied. Default: none. */
  readonly error?: Error
}

/** Result of `apply`. `failed` counts everything that is not applied. */
export interface ApplyResult {
  /** Changes. */
  readonly total: number
  /** Changes that were applied. */
  readonly applied: number
  /** Changes that were not. */
  readonly failed: number
  readonly errors: readonly {
    readonly index: number
    readonly change: Change
    readonly error: Error
  }[]
  /** One entry per change, made when first read. */
  readonly outcomes: readonly ChangeOutcome[]
}

/** A verified read of the whole table. Its values are as of the read: they never change later. */
export interface Snapshot {
  readonly services: readonly ServiceTreeStatus[]
  /** False if the table kept changing for all rounds, so that something may be missing. */
  readonly verified: boolean
  /** Rounds of dumps it took, at least 1. */
  readonly attempts: number
}
