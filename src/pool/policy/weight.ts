// What the kernel should hold of a server, from the administrator's word, its serving state and its weight.
import type { AdminState } from '../../servers.js'
import type { DownAction } from '../api.js'
import type { ServingState } from './assignment.js'

/** Everything that decides about one server. */
export interface Intent {
  readonly admin: AdminState
  /** What the servers' health, looked at together, makes of this one. */
  readonly serving: ServingState
  /** As configured. */
  readonly weight: number
  /** Part of the weight that the last check grants, 0 to 1. */
  readonly healthFactor: number
  /** Part of the weight that slow start grants, 0 to 1. */
  readonly slowStartFactor: number
  /** The server has been taken out of the pool. */
  readonly leaving: boolean
}

/** What is wanted of a server: all of its weight, weight 0, that it is out, or that it stays as it was found. */
export type Wish = 'weight' | 'zero' | 'out' | 'as-is'

/** `out` is weight 0 where `onDown` says `quiesce`. */
export const WISHES: Readonly<Record<ServingState, Readonly<Record<AdminState, Wish>>>> = {
  serves: { ready: 'weight', drain: 'zero', maintenance: 'out' },
  tried: { ready: 'weight', drain: 'zero', maintenance: 'out' },
  down: { ready: 'out', drain: 'out', maintenance: 'out' },
  'as-is': { ready: 'as-is', drain: 'as-is', maintenance: 'out' },
}

/**
 * The weight a front should give to a server; `absent`: it should not be there; `as-is`: nothing has been decided
 * about it yet, so it stays as it was found.
 */
export function desiredWeight(intent: Intent, onDown: DownAction): number | 'absent' | 'as-is' {
  if (intent.leaving) return 'absent'
  switch (WISHES[intent.serving][intent.admin]) {
    case 'weight':
      return effectiveWeight(intent)
    case 'zero':
      return 0
    case 'out':
      return onDown === 'remove' ? 'absent' : 0
    default:
      return 'as-is'
  }
}

/** What is left of the configured weight. */
export function effectiveWeight(intent: Intent): number {
  const { admin, serving, weight, healthFactor, slowStartFactor } = intent
  if (WISHES[serving][admin] !== 'weight' || weight === 0) return 0
  // A healthy server with a weight never falls to 0, which would be "down".
  return Math.max(1, Math.round(weight * healthFactor * slowStartFactor))
}
