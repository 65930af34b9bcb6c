// "No route to the network": the member's fault if another member is reached, our own uplink if none is. What is asked of
// all members is kept up to date with each result, so that none costs a walk over all of them.
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
  readonly #reached = new LatestReached()
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
    this.#reached.add(member, this.#members.size)
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
    if (this.#reached.latest() > since) {
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

  /** When the check of another member ended that was checked longest ago. */
  #oldest(member: MemberMonitor): number {
    for (const other of this.#members) if (other !== member) return other.endedAt
    return Number.POSITIVE_INFINITY
  }
}

interface Reached {
  readonly member: MemberMonitor
  readonly at: number
}

/** Which of the members that are reached at present was checked last: a heap whose old entries are dropped when met. */
class LatestReached {
  #heap: Reached[] = []

  add(member: MemberMonitor, members: number): void {
    if (this.#heap.length > 2 * members + 16) this.#tidy()
    this.#push({ member, at: member.startedAt })
  }

  /** When that check began; `-Infinity` if no member is reached. */
  latest(): number {
    while (this.#heap.length > 0 && !isPresent(this.#heap[0]!)) this.#dropTop()
    return this.#heap[0]?.at ?? Number.NEGATIVE_INFINITY
  }

  #tidy(): void {
    const present = this.#heap.filter(isPresent)
    this.#heap = []
    for (const one of present) this.#push(one)
  }

  #push(one: Reached): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(one)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (heap[above]!.at >= one.at) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = one
  }

  #dropTop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && heap[below + 1]!.at > heap[below]!.at) below++
      if (heap[below]!.at <= last.at) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = last
  }
}

function isPresent({ member, at }: Reached): boolean {
  return member.reachedAt === at
}
