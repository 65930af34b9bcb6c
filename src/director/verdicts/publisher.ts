// Writes a director's own words to etcd, under a lease: many in one write, one write at a time. Those of a director that has
// gone go with its lease.
import { pause } from '../../abort.js'
import { Backoff } from '../../backoff.js'
import { type EtcdClient, EtcdError } from '../../etcd/index.js'
import type { Word } from './judge.js'

/** What is used of etcd. */
export type LeasedStore = Pick<EtcdClient, 'commit' | 'grant' | 'keepAlive' | 'revoke'>

/** What a publisher is for. */
export interface PublisherOf {
  readonly store: LeasedStore
  readonly ttlMs: number
  /** The key of a server's word. */
  readonly keyOf: (server: string) => string
  /** etcd has answered. */
  readonly answered: () => void
  /** It has not. */
  readonly failed: (error: Error) => void
}

/** Of one write: etcd takes 128 at most where nobody has told it otherwise. */
const MOST_AT_ONCE = 100
/** From one write to the next: what comes meanwhile goes together. */
const GAP_MS = 50
const RETRY = { firstMs: 200, maxMs: 5000 }
const LAST_MS = 1000

export class Publisher {
  readonly #of: PublisherOf
  readonly #words = new Map<string, Word>()
  /** Servers whose word is not in etcd as it is here. */
  readonly #dirty = new Set<string>()
  /** Those that are being written. */
  #inFlight: ReadonlySet<string> = new Set()
  #lease: string | undefined
  readonly #end = new AbortController()
  #nap = new AbortController()
  readonly #ended: Promise<void>

  constructor(of: PublisherOf) {
    this.#of = of
    this.#ended = this.#run(this.#end.signal)
  }

  /** @param word `undefined`: nothing any more */
  set(server: string, word: Word | undefined): void {
    if (this.#words.get(server) === word) return
    if (word === undefined) this.#words.delete(server)
    else this.#words.set(server, word)
    this.again(server)
  }

  get(server: string): Word | undefined {
    return this.#words.get(server)
  }

  get words(): ReadonlyMap<string, Word> {
    return this.#words
  }

  /** Its word is in etcd, as far as is known. */
  isWritten(server: string): boolean {
    return this.#lease !== undefined && !this.#dirty.has(server) && !this.#inFlight.has(server)
  }

  /** It is not there as it should be. */
  again(server: string): void {
    this.#dirty.add(server)
    this.#nap.abort()
  }

  /** Takes them all away, if etcd answers. Never rejects. */
  async close(): Promise<void> {
    this.#end.abort()
    this.#nap.abort()
    await this.#ended
    if (this.#lease === undefined) return
    const signal = AbortSignal.timeout(LAST_MS)
    await this.#of.store.revoke(this.#lease, { signal }).catch(() => {})
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY)
    const { store, ttlMs, answered, failed } = this.#of
    // A lease is as old as what has asked for it.
    let keptAt = Number.NEGATIVE_INFINITY
    let wasOver = false
    while (!signal.aborted) {
      try {
        const now = performance.now()
        if (this.#lease === undefined) {
          this.#lease = await store.grant(ttlMs / 1000, { signal })
          keptAt = now
          for (const server of this.#words.keys()) this.#dirty.add(server)
        } else if (now - keptAt >= ttlMs / 3) {
          const left = await store.keepAlive(this.#lease, { signal })
          if (left === 0) throw new EtcdError('ERR_ETCD_NO_LEASE', 'the lease is over')
          keptAt = now
        }
        if (this.#dirty.size > 0) await this.#write(signal)
        answered()
        wasOver = false
        backoff.reset()
        await this.#rest(keptAt + ttlMs / 3 - performance.now(), signal)
      } catch (error) {
        if (signal.aborted) return
        const isOver = (error as Partial<EtcdError>).code === 'ERR_ETCD_NO_LEASE'
        if (isOver) this.#lease = undefined
        // Another lease is taken at once, but not again and again.
        const isFirst = isOver && !wasOver
        wasOver = isOver
        if (isFirst) continue
        failed(error as Error)
        await pause(backoff.next(), signal)
      }
    }
  }

  async #write(signal: AbortSignal): Promise<void> {
    const some = [...this.#dirty].slice(0, MOST_AT_ONCE)
    // What changes while it is written is written again.
    for (const server of some) this.#dirty.delete(server)
    this.#inFlight = new Set(some)
    const changes = some.map((server) => ({
      key: this.#of.keyOf(server),
      value: this.#words.get(server),
    }))
    try {
      await this.#of.store.commit(changes, { lease: this.#lease, signal })
    } catch (error) {
      for (const server of some) this.#dirty.add(server)
      throw error
    } finally {
      this.#inFlight = new Set()
    }
  }

  /** Until there is something to write, or the lease has to be kept alive. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    await pause(GAP_MS, signal)
    if (this.#dirty.size > 0 || signal.aborted) return
    this.#nap = new AbortController()
    await pause(Math.max(0, ms - GAP_MS), this.#nap.signal)
  }
}
