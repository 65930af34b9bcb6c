// The drains that are under way, one for each server at most.

import { Drain, readDrainOptions } from './drain.js'
import type { Events } from './events.js'
import type { Member } from './member.js'
import type { AdminState, DrainOptions, DrainResult, PoolClient } from './types.js'

export class Drains {
  readonly #client: PoolClient
  readonly #events: Events
  readonly #setAdmin: (member: Member, admin: AdminState) => Promise<void>
  readonly #all = new Map<Member, Drain>()
  #closed = false

  constructor(
    client: PoolClient,
    events: Events,
    setAdmin: (member: Member, admin: AdminState) => Promise<void>,
  ) {
    this.#client = client
    this.#events = events
    this.#setAdmin = setAdmin
  }

  /** Drains a server; an earlier drain of it is cancelled. */
  async start(member: Member, options: DrainOptions | undefined): Promise<DrainResult> {
    const settings = readDrainOptions(options)
    const drain = new Drain(this.#client, member, settings, (error) => {
      const about = { cause: 'call', initial: false, before: undefined, after: undefined } as const
      const reason = 'onProgress of a drain has thrown'
      this.#events.publish('error', { ...about, server: member.key, reason, error })
    })
    this.end(member, 'cancelled')
    this.#all.set(member, drain)
    const before = member.state()
    try {
      // What fails here is an `error` of the pool's and tried again; the drain goes on.
      await this.#setAdmin(member, 'drain').catch(() => {})
      if (member.health === 'down') drain.end('failed')
      const result = await drain.run()
      const own = this.#all.get(member) === drain && !this.#closed
      if (own && result.outcome !== 'cancelled') await this.#setAdmin(member, 'maintenance')
      // Whoever cancels by `setAdmin` has said what holds; a signal says nothing.
      else if (own && settings.signal?.aborted) await this.#setAdmin(member, before.admin)
      const about = { server: member.key, cause: 'call', initial: false } as const
      this.#events.publish('drained', { ...about, before, after: member.state(), ...result })
      return result
    } finally {
      if (this.#all.get(member) === drain) this.#all.delete(member)
    }
  }

  /** Ends the drain of a server, if there is one. */
  end(member: Member, outcome: 'cancelled' | 'failed'): boolean {
    const drain = this.#all.get(member)
    drain?.end(outcome)
    // Who cancels it says what holds from now on.
    if (outcome === 'cancelled') this.#all.delete(member)
    return drain !== undefined
  }

  close(): void {
    this.#closed = true
    for (const drain of this.#all.values()) drain.end('cancelled')
  }
}
