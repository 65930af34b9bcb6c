// "No route to the network": the member's fault if another member is reached, our own uplink if none is.
import type { Watched } from './watched.js'

/**
 * - `fault`: another member has been reached since; `count` results are failures, those held back included.
 * - `uplink`: every member has it.
 * - `held`: not known before the others have been checked. Without this, the member that is checked first
 *   after the uplink is lost, and retried fast, would be down before anyone has looked at the others.
 */
export type RouteJudgement =
  | { readonly kind: 'fault'; readonly count: number }
  | { readonly kind: 'uplink' | 'held' }

/**
 * Judges one "no route" result of `member`, already noted in it, against the latest results of the others.
 * `roundMs`: results older than this say nothing about the present.
 */
export function judgeNoRoute(
  member: Watched,
  all: Iterable<Watched>,
  now: number,
  roundMs: number,
): RouteJudgement {
  const since = member.noRouteSince ?? member.startedAt
  member.noRouteSince = since
  let every = true
  for (const other of all) {
    if (other === member) continue
    if (other.routed && other.startedAt > since) {
      const count = member.held + 1
      member.held = 0
      return { kind: 'fault', count }
    }
    if (other.noRouteSince === undefined || other.endedAt < now - roundMs) every = false
  }
  if (!every) {
    member.held++
    return { kind: 'held' }
  }
  member.held = 0
  member.noRouteSince = now
  return { kind: 'uplink' }
}

/** Any other conclusive result, good or bad, ends the row: there was a route. */
export function noteRoute(member: Watched): void {
  member.noRouteSince = undefined
  member.held = 0
}
