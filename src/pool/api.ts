// What callers of MirroredPool give and get: options, events, status.

import type { FieldDifference } from '../diff.js'
import type { HealthState } from '../health/types.js'
import type { AdminState, PoolServer } from '../servers.js'
import type {
  Destination,
  Family,
  ForwardingMethod,
  Persistence,
  Protocol,
  Scheduler,
  SchedulerFlag,
  Service,
  Tunnel,
} from '../types.js'

/** An address or a firewall mark under which clients reach the pool. */
export type PoolFront =
  | {
      readonly address: string
      readonly port: number
      /** One service each. Default `['tcp', 'udp']`. */
      readonly protocols?: readonly Protocol[] | undefined
      readonly fwmark?: never
      readonly family?: never
    }
  | {
      /** One service for every protocol that bears the mark: the only mirror that is truly atomic. */
      readonly fwmark: number
      /** Default `'ipv4'`. */
      readonly family?: Family | undefined
      readonly address?: never
      readonly port?: never
      readonly protocols?: never
    }

/**
 * What happens to a server that is down: `remove` takes it out; `quiesce` sets its weight to 0, so that what is
 * established goes on. For UDP `quiesce` is no failover: a client that keeps its port stays on the dead server.
 */
export type DownAction = 'remove' | 'quiesce'

/** When the pool has enough servers. */
export interface PoolQuorum {
  /** Regained with so many servers that serve, or so much weight of them. */
  readonly up: number
  /** Lost below so many servers, or so much weight; at most `up`. Default `up`. */
  readonly down?: number | undefined
  /** What is counted. Default `'servers'`. */
  readonly unit?: 'servers' | 'weight' | undefined
  /**
   * What happens to the servers that are left when it is lost. `keep` (default): they go on, beside the backups.
   * `refuse`: they are taken out; backups serve alone, or clients are refused at once. `withdraw`: as `refuse`, and
   * without a healthy backup the services themselves leave the kernel, so that the addresses can be announced
   * elsewhere (the addresses are yours to withdraw: event `quorum`).
   */
  readonly onLost?: 'keep' | 'refuse' | 'withdraw' | undefined
}

/** Fail-open: with so few healthy servers it is the checks that are not believed. A healthy backup comes first. */
export interface PoolPanic {
  /** Below this part of the servers that have been judged, 1 to 100; those in maintenance do not count. */
  readonly minHealthyPercent: number
  /** `freeze`: who served before goes on. `all-up`: every server that is not in maintenance serves. */
  readonly action: 'freeze' | 'all-up'
}

/**
 * A server that comes up or is added (not at the opening) gets its weight step by step, never below 1: of a server with
 * weight 1 nothing is to be seen. Schedulers wrr, wlc, sed and nq only.
 */
export interface PoolSlowStart {
  /** Milliseconds until it has all of its weight. */
  readonly durationMs: number
  /** In so many steps. Default 10. */
  readonly steps?: number | undefined
  /** Part of the weight at the start, above 0 and below 1. Default 0.1. The weight itself is never below 1. */
  readonly from?: number | undefined
}

