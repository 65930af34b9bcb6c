// The drains that are under way, one for each server at most.

import type { AdminState } from '../servers.js'
import type { TableClient } from '../table-client.js'
import type { DrainOptions, DrainResult } from './api.js'
import { Drain, readDrainOptions } from './drain.js'
import type { Events } from './events.js'
import type { Server } from './policy/server.js'

/** What drains ask of their pool. */
export interface DrainPool {
  readonly client: TableClient
  readonly events: Events
  /** Rejects if the kernel does not hold it; the pool tries again. */
  setAdmin(server: Server, admin: AdminState): Promise<void>
  /** Resolves when the kernel holds what the server says, or it has left. */
  whenSettled(server: Server): Promise<void>
}

interface Running {
  readonly drain: Drain
  /** The administrator's word before the server was drained, by this drain or by those that it has followed. */
  readonly before: AdminState
}

export class Drains {
  readonly #pool: DrainPool
  readonly #all = new Map<Server, Running>()
  #closed = false

  constructor(pool: DrainPool) {
    this.#pool = pool
  }

  /** Drains a server; an earlier drain of it is cancelled. */
  async start(server: Server, options: DrainOptions | undefined): Promise<DrainResult> {
    const settings = readDrainOptions(options)
    const { client, events } = this.#pool
    if (settings.signal?.aborted) {
      return { outcome: 'cancelled', active: 0, inactive: 0, persistent: 0, elapsedMs: 0 }
    }
    const drain = new Drain(client, server, settings, (error) => {
      const about = { cause: 'call', initial: false, before: undefined, after: undefined } as const
      const reason = 'onProgress of a drain has thrown'
      events.publish('error', { ...about, server: server.key, reason, error })
    })
    const state = server.state()
    const before = this.#all.get(server)?.before ?? server.admin
    this.end(server, 'cancelled')
    this.#all.set(server, { drain, before })
    try {
      // What fails here is an `error` of the pool's and tried again; the drain goes on.
      await this.#pool.setAdmin(server, 'drain').catch(() => {})
      if (server.health === 'down') drain.end('failed')
      const result = await drain.run()
      const own = this.#all.get(server)?.drain === drain && !this.#closed
      const next = !own ? undefined : result.outcome === 'cancelled' ? before : 'maintenance'
      const publish = () => {
        const about = { server: server.key, cause: 'call', initial: false } as const
        events.publish('drained', { ...about, before: state, after: server.state(), ...result })
      }
      try {
        // Whoever cancels by `setAdmin` has said what holds; a signal says nothing.
        if (next !== undefined) await this.#pool.setAdmin(server, next)
      } catch (error) {
        // It is tried again, and told when the kernel holds it.
        void this.#pool.whenSettled(server).then(publish)
        throw error
      }
      publish()
      return result
    } finally {
      if (this.#all.get(server)?.drain === drain) this.#all.delete(server)
    }
  }

  /**
   * Ends the drain of a server, if there is one.
   *
   * @returns the administrator's word before it
   */
  end(server: Server, outcome: 'cancelled' | 'failed'): AdminState | undefined {
    const running = this.#all.get(server)
    running?.drain.end(outcome)
    // Who cancels it says what holds from now on.
    if (outcome === 'cancelled') this.#all.delete(server)
    return running?.before
  }

  close(): void {
    this.#closed = true
    for (const { drain } of this.#all.values()) drain.end('cancelled')
  }
}
