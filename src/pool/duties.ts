// Every server at its duty: judges after each verdict, call and tick of the clock, has those programmed that have
// changed, and tells what has come of it.
import type { Events } from './events.js'
import type { Member, Owed } from './member.js'
import type { Mirror } from './mirror.js'
import type { Policy } from './policy.js'
import type { PoolCause } from './types.js'

/** What a verdict says. */
export interface Decision {
  readonly health: 'up' | 'down'
  /** Part of the weight, 0 to 1. */
  readonly factor: number
  readonly cause: 'call' | 'health'
  readonly reason: string | undefined
}

export class Duties {
  readonly #mirror: Mirror
  readonly #policy: Policy
  readonly #events: Events
  readonly #judged: (cause: PoolCause) => void
  /** What was said last about the quorum. */
  #quorate: boolean | undefined
  /** Events that wait, by key of the server: one that is replaced under its key owes what the other did. */
  readonly #owing = new Map<string, Owed>()
  /** Calls that are being programmed: each tells what has come of it, in its order. */
  #calls = 0
  #withdrawn = false
  #timer: NodeJS.Timeout | undefined
  #opened = false
  #closed = false

  /** @param judged after each judgement */
  constructor(mirror: Mirror, policy: Policy, events: Events, judged: (cause: PoolCause) => void) {
    this.#mirror = mirror
    this.#policy = policy
    this.#events = events
    this.#judged = judged
  }

  /** Before the first change is planned: what the kernel was found to hold has been taken over. */
  opening(): void {
    this.#policy.review(this.#mirror.members, [])
    this.#withdrawn = this.#policy.withdrawn
    this.#mirror.withdrawn = this.#withdrawn
  }

  /** The kernel holds the pool for the first time. */
  opened(): void {
    this.#opened = true
    this.#judged('open')
    const { quorate: after, amount, watchesQuorum } = this.#policy
    this.#quorate = after
    // Whoever announces the address begins with this.
    if (watchesQuorum) {
      const about = { cause: 'open', initial: true, before: undefined } as const
      this.#events.publish('quorum', { ...about, after, amount })
    }
    this.#schedule()
  }

  /** Takes a verdict, and resolves when the kernel holds it or it has to wait for its turn. */
  decide(member: Member, { health, factor, cause, reason }: Decision): Promise<void> {
    const before = member.state()
    const initial = !member.decided
    const changed = member.health !== health
    // It goes down before it was up for anybody.
    const taken = changed && member.waiting && this.#owing.get(member.key)?.name === 'up'
    if (changed) member.since = Date.now()
    member.health = health
    member.factor = factor
    member.decided = true
    member.reason = reason ?? ''
    if (cause === 'call') member.waiting = false
    else if (changed) this.#policy.verdict(member, initial)
    if (taken) this.#owing.delete(member.key)
    const moved = this.#review([member], cause)
    const about = { server: member.key, cause, initial, before, after: member.state() }
    const event = reason === undefined ? about : { ...about, reason }
    if (changed) member.verdicts++
    const order = member.verdicts
    const own = changed && !taken ? { order, name: health, event } : undefined
    return this.#carryOut(moved, cause, member, own)
  }

  /** Programs what has changed about servers: weight, admin state, membership; or, without any, with time. */
  change(members: readonly Member[], cause: PoolCause): Promise<void> {
    return this.#carryOut(this.#review(members, cause), cause)
  }

  /** Events that waited for the kernel, now that it holds everything. */
  converged(): void {
    if (this.#opened && this.#calls === 0) this.#tellOthers('repair')
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #review(members: readonly Member[], cause: PoolCause): readonly Member[] {
    const moved = this.#policy.review(this.#mirror.members, members)
    this.#schedule()
    this.#judged(cause)
    return moved
  }

  /** One function, for every promise costs a thousand callers as many: programs, then tells what has come of it. */
  async #carryOut(
    moved: readonly Member[],
    cause: PoolCause,
    decided?: Member,
    own?: Owed,
  ): Promise<void> {
    const { withdrawn } = this.#policy
    this.#calls++
    try {
      if (withdrawn === this.#withdrawn) {
        await this.#mirror.flip(moved, cause)
        if (!this.#mirror.mirrors(moved)) await this.#mirror.mend(moved)
      } else {
        this.#withdrawn = withdrawn
        await this.#mirror.withdraw(withdrawn, cause)
      }
    } catch (error) {
      if (decided !== undefined && own !== undefined && own.order >= decided.told)
        this.#owing.set(decided.key, own)
      throw error
    } finally {
      this.#calls--
    }
    if (decided !== undefined) this.#tell(decided, own)
    this.#tellOthers(cause)
  }

  /** What has come of a verdict. */
  #tell(member: Member, own: Owed | undefined): void {
    // An earlier event whose flip has failed is superseded by this one's, or has come true with it.
    const owed = own ?? this.#owing.get(member.key)
    // While it was being repaired the opposite has come true, and was told.
    if (owed !== undefined && owed.order < member.told) return
    if (owed !== undefined && member.waiting) this.#owing.set(member.key, owed)
    else this.#owing.delete(member.key)
    if (owed === undefined || member.waiting) return
    member.told = owed.order
    this.#events.publish(owed.name, owed.event)
  }

  /** What has come of it beside what was asked, once the kernel holds all of it. */
  #tellOthers(cause: PoolCause): void {
    const { quorate, amount, watchesQuorum } = this.#policy
    const news = watchesQuorum && quorate !== this.#quorate
    if ((!news && this.#owing.size === 0) || !this.#mirror.converged) return
    for (const [key, owed] of this.#owing) {
      const member = this.#mirror.members.get(key)
      if (member?.waiting) continue
      this.#owing.delete(key)
      // It has left, or the opposite has become true.
      if (owed.name !== member?.health) continue
      this.#events.publish(owed.name, { ...owed.event, after: member.state() })
    }
    if (!news) return
    const about = { cause, initial: false, before: this.#quorate, after: quorate, amount }
    this.#quorate = quorate
    this.#events.publish('quorum', about)
  }

  /** For what time alone changes: slow start, and servers that wait for their turn. */
  #schedule(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#closed) return
    const delay = this.#policy.next(this.#mirror.members)
    if (delay === undefined) return
    this.#timer = setTimeout(() => {
      // What fails is an `error` of the mirror's and tried again.
      this.change([], 'health').catch(() => {})
    }, delay).unref()
  }
}
