// Those servers of a pool that one check asks. The pool behind it may be replaced: what the checker knows stays.
import type { HealthMember, HealthTarget, Verdict } from '../health/types.js'
import type { MirroredPool } from '../pool/pool.js'

export class PoolTarget implements HealthTarget {
  readonly #pool: () => MirroredPool | undefined
  readonly #asks: (server: string) => boolean
  readonly #listeners = new Set<() => void>()

  /**
   * @param pool the one there is now
   * @param asks whether a server is asked by this check
   */
  constructor(pool: () => MirroredPool | undefined, asks: (server: string) => boolean) {
    this.#pool = pool
    this.#asks = asks
  }

  *members(): Generator<HealthMember> {
    for (const member of this.#pool()?.members() ?? []) if (this.#asks(member.key)) yield member
  }

  async report(member: HealthMember, verdict: Verdict): Promise<void> {
    await this.#pool()?.report(member, verdict)
  }

  onMembers(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The pool, its servers or who asks them are others now. */
  changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
