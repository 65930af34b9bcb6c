// "No route to the network": the member's fault if another member is reached, our own uplink if none is. What is asked of
// all members is kept up to date with each result, so that hardly any costs a walk over all of them.
import type { MemberMonitor } from './member-monitor.js'

/**
 * - `fault`: another member has been reached since; `count` results are failures, those held back included.
 * - `uplink`: every member has it.
 * - `held`: not known before the others have been checked. Without this, the member that is checked first
 *   after the uplink is lost, and retried fast, would be down before anyone has looked at the others.
 */
export type RouteJudgement =
  | { readonly kind: 'fault'; readonly count: number }
  | { readonly kind: 'uplink' | 'held' }

export class Uplink {
  /** All members, by the end of their last check: the one that was checked longest ago comes first. */
  readonly #members = new Set<MemberMonitor>()
  /** Nobody was reached by a later check, which began at `#latestAt`. It may have lost its route since. */
  #latest: MemberMonitor | undefined
  #latestAt = Number.NEGATIVE_INFINITY
  /** How many are in no row of "no route". */
  #withRoute = 0

  add(member: MemberMonitor): void {
    this.#members.add(member)
    this.#withRoute++
  }

  remove(member: MemberMonitor): void {
    if (!this.#members.delete(member)) return
    if (member.noRouteSince === undefined) this.#withRoute--
    member.reachedAt = undefined
  }

  /** A conclusive result, good or bad: there was a route. It ends the row of those that found none. */
  reached(member: MemberMonitor): void {
    this.#ended(member)
    if (member.noRouteSince !== undefined) this.#withRoute++
    member.noRouteSince = undefined
    member.held = 0
    member.reachedAt = member.startedAt
    this.#noteReached(member)
  }

  /** A result that says nothing about routes. */
  inconclusive(member: MemberMonitor): void {
    this.#ended(member)
    member.reachedAt = undefined
  }

  /**
   * Judges one "no route" result of `member` against the latest results of the others. `roundMs`: results older than
   * this say nothing about the present.
   */
  judge(member: MemberMonitor, now: number, roundMs: number): RouteJudgement {
    this.#ended(member)
    member.reachedAt = undefined
    const since = member.noRouteSince ?? member.startedAt
    if (member.noRouteSince === undefined) this.#withRoute--
    member.noRouteSince = since
    if (this.#latestReached() > since) {
      const count = member.held + 1
      member.held = 0
      return { kind: 'fault', count }
    }
    if (this.#withRoute > 0 || this.#oldest(member) < now - roundMs) {
      member.held++
      return { kind: 'held' }
    }
    member.held = 0
    member.noRouteSince = now
    return { kind: 'uplink' }
  }

  #ended(member: MemberMonitor): void {
    if (this.#members.delete(member)) this.#members.add(member)
  }

  /** When the latest check began of those that are reached at present; `-Infinity` if nobody is. */
  #latestReached(): number {
    if (this.#latest !== undefined && this.#latest.reachedAt === undefined) {
      this.#latest = undefined
      this.#latestAt = Number.NEGATIVE_INFINITY
      for (const member of this.#members) this.#noteReached(member)
    }
    return this.#latestAt
  }

  #noteReached(member: MemberMonitor): void {
    const { reachedAt } = member
    if (reachedAt === undefined || reachedAt < this.#latestAt) return
    this.#latest = member
    this.#latestAt = reachedAt
  }

  /** When the check of another member ended that was checked longest ago. */
  #oldest(member: MemberMonitor): number {
    for (const other of this.#members) if (other !== member) return other.endedAt
    return Number.POSITIVE_INFINITY
  }
}
