// Every server at its duty: judges after each verdict, call and tick of the clock, has those programmed that have
// changed, and tells what has come of it.
import type { Events } from './events.js'
import type { Member } from './member.js'
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
  /** What was said last about the quorum. */
  #quorate = false
  #withdrawn = false
  #timer: NodeJS.Timeout | undefined
  #opened = false
  #closed = false

  constructor(mirror: Mirror, policy: Policy, events: Events) {
    this.#mirror = mirror
    this.#policy = policy
    this.#events = events
  }

  /** Before the first change is planned: what the kernel was found to hold has been taken over. */
  opening(): void {
    this.#policy.review(this.#mirror.members.values(), undefined)
    this.#withdrawn = this.#policy.withdrawn
    this.#mirror.withdrawn = this.#withdrawn
  }

  /** The kernel holds the pool for the first time. */
  opened(): void {
    this.#opened = true
    this.#tellQuorum('open')
    this.#schedule()
  }

  /** Takes a verdict, and resolves when the kernel holds it or it has to wait for its turn. */
  async decide(member: Member, { health, factor, cause, reason }: Decision): Promise<void> {
    const before = member.state()
    const initial = !member.decided
    const changed = member.health !== health
    if (changed) member.since = Date.now()
    member.health = health
    member.factor = factor
    member.decided = true
    member.reason = reason ?? ''
    if (cause === 'call') member.waiting = false
    else if (changed) this.#policy.verdict(member)
    const moved = this.#review(member)
    const about = { server: member.key, cause, initial, before, after: member.state() }
    const event = reason === undefined ? about : { ...about, reason }
    const own = changed ? { name: health, event } : undefined
    try {
      await this.#program(moved, cause)
    } catch (error) {
      member.owed = own ?? member.owed
      throw error
    }
    // An earlier event whose flip has failed is superseded by this one's, or has come true with it.
    const owed = own ?? member.owed
    member.owed = member.waiting ? owed : undefined
    if (owed !== undefined && !member.waiting) this.#events.publish(owed.name, owed.event)
    this.#tellOthers(moved, cause)
  }

  /** Programs what has changed about servers: weight, admin state, membership; or, without any, with time. */
  async change(members: readonly Member[], cause: PoolCause): Promise<void> {
    // Most often one.
    const moved = members.length > 1 ? this.#reviewAll(members) : this.#review(members[0])
    await this.#program(moved, cause)
    this.#tellOthers(moved, cause)
  }

  /** Events that waited for the kernel, now that it holds everything. */
  converged(): void {
    this.#tell(this.#mirror.members.values())
    if (this.#opened) this.#tellQuorum('repair')
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #reviewAll(members: readonly Member[]): Member[] {
    const moved = new Set(members.flatMap((member) => this.#review(member)))
    return this.#policy.inOrder([...moved])
  }

  #review(member: Member | undefined): Member[] {
    const moved = this.#policy.review(this.#mirror.members.values(), member)
    this.#schedule()
    return moved
  }

  async #program(moved: readonly Member[], cause: PoolCause): Promise<void> {
    const { withdrawn } = this.#policy
    if (withdrawn === this.#withdrawn) await this.#mirror.flip(moved, cause)
    else {
      this.#withdrawn = withdrawn
      await this.#mirror.withdraw(withdrawn, cause)
    }
  }

  /** What has come of it beside what was asked. */
  #tellOthers(moved: readonly Member[], cause: PoolCause): void {
    this.#tell(moved)
    this.#tellQuorum(cause)
  }

  #tell(members: Iterable<Member>): void {
    for (const member of members) {
      const { owed, health, waiting } = member
      if (owed === undefined || waiting) continue
      member.owed = undefined
      if (owed.name === health) this.#events.publish(owed.name, owed.event)
    }
  }

  #tellQuorum(cause: PoolCause): void {
    const { quorate, amount, watchesQuorum } = this.#policy
    if (!watchesQuorum || quorate === this.#quorate) return
    const about = {
      cause,
      initial: cause === 'open',
      before: this.#quorate,
      after: quorate,
      amount,
    }
    this.#quorate = quorate
    this.#events.publish('quorum', about)
  }

  /** For what time alone changes: slow start, and servers that wait for their turn. */
  #schedule(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#closed) return
    const delay = this.#policy.next(this.#mirror.members.values())
    if (delay === undefined) return
    this.#timer = setTimeout(() => {
      // What fails is an `error` of the mirror's and tried again.
      this.change([], 'health').catch(() => {})
    }, delay).unref()
  }
}
