// What the kernel should hold of a server, from the administrator's word, its duty and its weight.
import type { Duty } from './roster.js'
import type { AdminState, DownAction } from './types.js'

/** Everything that decides about one server. */
export interface Intent {
  readonly admin: AdminState
  /** What the servers' health, looked at together, makes of this one. */
  readonly duty: Duty
  /** As configured. */
  readonly weight: number
  /** Part of the weight that the last check grants, 0 to 1. */
  readonly factor: number
  /** Part of the weight that slow start grants, 0 to 1. */
  readonly ramp: number
  /** The server has been taken out of the pool. */
  readonly leaving: boolean
}

/**
 * The weight a front should give to a server; `absent`: it should not be there; `as-is`: nothing has been decided
 * about it yet, so it stays as it was found.
 */
export function desiredWeight(intent: Intent, onDown: DownAction): number | 'absent' | 'as-is' {
  if (intent.leaving) return 'absent'
  if (intent.admin === 'maintenance' || intent.duty === 'down') {
    return onDown === 'remove' ? 'absent' : 0
  }
  if (intent.duty === 'as-is') return 'as-is'
  return effectiveWeight(intent)
}

/** What is left of the configured weight. */
export function effectiveWeight({ admin, duty, weight, factor, ramp }: Intent): number {
  if (admin !== 'ready' || duty !== 'serves' || weight === 0) return 0
  // A healthy server with a weight never falls to 0, which would be "down".
  return Math.max(1, Math.round(weight * factor * ramp))
}
