// Reads the pool's fronts, and says when a read that has failed is tried again.
import { Backoff } from '../../backoff.js'
import type { TableClient } from '../../table-client.js'
import { PROMPT_TRIES } from '../state/entry.js'
import type { Front } from '../state/front.js'
import { type Observed, observe } from './read.js'

const PAUSES = { firstMs: 1000, maxMs: 30_000 }

export interface ReaderListener {
  /** Something waits to be repaired. */
  isNeeded(): boolean
  /** Everything tried at once has failed. Told once in a row of failures. */
  failed(error: unknown): void
}

export class Reader {
  readonly #client: TableClient
  readonly #fronts: readonly Front[]
  readonly #listener: ReaderListener
  readonly #backoff = new Backoff(PAUSES)
  #isReading = false
  #failure: unknown
  /** Failures in a row of reads that something waited for. */
  #failures = 0
  #retryAt: number | undefined

  constructor(client: TableClient, fronts: readonly Front[], listener: ReaderListener) {
    this.#listener = listener
    this.#client = client
    this.#fronts = fronts
  }

  get isReading(): boolean {
    return this.#isReading
  }

  /** Why the last read has failed. */
  get failure(): unknown {
    return this.#failure
  }

  /** When it is tried again, monotonic. */
  get retryAt(): number | undefined {
    return this.#retryAt
  }

  async read(): Promise<Observed[]> {
    this.#isReading = true
    try {
      const observed = await observe(this.#client, this.#fronts)
      this.#failure = undefined
      this.#failures = 0
      this.#retryAt = undefined
      this.#backoff.reset()
      return observed
    } catch (error) {
      this.#failure = error
      // Whoever has asked is told; what is under way to be repaired is tried again at once, and then later.
      if (this.#listener.isNeeded() && ++this.#failures >= PROMPT_TRIES) {
        this.#retryAt = performance.now() + this.#backoff.next()
        if (this.#failures === PROMPT_TRIES) this.#listener.failed(error)
      }
      throw error
    } finally {
      this.#isReading = false
    }
  }
}
