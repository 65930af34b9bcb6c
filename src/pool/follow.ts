// Keeps a pool's servers as a source says they are.
import { inspect } from 'node:util'
import { onAbort, pause, stay } from '../abort.js'
import { Backoff } from '../backoff.js'
import { isArgumentError, typeError } from '../errors.js'
import { unlessAborted } from '../sources/source.js'
import { checkBoolean, checkInteger, checkOptions, checkSignal, DAY_MS } from '../validate.js'
import { HeldServers, type NamedList, readList, type ServerList } from './held-servers.js'

/** What follows. */
export interface FollowTarget {
  setServers(list: ServerList): Promise<unknown>
  /**
   * `refused`: a list was too short to be believed. `failed`: the source, or what came from it, cannot be used. Must
   * not throw.
   */
  report(kind: 'refused' | 'failed', error: Error): void
}

/** Options of {@link MirroredPool.follow}. */
export interface FollowOptions {
  /**
   * A list with fewer different servers is not believed, 1 to 65535. Default 1: an empty answer, or an empty file,
   * does not empty the pool.
   */
  readonly minServers?: number | undefined
  /**
   * So long a server stays that the source no longer names, in milliseconds, 0 to 86400000. Default 0: it goes at once. For sources
   * that give a part of their list at a time, as DNS servers do that answer with some of many addresses. A server that is
   * named again meanwhile has never been away.
   */
  readonly holdMs?: number | undefined
  /**
   * Pause after the source has failed, before it is iterated again, in milliseconds, 1 to 30000, give or take a tenth.
   * Default 1000. Twice as long after each further failure, up to 30000, until a list arrives.
   */
  readonly retryMs?: number | undefined
  /** Whether the process stays alive while it follows. Default true; false for programs that have something else to stay for. */
  readonly ref?: boolean | undefined
  /** Ends the following. Default: none. */
  readonly signal?: AbortSignal | undefined
}

const MAX_RETRY_MS = 30_000

/**
 * Hands each list of `source` to `target.setServers`. While one is being set, only the newest of those that arrive
 * is kept: a slow kernel makes no backlog.
 *
 * Resolves when the source has ended, its last list is set and nobody is held any more, or at once when `signal` is aborted; what is being
 * set then goes on, and nobody is told how it ends. Until then the process stays alive, unless `ref` is false.
 *
 * @param gone aborted when the target has gone
 * @throws TypeError, RangeError (rejects) for a bad argument. Whatever happens later is reported to the target.
 */
export async function follow(
  target: FollowTarget,
  source: AsyncIterable<ServerList>,
  options?: FollowOptions,
  gone?: AbortSignal,
): Promise<void> {
  checkSource(source)
  const { minServers, holdMs, retryMs, ref, signal: given } = readFollowOptions(options)
  const signals = [given, gone].filter((one) => one !== undefined)
  const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0]
  const setter = new Setter(target, new HeldServers(holdMs), signal)
  const backoff = new Backoff({ firstMs: retryMs, maxMs: MAX_RETRY_MS })
  const leave = ref ? stay() : () => {}
  try {
    while (!signal?.aborted) {
      try {
        for await (const list of untilAborted(source, signal)) {
          backoff.reset()
          offer(list, minServers, target, setter)
        }
        break
      } catch (error) {
        target.report('failed', asError(error))
        await pause(backoff.next(), signal)
      }
    }
    await setter.finish()
  } finally {
    leave()
  }
}

/** The lists of one iteration. Does not wait for a source that has none when `signal` is aborted. */
async function* untilAborted(
  source: AsyncIterable<ServerList>,
  signal: AbortSignal | undefined,
): AsyncGenerator<ServerList, void, void> {
  const lists = source[Symbol.asyncIterator]()
  for (;;) {
    const step = await unlessAborted(Promise.resolve(lists.next()), signal)
    if (signal?.aborted) {
      // Not waited for: a generator's return() waits for its next(), which nothing may ever end.
      void Promise.resolve(lists.return?.()).catch(() => {})
      return
    }
    if (step === undefined || step.done === true) return
    yield step.value
  }
}

