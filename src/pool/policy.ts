// Judges the servers of a pool together, and remembers what the next judgement needs.
import { effectiveWeight } from './desired.js'
import { Limiter } from './limiter.js'
import type { Member } from './member.js'
import { nextStep, rampAt } from './ramp.js'
import { assign, dutyOf, first, type Roster, type Standing } from './roster.js'
import type { Rules } from './rules.js'

/** By key. */
type Members = ReadonlyMap<string, Member>

export class Policy {
  readonly #rules: Rules
  readonly #limiter: Limiter
  /** No rule looks at more than one server. */
  #simple: boolean
  #standing: Standing<Member>
  #first = true
  /** Of the last judgement. */
  amount = 0
  withdrawn = false

  constructor(rules: Rules, adopts: boolean) {
    this.#standing = first(adopts)
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
  isQuorate(members: Members): boolean {
    if (!this.#simple) return this.quorate
    return assign(members.values(), this.#rules, first(false), new Map()).quorate
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

  /**
   * A verdict has changed what a server is; one that comes up may have to wait, unless it is its first verdict or there
   * are too few without it.
   */
  verdict(member: Member, initial: boolean): void {
    if (this.#rules.maxChangesPerMinute === Number.POSITIVE_INFINITY || initial) return
    const now = performance.now()
    const waited = member.waiting
    const must = member.health === 'up' && this.quorate && !this.panicking
    member.waiting = must && this.#limiter.wait(now) > 0
    // One that had to wait was out already: nothing moves.
    if (!member.waiting && !waited) this.#limiter.note(now)
  }

  /**
   * Judges anew after some servers have changed, or time has passed.
   *
   * Looks at the clock only where a rule needs it: this is in the path of every flip.
   *
   * @returns the servers that are to be programmed: these, and those whose duty or weight has changed with it, in order
   */
  review(members: Members, ones: readonly Member[]): readonly Member[] {
    if (this.#simple && !this.#first) {
      for (const one of ones) one.duty = dutyOf(one)
      return ones.length > 1 ? inOrder([...ones]) : ones
    }
    const now = performance.now()
    const all = [...members.values()]
    this.#release(all, now)
    const present = new Map(all.map((member) => [member, member.duty]))
    let roster = assign(all, this.#rules, this.#standing, present)
    // Nobody waits where there are too few without him.
    while (!roster.quorate && this.#release(all, now, true)) {
      roster = assign(all, this.#rules, this.#standing, present)
    }
    const named = new Set(ones)
    const changed = all.filter((member) => this.#take(member, roster, now) || named.has(member))
    for (const one of ones) {
      if (!one.leaving) continue
      one.duty = 'down'
      changed.push(one)
    }
    this.#standing = roster
    this.amount = roster.amount
    this.withdrawn = roster.withdrawn
    this.#first = false
    return inOrder(changed)
  }

  /** Milliseconds until time alone changes something; `undefined`: never. */
  next(members: Members): number | undefined {
    const { slowStart, maxChangesPerMinute } = this.#rules
    if (slowStart === undefined && maxChangesPerMinute === Number.POSITIVE_INFINITY)
      return undefined
    const now = performance.now()
    let soonest = Number.POSITIVE_INFINITY
    for (const { waiting, rising } of members.values()) {
      if (waiting) soonest = Math.min(soonest, this.#limiter.wait(now))
      if (rising === undefined) continue
      const elapsed = now - rising
      soonest = Math.min(soonest, nextStep(slowStart!, elapsed) - elapsed)
    }
    return soonest === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil(soonest))
  }

  /** Who has waited longest comes up first. True if somebody has. */
  #release(all: readonly Member[], now: number, urgent = false): boolean {
    const waiting = all.filter((member) => member.waiting)
    let some = false
    for (const member of waiting.sort((a, b) => a.since - b.since)) {
      if (urgent ? some : this.#limiter.wait(now) > 0) break
      member.waiting = false
      this.#limiter.note(now)
      some = true
    }
    return some
  }

  /** True if the server's duty or its part of the weight has changed. */
  #take(member: Member, { duties, panicking }: Roster<Member>, now: number): boolean {
    const { duty: before, ramp } = member
    const duty = duties.get(member)!
    member.duty = duty
    const slow = this.#rules.slowStart
    // A server that has been drained is not cold.
    const takes = duty === 'serves' && member.admin !== 'maintenance'
    if (!takes || member.backup || panicking) member.rising = undefined
    else if (slow !== undefined && takes && !member.takes && !this.#first) member.rising = now
    member.takes = takes
    member.ramp = 1
    if (member.rising !== undefined) {
      member.ramp = rampAt(slow!, now - member.rising)
      if (member.ramp === 1) member.rising = undefined
    }
    return duty !== before || member.ramp !== ramp
  }
}

/** Who takes connections comes first, so that in a batch nothing leaves before what replaces it is there. */
function inOrder(members: Member[]): Member[] {
  const takes = (member: Member) => Number(!member.leaving && effectiveWeight(member) > 0)
  return members.sort((a, b) => takes(b) - takes(a))
}
