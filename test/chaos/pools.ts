// The two pools of the chaos test, and what is wanted of them. The controller, the driver and the verdict agree here.
import type { AdminState, MirroredPoolOptions } from 'ipvs'

export interface ChaosPool {
  readonly name: PoolName
  readonly address: string
  readonly port: number
  readonly scheduler: 'wrr' | 'wlc'
  readonly forwarding: 'direct' | 'masquerade'
  /** One-packet scheduling of the UDP service. */
  readonly onePacket: boolean
  /** Of its servers' addresses. */
  readonly prefix: string
}

export type PoolName = 'dns' | 'mail'

export const POOLS: readonly ChaosPool[] = [
  {
    ...{ name: 'dns', address: '192.0.2.1', port: 53, prefix: '10.1.0.' },
    ...{ scheduler: 'wrr', forwarding: 'direct', onePacket: true },
  },
  {
    ...{ name: 'mail', address: '192.0.2.2', port: 25, prefix: '10.2.0.' },
    ...{ scheduler: 'wlc', forwarding: 'masquerade', onePacket: false },
  },
]

/** The pool that real queries go to. */
export const QUERIED = POOLS[1]!

export const INTERVAL_MS = 500

/** Servers at the start, and how many there are to choose from. */
export const SERVERS = 8
export const CANDIDATES = 12

export const candidates = ({ prefix }: ChaosPool): string[] =>
  Array.from({ length: CANDIDATES }, (_, n) => `${prefix}${n + 1}`)

/** What is wanted of a server. */
export interface Wish {
  readonly weight: number
  readonly healthy: boolean
  readonly admin: AdminState
}

/** What is wanted of a pool: its servers by address. */
export type Wishes = Readonly<Record<string, Wish>>

/**
 * The weight that a server must have in the kernel; `undefined` if it must not be there. Said here a second time, and
 * not with the library's words: the verdict must not believe what it judges.
 */
export function wantedWeight(wish: Wish | undefined): number | undefined {
  if (wish === undefined || !wish.healthy || wish.admin === 'maintenance') return undefined
  return wish.admin === 'drain' ? 0 : wish.weight
}

/** What the controller finds when it starts, and what it must make of the kernel. */
export interface State {
  /** Number of the last change in it. */
  readonly version: number
  readonly sabotage: boolean
  readonly pools: Readonly<Record<PoolName, Wishes>>
}

/** A change of the state, as the controller is told it. */
export type Command = { readonly version: number; readonly pool: PoolName } & (
  | { readonly op: 'up' | 'down' | 'remove'; readonly server: string }
  | { readonly op: 'weight' | 'add'; readonly server: string; readonly weight: number }
  | { readonly op: 'admin'; readonly server: string; readonly admin: AdminState }
  | { readonly op: 'servers'; readonly weights: Readonly<Record<string, number>> }
)

export type Answer =
  /** The state has been read, and nothing has been changed yet. */
  | { readonly opening: number }
  /** Both pools hold what the state of this version wants. */
  | { readonly ready: number }
  | { readonly done: number }
  /** The promise has rejected: the pool goes on trying. */
  | { readonly refused: number; readonly error: string }

export function poolOptions(
  pool: ChaosPool,
  wishes: Wishes,
  sabotage: boolean,
): MirroredPoolOptions {
  const { name, address, port, scheduler, forwarding, onePacket } = pool
  return {
    ...{ name, address, port, scheduler, forwarding, onePacket },
    servers: Object.entries(wishes).map(([server, { weight }]) => ({ address: server, weight })),
    // Until each server has been spoken for, nothing is added or taken out.
    initial: 'adopt',
    sysctls: 'apply',
    reconcileIntervalMs: sabotage ? 0 : INTERVAL_MS,
    drift: sabotage ? 'report' : 'repair',
  }
}