interface CommonOptions {
  /** Name in events and messages. Default: the fronts' keys. */
  readonly name?: string | undefined
  readonly scheduler: Scheduler
  readonly forwarding: ForwardingMethod
  /** `'10.1.0.1'` (each front's port), `'10.1.0.1:5353'`, `'[2001:db8::1]:53'` or an object. An empty list is allowed: whatever the services hold goes. */
  readonly servers: readonly (string | PoolServer)[]
  /**
   * Sorry servers: checked as the others are, and serving while the quorum is lost (without `quorum`: while no server
   * serves). They come in the same batch in which the last server fails, before it goes, and leave when the kernel has
   * taken the servers that they stood in for. A server is in one role: one that is in both lists, or whose
   * `secondAddress` is another's place, is refused. Default: none.
   */
  readonly backup?: readonly (string | PoolServer)[] | undefined
  /** When there are enough servers. Default: none; one that serves is enough. */
  readonly quorum?: PoolQuorum | undefined
  /** When the checks are not believed. Default: never. */
  readonly panic?: PoolPanic | undefined
  /** How a server comes up. Default: with all of its weight at once. */
  readonly slowStart?: PoolSlowStart | undefined
  /**
   * How many times a minute health may move servers up or down. Beyond the limit those that recover wait, unless the
   * quorum is lost without them; who has waited longest comes first. One that fails goes at once, and a first verdict
   * never waits. Only what moves clients counts: not what happens to backups, or to servers that are drained or in
   * maintenance. Default: no limit.
   */
  readonly maxChangesPerMinute?: number | undefined
  /**
   * How often the kernel is read and compared, give or take a tenth. 0: only on demand; else at least 100. Default:
   * every second, and less often where the pools of this client together would read for more than a hundredth of the
   * time (see `reads` in the status).
   */
  readonly reconcileIntervalMs?: number | undefined
  /**
   * What happens to what others have changed: `repair` (default), or `report`: events `drift` only. What is found at
   * the opening is put right in any case.
   */
  readonly drift?: 'repair' | 'report' | undefined
  /**
   * Settings of the network namespace that the pool's clients need: `report` (default) warns, `apply` sets them at the
   * opening and at each reconcile. They are never set back.
   */
  readonly sysctls?: 'report' | 'apply' | undefined
  /** Seconds until an idle UDP entry is forgotten, set with `sysctls: 'apply'` only. Default: left as it is (300). */
  readonly udpTimeoutSeconds?: number | undefined
  /** Of every service. Default: none. */
  readonly persistence?: Persistence | undefined
  /**
   * Default for schedulers `sh` and `mh`: their fallback flag, because without it the clients of a server with
   * weight 0 are refused instead of moved. `[]` for none.
   */
  readonly schedulerFlags?: readonly SchedulerFlag[] | undefined
  /**
   * One-packet scheduling of the UDP and firewall-mark services. Default: true for UDP port 53 with forwarding
   * `direct` or `tunnel`, scheduler rr, wrr, mh or sh and no persistence, if the pool creates the service; a
   * service that exists keeps what it has.
   */
  readonly onePacket?: boolean | undefined
  /** Only with forwarding `tunnel`. Default `{ type: 'ipip' }`. */
  readonly tunnel?: Tunnel | undefined
  /**
   * Servers at the start: `up` (default; you vouch for them), `down`, or `adopt`: those with a weight above 0 in the
   * kernel stay up, the others wait for their first `up`, and nothing that is not listed is removed before every
   * server has had its first verdict.
   */
  readonly initial?: 'up' | 'adopt' | 'down' | undefined
  /** Default `'remove'`. A firewall-mark service is quiesced only if both protocols are. */
  readonly onDown?:
    | DownAction
    | {
        /** Default `'remove'`. */
        readonly tcp?: DownAction | undefined
        /** Default `'remove'`. */
        readonly udp?: DownAction | undefined
      }
    | undefined
  /** At the start; {@link MirroredPool.become} changes it. Default `'active'`. */
  readonly role?: PoolRole | undefined
}

/**
 * Of one of several directors of the same services. `active`: the kernel holds the services. `standby`: it does not, and the
 * pool is ready: servers are checked and judged as if it did.
 */
export type PoolRole = 'active' | 'standby'

/** Options of {@link MirroredPool.open}. */
export type MirroredPoolOptions = CommonOptions &
  (
    | {
        readonly address: string
        readonly port: number
        /** One service each. Default `['tcp', 'udp']`. */
        readonly protocols?: readonly Protocol[] | undefined
        readonly fronts?: never
      }
    | {
        /** Several addresses or marks in front of the same servers. */
        readonly fronts: readonly PoolFront[]
        readonly address?: never
        readonly port?: never
        readonly protocols?: never
      }
  )

/** What a front holds of a server, as far as the pool knows: its weight, or that it is not there. */
export type Held = number | 'absent' | 'unknown'

/** A server's state in events. */
export interface PoolServerState {
  readonly admin: AdminState
  readonly health: HealthState
  /** As configured. */
  readonly weight: number
  /** What admin, health and the check's weight factor leave of it. */
  readonly effectiveWeight: number
}

