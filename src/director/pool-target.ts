// Those servers of a pool that one check asks. The pool behind it may be replaced: what the checker knows stays.
import type { HealthMember, HealthTarget, Verdict } from '../health/types.js'
import type { MirroredPool } from '../pool/pool.js'

/** What comes between a check and its pool. */
export interface TargetOf {
  /** The verdict that counts. */
  judge(server: string, verdict: Verdict): Verdict
  /** A server has left. */
  forget(server: string): void
  /** The pool has taken a verdict, or refused it. */
  reported(): void
}

interface Heard {
  readonly member: HealthMember
  readonly verdict: Verdict
  /** Default: nothing yet. */
  readonly told?: Verdict | undefined
}

export class PoolTarget implements HealthTarget {
  readonly #pool: () => MirroredPool | undefined
  readonly #asks: (server: string) => boolean
  readonly #of: TargetOf
  /** What the check has said last, and what the pool was told, by server. */
  readonly #heard = new Map<string, Heard>()
  /** The pool that was told last, by server: another one knows nothing of it. */
  readonly #taken = new Map<string, MirroredPool | undefined>()
  readonly #listeners = new Set<() => void>()

  /**
   * @param pool the one there is now
   * @param asks whether a server is asked by this check
   */
  constructor(
    pool: () => MirroredPool | undefined,
    asks: (server: string) => boolean,
    of: TargetOf,
  ) {
    this.#pool = pool
    this.#asks = asks
    this.#of = of
  }

  /** The pool that there is now has taken a verdict, or refused it. */
  hasDecided(server: string): boolean {
    const pool = this.#pool()
    return pool !== undefined && this.#taken.get(server) === pool
  }

  *members(): Generator<HealthMember> {
    for (const member of this.#pool()?.members() ?? []) if (this.#asks(member.key)) yield member
  }

  async report(member: HealthMember, verdict: Verdict): Promise<void> {
    const { key } = member
    // Whoever judges may ask for it again meanwhile: that is of this verdict then, not of the one before.
    this.#heard.set(key, { member, verdict, told: this.#heard.get(key)?.told })
    const told = this.#of.judge(key, verdict)
    this.#heard.set(key, { member, verdict, told })
    await this.#tell(member, told)
  }

  /** Whoever judges may think otherwise now: of one server, or of all. What the kernel refuses is the pool's to try again. */
  again(server?: string): void {
    const some = server === undefined ? [...this.#heard.keys()] : [server]
    for (const key of some) {
      const heard = this.#heard.get(key)
      if (heard === undefined) continue
      const { member, verdict, told: before } = heard
      const told = this.#of.judge(key, verdict)
      if (told.healthy === before?.healthy) continue
      this.#heard.set(key, { member, verdict, told })
      this.#tell(member, told).catch(() => {})
    }
  }

  async #tell(member: HealthMember, told: Verdict): Promise<void> {
    const pool = this.#pool()
    try {
      await pool?.report(member, told)
    } finally {
      if (this.#heard.has(member.key) && pool === this.#pool()) this.#taken.set(member.key, pool)
      this.#of.reported()
    }
  }

  /** It asks nobody any more. */
  end(): void {
    for (const key of this.#heard.keys()) this.#of.forget(key)
    this.#heard.clear()
    this.#taken.clear()
  }

  onMembers(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The pool, its servers or who asks them are others now. */
  changed(): void {
    const keys = new Set([...this.members()].map(({ key }) => key))
    for (const key of this.#heard.keys()) {
      if (keys.has(key) || this.#pool() === undefined) continue
      this.#heard.delete(key)
      this.#taken.delete(key)
      this.#of.forget(key)
    }
    for (const listener of this.#listeners) listener()
  }
}
