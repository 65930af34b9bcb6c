// Judges the servers of a pool together, and remembers what the next judgement needs.
import { effectiveWeight } from './desired.js'
import { Limiter } from './limiter.js'
import type { Member } from './member.js'
import { nextStep, rampAt } from './ramp.js'
import { assign, dutyOf, FIRST, type Roster, type Standing } from './roster.js'
import type { Rules } from './rules.js'

export class Policy {
  readonly #rules: Rules
  readonly #limiter: Limiter
  /** No rule looks at more than one server. */
  #simple: boolean
  #standing: Standing<Member> = FIRST
  #first = true
  /** Of the last judgement. */
  amount = 0
  withdrawn = false

  constructor(rules: Rules) {
    this.#rules = rules
    this.#limiter = new Limiter(rules.maxChangesPerMinute)
    const { quorum, panic, slowStart, maxChangesPerMinute } = rules
    const most = maxChangesPerMinute
    this.#simple = !quorum && !panic && !slowStart && most === Number.POSITIVE_INFINITY
    this.watchesQuorum = quorum !== undefined
  }

  get quorate(): boolean {
    return this.#standing.quorate
  }

  /** For the status: the simple ones are not judged together all the time. */
  isQuorate(members: Iterable<Member>): boolean {
    if (!this.#simple) return this.quorate
    return assign(members, this.#rules, FIRST, new Map()).quorate
  }

  get panicking(): boolean {
    return this.#standing.panicking
  }

  /** The pool has a quorum to watch: one was asked for, or backups wait for the last server to fail. */
  watchesQuorum: boolean

  /** From now on backups are looked at. */
  expectBackups(): void {
    this.#simple = false
    this.watchesQuorum = true
  }

  /** A verdict has changed what a server is; one that comes up may have to wait. */
  verdict(member: Member): void {
    if (this.#rules.maxChangesPerMinute === Number.POSITIVE_INFINITY) return
    const now = performance.now()
    member.waiting = member.health === 'up' && this.#limiter.wait(now) > 0
    if (!member.waiting) this.#limiter.note(now)
  }

  /**
   * Judges anew after one server has changed, or all with `undefined`.
   *
   * Looks at the clock only where a rule needs it: this is in the path of every flip.
   *
   * @returns the servers that are to be programmed: the one, and those whose duty or weight has changed with it, in order
   */
  review(members: Iterable<Member>, one: Member | undefined): Member[] {
    if (this.#simple && one !== undefined) {
      one.duty = dutyOf(one)
      return [one]
    }
    const now = performance.now()
    const all = [...members]
    this.#release(all, now)
    const present = new Map(all.map((member) => [member, member.duty]))
    const roster = assign(all, this.#rules, this.#standing, present)
    const changed = all.filter((member) => this.#take(member, roster, now) || member === one)
    if (one?.leaving) {
      one.duty = 'down'
      changed.push(one)
    }
    this.#standing = roster
    this.amount = roster.amount
    this.withdrawn = roster.withdrawn
    this.#first = false
    return this.inOrder(changed)
  }

  /** Who takes connections comes first, so that in a batch nothing leaves before what replaces it is there. */
  inOrder(members: Member[]): Member[] {
    const takes = (member: Member) => Number(!member.leaving && effectiveWeight(member) > 0)
    return members.sort((a, b) => takes(b) - takes(a))
  }

  /** Milliseconds until time alone changes something; `undefined`: never. */
  next(members: Iterable<Member>): number | undefined {
    const { slowStart, maxChangesPerMinute } = this.#rules
    if (slowStart === undefined && maxChangesPerMinute === Number.POSITIVE_INFINITY)
      return undefined
    const now = performance.now()
    let soonest = Number.POSITIVE_INFINITY
    for (const { waiting, rising } of members) {
      if (waiting) soonest = Math.min(soonest, this.#limiter.wait(now))
      if (rising === undefined) continue
      const elapsed = now - rising
      soonest = Math.min(soonest, nextStep(slowStart!, elapsed) - elapsed)
    }
    return soonest === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil(soonest))
  }

  /** Who has waited longest comes up first. */
  #release(all: readonly Member[], now: number): void {
    const waiting = all.filter((member) => member.waiting)
    for (const member of waiting.sort((a, b) => a.since - b.since)) {
      if (this.#limiter.wait(now) > 0) return
      member.waiting = false
      this.#limiter.note(now)
    }
  }

  /** True if the server's duty or its part of the weight has changed. */
  #take(member: Member, { duties, panicking }: Roster<Member>, now: number): boolean {
    const { duty: before, ramp } = member
    const duty = duties.get(member)!
    member.duty = duty
    const slow = this.#rules.slowStart
    if (duty !== 'serves' || member.backup || panicking) member.rising = undefined
    else if (slow !== undefined && before !== 'serves' && !this.#first) member.rising = now
    member.ramp = 1
    if (member.rising !== undefined) {
      member.ramp = rampAt(slow!, now - member.rising)
      if (member.ramp === 1) member.rising = undefined
    }
    return duty !== before || member.ramp !== ramp
  }
}
