// The flips of one turn of the event loop, each of one server or of some that change together. The first is sent at
// once, so that it waits for nothing, and the others together when the turn ends: a thousand callers then cost about
// what one batch does.
import type { Ledger } from './ledger.js'
import type { Member } from './member.js'
import { memberSteps, type Step } from './plan.js'
import type { PoolCause, PoolClient } from './types.js'

/** On a client: what pools have it call before it does anything else, so that all calls keep their order. */
export const HAND_OVER: unique symbol = Symbol('ipvs.hand-over')

export class Turn {
  readonly #client: PoolClient
  readonly #ledger: Ledger
  /** What waits, for one cause. */
  #steps: Step[] = []
  #cause: PoolCause = 'call'
  #ticket = 0
  /** To what waits; all of its callers share it. */
  #answer: Promise<unknown> | undefined
  #answered: (answer: Promise<unknown>) => void = () => {}
  /** A flip has been made in this turn. */
  #isOpen = false

  constructor(client: PoolClient, ledger: Ledger) {
    this.#client = client
    this.#ledger = ledger
  }

  /** Resolves when the last submissions that concern these members have been answered. */
  flip(members: readonly Member[], cause: PoolCause): Promise<unknown> {
    // A second flip of a server is another one, which may be in another batch.
    if (cause !== this.#cause || this.#waits(members)) this.handOver()
    const steps = this.#steps
    const from = steps.length
    for (const member of members) memberSteps(member, true, steps)
    if (steps.length > from) {
      if (from === 0) this.#begin(cause)
      this.#ledger.note(steps, this.#ticket, from)
      for (let i = from; i < steps.length; i++) steps[i]!.seat!.member.latest = this.#answer!
      if (!this.#isOpen) {
        this.#isOpen = true
        queueMicrotask(this.#end)
        this.handOver()
      } else if (from === 0) this.#client[HAND_OVER]?.add(this.handOver)
    }
    return members.length === 1
      ? members[0]!.latest
      : Promise.all(members.map(({ latest }) => latest))
  }

  /** Sends what waits. */
  readonly handOver = (): void => {
    const steps = this.#steps
    if (steps.length === 0) return
    this.#client[HAND_OVER]?.delete(this.handOver)
    this.#steps = []
    this.#answer = undefined
    this.#answered(this.#ledger.send(steps, this.#ticket, this.#cause))
  }

  #begin(cause: PoolCause): void {
    this.#cause = cause
    this.#ticket = this.#ledger.ticket()
    this.#answer = new Promise((resolve) => {
      this.#answered = resolve
    })
  }

  #waits(members: readonly Member[]): boolean {
    for (const { latest } of members) if (latest === this.#answer) return true
    return false
  }

  readonly #end = (): void => {
    this.#isOpen = false
    this.handOver()
  }
}