function offer(list: ServerList, minServers: number, target: FollowTarget, setter: Setter): void {
  try {
    const named = readList(list)
    if (named.keys.size >= minServers) setter.set(named)
    else target.report('refused', tooFew(named.keys.size, minServers))
  } catch (error) {
    target.report('failed', asError(error))
  }
}

function tooFew(count: number, minServers: number): Error {
  const servers = `${count} ${count === 1 ? 'server' : 'servers'}`
  const text = `the source gave ${servers}, but minServers is ${minServers}`
  return new Error(`${text}: the pool keeps those it has`)
}

/** Sets one list after the other, and always the newest; and again when somebody has been held for long enough. */
class Setter {
  readonly #target: FollowTarget
  readonly #held: HeldServers
  readonly #signal: AbortSignal | undefined
  #newest: NamedList | undefined
  #last = readList([])
  #idle: Promise<void> = Promise.resolve()
  #busy = false
  /** Aborted by a list that comes while somebody is held. */
  #nap = new AbortController()

  constructor(target: FollowTarget, held: HeldServers, signal: AbortSignal | undefined) {
    this.#target = target
    this.#held = held
    this.#signal = signal
  }

  set(list: NamedList): void {
    this.#newest = list
    this.#held.hear(list)
    this.#nap.abort()
    if (!this.#busy) this.#idle = this.#run()
  }

  /** Resolves when nothing is left to be set and nobody is held, or at the abort. */
  async finish(): Promise<void> {
    await unlessAborted(this.#idle, this.#signal)
  }

  async #run(): Promise<void> {
    this.#busy = true
    while (!this.#signal?.aborted) {
      if (this.#newest === undefined) {
        // Nothing may come between this look and the end.
        const heldMs = this.#held.untilNext()
        if (heldMs === undefined) break
        await this.#sleep(heldMs)
        if (this.#signal?.aborted) break
      }
      if (this.#newest !== undefined) this.#last = this.#newest
      this.#newest = undefined
      await this.#setLast()
      this.#held.hear(this.#newest ?? this.#last)
    }
    this.#busy = false
  }

  /** With those that are held. */
  async #setLast(): Promise<void> {
    const servers = this.#held.complete(this.#last)
    try {
      const isAsGiven = servers.length === this.#last.servers.length
      const list = isAsGiven ? this.#last.list : servers.map(({ server }) => server)
      await this.#target.setServers(list)
      this.#held.keep(servers)
    } catch (error) {
      // The kernel's trouble is the pool's, which has them all the same.
      if (!isArgumentError(error)) this.#held.keep(servers)
      if (!this.#signal?.aborted) this.#target.report('failed', asError(error))
    }
  }

  /** Until one has been held for long enough, a list has come, or the signal is aborted. */
  async #sleep(ms: number): Promise<void> {
    this.#nap = new AbortController()
    const forget = onAbort(this.#signal, () => this.#nap.abort())
    // Timers may be a little early.
    await pause(Math.floor(ms) + 1, this.#nap.signal)
    forget()
  }
}

function checkSource(source: unknown): void {
  const fits =
    typeof source === 'object' &&
    source !== null &&
    typeof Reflect.get(source, Symbol.asyncIterator) === 'function'
  if (fits) return
  throw typeError(
    'source',
    'an async iterable of lists, such as watchServers("/etc/servers")',
    source,
  )
}

/** @throws TypeError, RangeError naming the option */
export function readFollowOptions(options: FollowOptions | undefined) {
  const fields = checkOptions(options, 'options', [
    'minServers',
    'holdMs',
    'retryMs',
    'ref',
    'signal',
  ])
  const { minServers = 1, holdMs = 0, retryMs = 1000, ref = true } = fields
  return {
    minServers: checkInteger(minServers, 'options.minServers', 1, 65_535),
    holdMs: checkInteger(holdMs, 'options.holdMs', 0, DAY_MS),
    retryMs: checkInteger(retryMs, 'options.retryMs', 1, MAX_RETRY_MS),
    ref: checkBoolean(ref, 'options.ref'),
    signal: checkSignal(fields.signal, 'options.signal'),
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(`thrown: ${inspect(error)}`)
}
