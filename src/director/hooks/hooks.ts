// Tells programs and addresses what has happened: in order, one at a time for each hook, and never without bound.
import type { HookConfig, HookEvent } from '../config/hooks.js'
import type { Config } from '../config/read.js'
import { type DirectorEvent, messageOf } from '../events.js'
import { post } from './post.js'

/** More than these wait for no hook: the oldest is left out. */
const MOST_WAITING = 256
const MINUTE_MS = 60_000

export class Hooks {
  readonly #complain: (text: string) => void
  /** By their digests, with the pool's name where they are of one. */
  #queues = new Map<string, HookQueue>()
  #ofAll: readonly HookQueue[] = []
  #ofPool: ReadonlyMap<string, readonly HookQueue[]> = new Map()

  /** @param complain a hook has failed, or is not called */
  constructor(complain: (text: string) => void) {
    this.#complain = complain
  }

  /** Those of the configuration, from now on. What waits for one that stays goes on waiting. */
  use({ hooks, pools }: Config): void {
    const before = this.#queues
    this.#queues = new Map()
    const keep = (hook: HookConfig, pool: string | undefined): HookQueue => {
      const key = `${pool ?? ''} ${hook.digest}`
      const queue = before.get(key) ?? new HookQueue(hook, pool, this.#complain)
      this.#queues.set(key, queue)
      return queue
    }
    this.#ofAll = hooks.map((hook) => keep(hook, undefined))
    this.#ofPool = new Map(
      pools.map((pool) => [pool.name, pool.hooks.map((hook) => keep(hook, pool.name))]),
    )
    for (const [key, queue] of before) if (!this.#queues.has(key)) queue.close()
  }

  tell(event: DirectorEvent): void {
    for (const queue of this.#ofAll) queue.offer(event)
    for (const queue of this.#ofPool.get(event.pool ?? '') ?? []) queue.offer(event)
  }

  /** Resolves when what is under way has ended; what waits is not called any more. */
  async close(): Promise<void> {
    for (const queue of this.#queues.values()) queue.close()
    await Promise.all([...this.#queues.values()].map((queue) => queue.idle))
  }
}

class HookQueue {
  readonly #hook: HookConfig
  readonly #pool: string | undefined
  readonly #complain: (text: string) => void
  readonly #waiting: DirectorEvent[] = []
  readonly #end = new AbortController()
  #running: Promise<void> | undefined
  /** Of the present minute. */
  #minute = 0
  #called = 0
  #leftOut = 0

  constructor(hook: HookConfig, pool: string | undefined, complain: (text: string) => void) {
    this.#hook = hook
    this.#pool = pool
    this.#complain = complain
  }

  get idle(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  offer(event: DirectorEvent): void {
    if (!this.#isFor(event) || this.#end.signal.aborted || !this.#mayCall()) return
    this.#waiting.push(event)
    if (this.#waiting.length > MOST_WAITING) {
      this.#waiting.shift()
      this.#leaveOut('it is slower than what happens')
    }
    this.#running ??= this.#run()
  }

  close(): void {
    this.#waiting.length = 0
    this.#end.abort()
  }

  #isFor({ event, pool, server, data }: DirectorEvent): boolean {
    // What a hook itself makes the director say has no pool.
    if (pool === undefined || (this.#pool !== undefined && pool !== this.#pool)) return false
    const { servers } = this.#hook
    const isServer =
      servers === undefined ||
      (server !== undefined &&
        servers.some((one) => server === one || server.startsWith(`${one}:`)))
    return isServer && wordsOf(event, data).some((word) => this.#hook.on.some((on) => on === word))
  }

  #mayCall(): boolean {
    const minute = Math.floor(performance.now() / MINUTE_MS)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#called = 0
      this.#leftOut = 0
    }
    if (this.#called++ < this.#hook.perMinute) return true
    this.#leaveOut(`more than ${this.#hook.perMinute} calls in a minute`)
    return false
  }

  /** Once a minute. */
  #leaveOut(why: string): void {
    if (this.#leftOut++ === 0)
      this.#complain(`hook ${nameOf(this.#hook)} leaves events out: ${why}`)
  }

  async #run(): Promise<void> {
    for (;;) {
      const event = this.#waiting.shift()
      if (event === undefined) break
      try {
        await this.#call(event)
      } catch (error) {
        if (!this.#end.signal.aborted)
          this.#complain(`hook ${nameOf(this.#hook)} has failed: ${messageOf(error)}`)
      }
    }
    this.#running = undefined
  }

  async #call(event: DirectorEvent): Promise<void> {
    const { exec, post: address, timeoutMs } = this.#hook
    const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#end.signal])
    if (address !== undefined) return post(address, event, signal)
    // The only part that starts processes.
    const { runProgram } = await import('./run-program.js')
    const env = {
      IPVS_EVENT: event.event,
      IPVS_POOL: event.pool ?? '',
      IPVS_SERVER: event.server ?? '',
      IPVS_REASON: event.text,
    }
    await runProgram(exec!, { env, text: `${JSON.stringify(event)}\n` }, signal)
  }
}

function wordsOf(event: string, data: unknown): readonly (HookEvent | string)[] {
  if (event !== 'quorum') return [event]
  const { after } = (data ?? {}) as { readonly after?: unknown }
  return [event, after === true ? 'quorum-regained' : 'quorum-lost']
}

function nameOf({ exec, post: address }: HookConfig): string {
  return address ?? exec?.join(' ') ?? ''
}