/** What moved the pool: a method, a health verdict (and what time makes of it), `open`, `reconcile`, or the repair of a failed change. */
export type PoolCause = 'call' | 'health' | 'open' | 'reconcile' | 'repair'

/** What all events of a pool have. */
export interface PoolEvent<State = unknown> {
  /** 1, 2, 3… for each pool: the order of what happened in the kernel. */
  readonly sequence: number
  /** Milliseconds since the epoch. */
  readonly time: number
  /** Name of the pool. */
  readonly pool: string
  /** Key of the server, where it is about one: `10.1.0.1:53`. */
  readonly server?: string
  readonly cause: PoolCause
  /** In words, where somebody gave a reason: that of a health verdict. */
  readonly reason?: string
  /** It belongs to the opening of the pool, or to a server's first verdict. */
  readonly initial: boolean
  readonly before: State
  readonly after: State
}

/** Events `up` and `down`: a server's health has changed, and the kernel holds it. */
export interface PoolServerEvent extends PoolEvent<PoolServerState> {
  readonly server: string
}

/** Event `drift`: the kernel held something else than the pool's. */
export interface PoolDriftEvent extends PoolEvent<Service | Destination | undefined> {
  /** Key of the service: `udp 192.0.2.1:53`. */
  readonly service: string
  /** Key of the destination; absent if it is about the service itself. */
  readonly destination?: string
  /** `unexpected`: it is there and should not be. */
  readonly found: 'different' | 'missing' | 'unexpected'
  /** With `different`: in what. */
  readonly differences: readonly FieldDifference[]
  /** False if putting it right has failed; the pool tries again. */
  readonly repaired: boolean
}

/** Event `diverged`: a change went through on some fronts only, so that they disagree until the pool has repaired it. */
export interface PoolDivergedEvent extends PoolEvent<Readonly<Record<string, Held>>> {
  readonly server: string
  /** What failed, by key of the service. */
  readonly errors: readonly { readonly service: string; readonly error: Error }[]
}

/**
 * Event `quorum`: `after` is true when it has been regained, false when it is lost, and the kernel holds what follows.
 * At the opening it says how things are; then `before` is absent.
 */
export interface PoolQuorumEvent extends PoolEvent<boolean | undefined> {
  readonly after: boolean
  /** What the quorum counts: servers that serve, or their weight. */
  readonly amount: number
}

/** Why a drain has ended. `failed`: the server went down, and what happens then has happened. */
export type DrainOutcome = 'idle' | 'deadline' | 'cancelled' | 'failed'

/** Connections of a server over all fronts, as the kernel counts them. */
export interface DrainProgress {
  /** TCP: established connections. */
  readonly active: number
  /** TCP: ended connections that are remembered; UDP: all. */
  readonly inactive: number
  /** Entries of persistence, which bring clients back. */
  readonly persistent: number
  readonly elapsedMs: number
  readonly leftMs: number
}

/** How a drain has ended, and what was left of its connections. */
export interface DrainResult extends Omit<DrainProgress, 'leftMs'> {
  readonly outcome: DrainOutcome
}

/** Options of {@link MirroredPool.drain}. */
export interface DrainOptions {
  /** Taken out after so long, whatever is left. Milliseconds, default 300000 (the kernel's UDP timeout). */
  readonly timeoutMs?: number | undefined
  /** Aborting cancels: the server gets its weight back. Default: none. */
  readonly signal?: AbortSignal | undefined
  /** Called after each look, every 2 s. Default: nobody is. */
  readonly onProgress?: ((progress: DrainProgress) => void) | undefined
}

/** Event `drained`: a drain has ended, by itself or not. */
export interface PoolDrainedEvent extends PoolEvent<PoolServerState>, DrainResult {
  readonly server: string
}

