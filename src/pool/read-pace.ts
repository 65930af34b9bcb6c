// The kernel reports no changes: pools look again and again, not in step with each other, and all pools of a client
// together for no more than a hundredth of the time.
import type { TableClient } from '../table-client.js'
import type { PoolReads } from './api.js'

const SHORTEST_MS = 1000
const LONGEST_MS = 0x7fffffff
/** Part of the time in which the pools of a client may read. */
const SHARE = 0.01
/** How much of the mean the last measurement makes up. */
const NEWS = 0.2

/** What the looks of all pools of one client take. */
class ClientPace {
  /** Pools that look as often as this allows. */
  pools = 0
  /** Milliseconds for one look, as measured: mean of the last ones. */
  #lookMs = 0
  #running = 0
  #ended = 0
  #since = 0

  get lookMs(): number {
    return this.#lookMs
  }

  get intervalMs(): number {
    const needed = (this.pools * this.#lookMs) / SHARE
    return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, needed))
  }

  async measure(look: () => Promise<void>): Promise<void> {
    if (this.#running++ === 0) {
      this.#since = performance.now()
      this.#ended = 0
    }
    try {
      await look()
    } finally {
      this.#ended++
      // Looks that run at the same time share it.
      if (--this.#running === 0) {
        const took = (performance.now() - this.#since) / this.#ended
        this.#lookMs += (this.#lookMs === 0 ? 1 : NEWS) * (took - this.#lookMs)
      }
    }
  }
}

const paces = new WeakMap<TableClient, ClientPace>()

/** One pool's looks. */
export class ReadPace {
  readonly #client: ClientPace
  /** `undefined`: as often as the client's pools together allow. */
  readonly #fixedMs: number | undefined
  readonly #look: () => Promise<void>
  #timer: NodeJS.Timeout | undefined
  #state: 'new' | 'started' | 'stopped' = 'new'

  constructor(client: ClientPace, fixedMs: number | undefined, look: () => Promise<void>) {
    this.#client = client
    this.#fixedMs = fixedMs
    this.#look = look
  }

  get status(): Omit<PoolReads, 'lookedAt'> {
    const { lookMs: readMs, pools, intervalMs } = this.#client
    const share = (pools * readMs) / intervalMs
    return { intervalMs: Math.round(this.#fixedMs ?? intervalMs), readMs, share }
  }

  /** The first look comes after an interval, give or take a tenth. None if it is 0. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'started'
    if (this.#fixedMs === undefined) this.#client.pools++
    this.#next()
  }

  stop(): void {
    if (this.#state === 'started' && this.#fixedMs === undefined) this.#client.pools--
    this.#state = 'stopped'
    clearTimeout(this.#timer)
  }

  #next(): void {
    if (this.#fixedMs === 0 || this.#state !== 'started') return
    const interval = this.#fixedMs ?? this.#client.intervalMs
    const delay = Math.min(LONGEST_MS, interval * (0.9 + Math.random() / 5))
    this.#timer = setTimeout(async () => {
      await this.#client.measure(this.#look)
      this.#next()
    }, delay).unref()
  }
}

/** @param look must not reject */
export function readPace(
  client: TableClient,
  fixedMs: number | undefined,
  look: () => Promise<void>,
): ReadPace {
  let pace = paces.get(client)
  if (pace === undefined) {
    pace = new ClientPace()
    paces.set(client, pace)
  }
  return new ReadPace(pace, fixedMs, look)
}
