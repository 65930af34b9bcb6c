// What a director's methods take and give.
import type { CheckedStep } from './check-now.js'
import type { ServerState } from './state.js'

/** Which pools a state is to be about. */
export interface StateFilter {
  /** Name of a pool. Default: all. */
  readonly pool?: string | undefined
  /** Key of a service. Default: all. */
  readonly service?: string | undefined
}

/** What a reload has changed: names of pools. */
export interface ReloadResult {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  /** So many pools were not touched. */
  readonly same: number
}

/** What `Director.set` has done. */
export interface SetResult {
  readonly pool: string
  readonly state: ServerState | undefined
  /** Why it would not outlive the director, if it would not. */
  readonly notKept?: string | undefined
}

/** What `Director.check` has found. */
export interface CheckResult {
  readonly pool: string
  readonly server: string
  /** Name of the check. */
  readonly check: string
  readonly steps: readonly CheckedStep[]
  readonly state: ServerState | undefined
}

/** Connections of a server over all services of its pool. */
export interface ConnectionCounts {
  /** TCP: established connections. */
  readonly active: number
  /** Other connections. */
  readonly inactive: number
  /** Entries of persistence. */
  readonly persistent: number
}