/**
 * - `udp-black-hole`: UDP clients of a removed server lose their packets for up to 300 s.
 * - `udp-quiesce`: weight 0 does not move UDP clients away from a dead server.
 * - `persistent-quiesce`: persistence keeps sending new connections to a server with weight 0.
 * - `one-packet-scheduler`: with this scheduler, one-packet scheduling sends everything to one server.
 * - `one-packet-live`: one-packet scheduling was changed on a live service; old entries stay.
 * - `hash-refuses`: without a fallback flag, clients of a server with weight 0 are refused.
 * - `udp-conntrack`: with masquerading and `vs.conntrack`, UDP clients lose what they send within a tick of the kernel's
 *   clock (1 to 10 ms) after a failover.
 * - `contested`: another owner keeps changing what the pool owns; the pool gives way more and more.
 * - `panic`: too few servers are healthy to believe the checks.
 * - `source`: a source of servers has failed or given too few; the pool keeps what it has.
 */
export type PoolWarningCode =
  | 'udp-black-hole'
  | 'udp-quiesce'
  | 'persistent-quiesce'
  | 'one-packet-scheduler'
  | 'one-packet-live'
  | 'hash-refuses'
  | 'udp-conntrack'
  | 'contested'
  | 'panic'
  | 'source'

/** Something that will hurt clients. */
export interface PoolWarning {
  readonly code: PoolWarningCode
  /** What happens, and what to do. */
  readonly message: string
}

/** Event `warning`, once for each code until it is gone. */
export interface PoolWarningEvent extends PoolEvent<undefined>, PoolWarning {}

/**
 * Event `error`: the kernel does not hold what the pool wants, once for each server until it does (the pool tries
 * again), or a listener has thrown.
 */
export interface PoolErrorEvent extends PoolEvent<undefined> {
  readonly error: unknown
}

/** The events of a pool, with what their listeners get. */
export interface MirroredPoolEvents {
  up: [event: PoolServerEvent]
  down: [event: PoolServerEvent]
  drained: [event: PoolDrainedEvent]
  quorum: [event: PoolQuorumEvent]
  drift: [event: PoolDriftEvent]
  diverged: [event: PoolDivergedEvent]
  warning: [event: PoolWarningEvent]
  error: [event: PoolErrorEvent]
}

/** One row of {@link PoolStatus}. */
export interface PoolServerStatus extends PoolServerState {
  readonly server: string
  /** A sorry server. */
  readonly backup: boolean
  /**
   * Connections go to it, as far as health, quorum and the kernel decide: false also for a backup that is not needed,
   * and for a server that the kernel refuses.
   */
  readonly serves: boolean
  /** What each front holds, by key of its service; includes what is under way. */
  readonly fronts: Readonly<Record<string, Held>>
  /** When its health or admin state last changed: milliseconds since the epoch. */
  readonly since: number
  /** Reason of the last verdict. */
  readonly reason: string
  /** The change that has failed, until it is repaired. */
  readonly error: string | undefined
}

/** How often the pool looks at the kernel, and what that costs. */
export interface PoolReads {
  /** At present. 0: only on demand. */
  readonly intervalMs: number
  /** Milliseconds that one look takes, as measured: the mean over the pools of the client. */
  readonly readMs: number
  /** Part of the time in which the pools of this client look that have no interval of their own: 0.01 at most. */
  readonly share: number
  /** When the kernel was last read and compared, in milliseconds of `performance.now()`: no clock that is set moves it. */
  readonly lookedAt: number
}

/** What the pool wants and knows, at this moment. */
export interface PoolStatus {
  readonly pool: string
  readonly role: PoolRole
  /** Keys of the services. */
  readonly fronts: readonly string[]
  /** Keys of those that the kernel should hold and, as far as the pool knows, does not. */
  readonly missing: readonly string[]
  readonly servers: readonly PoolServerStatus[]
  /**
   * The kernel has confirmed everything the pool wants. Says nothing about what others have changed since, nor about
   * what is left to them (`drift: 'report'`, or another owner).
   */
  readonly converged: boolean
  /** Enough servers serve; without option `quorum`: one does. */
  readonly quorum: boolean
  readonly reads: PoolReads
  /** What the forwarding method and UDP need around the pool: of servers, network and settings. */
  readonly needs: readonly string[]
  readonly warnings: readonly PoolWarning[]
}
