// The flips of one turn of the event loop, each of one server or of some that change together. The first is sent at once, so that it waits for nothing, and the others
// together when the turn ends: a thousand callers then cost about what one batch does.
import type { Ledger } from './ledger.js'
import type { Member } from './member.js'
import { memberSteps, type Step } from './plan.js'
import type { PoolCause, PoolClient } from './types.js'

/** On a client: what pools have it call before it does anything else, so that all calls keep their order. */
export const HAND_OVER: unique symbol = Symbol('ipvs.hand-over')

export class Turn {
  readonly #client: PoolClient
  readonly #ledger: Ledger
  /** What waits: changes of these members, for one cause. */
  #steps: Step[] = []
  readonly #members = new Set<Member>()
  #cause: PoolCause = 'call'
  #ticket = 0
  /** The turn in which a flip was made, until it ends. */
  #turn: Promise<void> | undefined

  constructor(client: PoolClient, ledger: Ledger) {
    this.#client = client
    this.#ledger = ledger
  }

  /** Returns what to wait for until the flip has been sent: nothing, if it has. */
  flip(members: readonly Member[], cause: PoolCause): Promise<void> | undefined {
    // A second flip of a server is another one, which may be in another batch.
    if (cause !== this.#cause || members.some((member) => this.#members.has(member))) {
      this.handOver()
    }
    const first = this.#members.size === 0
    if (first) this.#ticket = this.#ledger.ticket()
    this.#cause = cause
    const from = this.#steps.length
    for (const member of members) {
      this.#members.add(member)
      memberSteps(member, true, this.#steps)
    }
    this.#ledger.note(this.#steps, this.#ticket, from)
    if (this.#turn === undefined) {
      this.#turn = Promise.resolve().then(this.#end)
      this.handOver()
      return undefined
    }
    if (first) this.#client[HAND_OVER]?.add(this.handOver)
    return this.#turn
  }

  /** Sends what waits. */
  readonly handOver = (): void => {
    if (this.#members.size === 0) return
    const steps = this.#steps
    this.#client[HAND_OVER]?.delete(this.handOver)
    this.#members.clear()
    this.#steps = []
    if (steps.length > 0) void this.#ledger.send(steps, this.#ticket, this.#cause)
  }

  readonly #end = (): void => {
    this.#turn = undefined
    this.handOver()
  }
}
