// Drains: a server gets no new connections, and is taken out when what it has is over, or after a while.
import { onAbort } from '../abort.js'
import { isNotFound, typeError } from '../errors.js'
import { endpointKey } from '../servers.js'
import type { TableClient } from '../table-client.js'
import type { DestinationStatus } from '../types.js'
import { checkInteger, checkOptions, checkSignal } from '../validate.js'
import type { DrainOptions, DrainOutcome, DrainProgress, DrainResult } from './api.js'
import { carries } from './config/fronts.js'
import type { Place, Server } from './policy/server.js'

/** No more often than the kernel's own estimators look (ip_vs_est.c). */
const LOOK_MS = 2000
const TIMEOUT_MS = 300_000
const LONGEST_MS = 0x7fffffff

/** The options, read. */
export interface DrainSettings {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((progress: DrainProgress) => void) | undefined
}

/** @throws TypeError, RangeError naming the option */
export function readDrainOptions(options: DrainOptions | undefined): DrainSettings {
  const fields = checkOptions(options, 'options', ['timeoutMs', 'signal', 'onProgress'])
  const { timeoutMs = TIMEOUT_MS, onProgress } = fields
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw typeError('options.onProgress', 'a function', onProgress)
  }
  return {
    timeoutMs: checkInteger(timeoutMs, 'options.timeoutMs', 0, LONGEST_MS),
    signal: checkSignal(fields.signal, 'options.signal'),
    onProgress: onProgress as DrainSettings['onProgress'],
  }
}

export class Drain {
  readonly #client: TableClient
  readonly #server: Server
  readonly #settings: DrainSettings
  readonly #failed: (error: unknown) => void
  #wake: (() => void) | undefined
  #ended: DrainOutcome | undefined

  /** @param failed is told what `onProgress` has thrown */
  constructor(
    client: TableClient,
    server: Server,
    settings: DrainSettings,
    failed: (error: unknown) => void,
  ) {
    this.#failed = failed
    this.#client = client
    this.#server = server
    this.#settings = settings
  }

  /** Ends it from outside. */
  end(outcome: 'cancelled' | 'failed'): void {
    this.#ended ??= outcome
    this.#wake?.()
  }

  /**
   * Looks until nothing is left, or until the time is over. The server has weight 0 already. A look that fails is
   * followed by another one; the first one may come before what was on its way to the server, and is not believed alone.
   */
  async run(): Promise<DrainResult> {
    const { timeoutMs, signal } = this.#settings
    const cancel = () => this.end('cancelled')
    const forget = onAbort(signal, cancel)
    if (signal?.aborted) cancel()
    const from = performance.now()
    let seen = { active: 0, inactive: 0, persistent: 0 }
    try {
      for (let isFirst = true; ; isFirst = false) {
        const look = await this.#look()
        const elapsedMs = Math.round(performance.now() - from)
        if (look !== undefined) seen = look.counts
        if (this.#ended !== undefined) return { outcome: this.#ended, ...seen, elapsedMs }
        if (look?.idle && !isFirst) return { outcome: 'idle', ...seen, elapsedMs }
        const leftMs = timeoutMs - elapsedMs
        if (leftMs <= 0) return { outcome: 'deadline', ...seen, elapsedMs }
        if (look !== undefined) this.#tell({ ...seen, elapsedMs, leftMs })
        await this.#wait(Math.min(LOOK_MS, leftMs))
      }
    } finally {
      forget()
    }
  }

  #tell(progress: DrainProgress): void {
    try {
      this.#settings.onProgress?.(progress)
    } catch (error) {
      this.#failed(error)
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** `undefined`: the kernel could not be read this time. */
  async #look() {
    const counts = { active: 0, inactive: 0, persistent: 0 }
    let idle = true
    try {
      for (const place of this.#server.places) {
        const row = await this.#row(place)
        if (row === undefined) continue
        counts.active += row.activeConnections
        counts.inactive += row.inactiveConnections
        counts.persistent += row.persistentConnections
        if (row.activeConnections > 0 || !isOver(place, row)) idle = false
      }
    } catch {
      return undefined
    }
    return { counts, idle }
  }

  async #row({ front, key }: Place): Promise<DestinationStatus | undefined> {
    try {
      const rows = await this.#client.destinations(front.spec.id)
      return rows.find(({ address, port }) => endpointKey(address, port) === key)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }
}

/** The kernel counts all of UDP as inactive (ip_vs_conn.c); of TCP those are the ones that have ended. */
function isOver({ front }: Place, { inactiveConnections }: DestinationStatus): boolean {
  return !carries(front.spec, 'udp') || inactiveConnections === 0
}
