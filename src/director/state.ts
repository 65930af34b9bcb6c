// What a director knows at a moment, as plain JSON: for `ipvs state`, the page, and whoever asks.
import type { HealthState, HealthStatus } from '../health/types.js'
import type { Held, PoolServerStatus, PoolStatus } from '../pool/api.js'
import type { AdminState } from '../servers.js'
import type { AnnounceState } from './announce.js'
import type { DirectorEvent } from './events.js'
import type { ManagedPool } from './managed-pool.js'
import { handKey, type Override } from './overrides.js'
import type { RoleState } from './role/role-keeper.js'

/** How a server's check goes: what its checker knows, but for what the server's own state has. */
export interface CheckState
  extends Omit<HealthStatus, 'key' | 'state' | 'since' | 'inFlight' | 'weightFactor'> {
  /** Its name in the file. */
  readonly name: string
}

/** A server of a pool. */
export interface ServerState {
  /** `10.1.0.1:53` */
  readonly server: string
  readonly backup: boolean
  /** Connections go to it. */
  readonly serves: boolean
  readonly health: HealthState
  /** The administrator's word. */
  readonly admin: AdminState
  readonly weight: {
    /** Of the file or the source: its part of the connections. */
    readonly file: number
    /** Set by hand, in place of it: its part of the connections. Default: none. */
    readonly hand?: number | undefined
    /** What is left of it: its part of the connections. */
    readonly effective: number
  }
  /** What was said by hand, each word with its end. */
  readonly hand?: Override | undefined
  /** What each service holds of it: its weight, `absent` or `unknown`. */
  readonly fronts: Readonly<Record<string, Held>>
  /** When its health or the administrator's word last changed: milliseconds since the epoch. */
  readonly since: number
  /** Of the last verdict. */
  readonly reason: string
  /** What the kernel has refused. */
  readonly error?: string | undefined
  readonly check: CheckState | 'none'
}

/** A pool of the file. */
export interface PoolState {
  readonly pool: string
  /** The kernel holds it. */
  readonly open: boolean
  /** Why it is not open, or what its source complains of. */
  readonly trouble?: string | undefined
  /** Keys of its services. */
  readonly services: readonly string[]
  /** Where its servers come from, if not from the file. */
  readonly source?: string | undefined
  /** Enough servers serve. */
  readonly quorum: boolean
  /** The kernel has confirmed all of it. */
  readonly converged: boolean
  /** Services that the kernel should hold and does not. */
  readonly missing: readonly string[]
  /** Milliseconds since the kernel was last read and compared, and from one look to the next. */
  readonly reads?: { readonly ageMs: number; readonly intervalMs: number } | undefined
  /** Whether its addresses are announced. Default: nobody is told. */
  readonly announce?: AnnounceState | undefined
  readonly needs: readonly string[]
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
  readonly servers: readonly ServerState[]
  /** What was said by hand of servers that are not in the pool now. */
  readonly absent: Readonly<Record<string, Override>>
}

/** What a director knows at a moment. */
export interface DirectorState {
  /** Of this form. */
  readonly version: 1
  /** Milliseconds since the epoch. */
  readonly time: number
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly pid: number
  /** Names this process among all: another one after each start. */
  readonly instance: string
  /** Of this director, among others. */
  readonly name: string
  readonly file: string
  /** Every pool is programmed, and every server has had its first verdict; once true it stays. */
  readonly ready: boolean
  /** The last reload, or why it was refused. Default: there was none. */
  readonly reload?:
    | {
        /** Milliseconds since the epoch. */
        readonly time: number
        readonly text: string
      }
    | undefined
  /** Whether it is the active one of several. Default: the file has no role. */
  readonly role?: RoleState | undefined
  /** What is wrong with the director itself, and what to do. */
  readonly troubles: readonly string[]
  readonly pools: readonly PoolState[]
  /** The last events, oldest first. */
  readonly changes: readonly DirectorEvent[]
}

export function poolState(
  managed: ManagedPool,
  overrides: ReadonlyMap<string, Override>,
): PoolState {
  const { config, pool, trouble, announce } = managed
  const status = pool?.status()
  const checks = managed.checkStatus()
  const servers = (status?.servers ?? []).map((row) =>
    serverState(
      row,
      managed,
      overrides.get(handKey(row.server, config.port)),
      checks.get(row.server),
    ),
  )
  const present = new Set(servers.map(({ server }) => handKey(server, config.port)))
  return {
    pool: config.name,
    open: status !== undefined,
    ...(trouble === undefined ? {} : { trouble }),
    services: config.services,
    ...(config.source === undefined ? {} : { source: config.source.name }),
    ...(announce === undefined ? {} : { announce }),
    ...ofStatus(status),
    servers,
    absent: Object.fromEntries([...overrides].filter(([server]) => !present.has(server))),
  }
}

function ofStatus(status: PoolStatus | undefined) {
  if (status === undefined) {
    return { quorum: false, converged: false, missing: [], needs: [], warnings: [] }
  }
  const { quorum, converged, missing, needs, warnings, reads } = status
  const { lookedAt, intervalMs } = reads
  const ageMs = Math.round(performance.now() - lookedAt)
  return { quorum, converged, missing, needs, warnings, reads: { ageMs, intervalMs } }
}

function serverState(
  row: PoolServerStatus,
  managed: ManagedPool,
  override: Override | undefined,
  check:
    | { readonly config: { readonly name: string }; readonly status: HealthStatus | undefined }
    | undefined,
): ServerState {
  const { server, backup, serves, health, admin, effectiveWeight, fronts, since, reason, error } =
    row
  return {
    server,
    backup,
    serves,
    health,
    admin,
    weight: {
      file: managed.listed(server)?.weight ?? 1,
      ...(override?.weight === undefined ? {} : { hand: override.weight.word }),
      effective: effectiveWeight,
    },
    ...(override === undefined ? {} : { hand: override }),
    fronts,
    since,
    reason,
    ...(error === undefined ? {} : { error }),
    check: check?.status === undefined ? 'none' : checkState(check.config.name, check.status),
  }
}

function checkState(name: string, status: HealthStatus): CheckState {
  const { key: _, state: __, since: ___, inFlight: ____, weightFactor: _____, ...rest } = status
  return { name, ...rest }
}
