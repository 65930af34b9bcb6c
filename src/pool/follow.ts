// Keeps a pool's servers as a source says they are.
import { inspect } from 'node:util'
import { pause } from '../abort.js'
import { Backoff } from '../backoff.js'
import { typeError } from '../errors.js'
import type { PoolServer } from '../servers.js'
import { endpointKey, readServer } from '../servers.js'
import { unlessAborted } from '../sources/source.js'
import { checkInteger, checkOptions, checkSignal } from '../validate.js'

/** Servers as a source gives them. */
export type ServerList = readonly (string | PoolServer)[]

/** What follows. */
export interface FollowTarget {
  setServers(list: ServerList): Promise<unknown>
  /**
   * `refused`: a list was too short to be believed. `failed`: the source, or what came from it, cannot be used. Must
   * not throw.
   */
  report(kind: 'refused' | 'failed', error: Error): void
}

/** Options of {@link follow}. */
export interface FollowOptions {
  /**
   * A list with fewer different servers is not believed, 1 to 65535. Default 1: an empty answer, or an empty file,
   * does not empty the pool.
   */
  readonly minServers?: number | undefined
  /**
   * Pause after the source has failed, before it is iterated again, in milliseconds, 1 to 30000, give or take a tenth.
   * Default 1000. Twice as long after each further failure, up to 30000, until a list arrives.
   */
  readonly retryMs?: number | undefined
  /** Ends the following. */
  readonly signal?: AbortSignal | undefined
}

const MAX_RETRY_MS = 30_000

/**
 * Hands each list of `source` to `target.setServers`. While one is being set, only the newest of those that arrive
 * is kept: a slow kernel makes no backlog.
 *
 * Resolves when the source has ended and its last list is set, or at once when `signal` is aborted; what is being
 * set then goes on, and nobody is told how it ends. Does not keep the process alive by itself.
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
  const { minServers, retryMs, signal: given } = readOptions(options)
  const signals = [given, gone].filter((one) => one !== undefined)
  const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0]
  const setter = new Setter(target, signal)
  const backoff = new Backoff({ firstMs: retryMs, maxMs: MAX_RETRY_MS })
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
  await unlessAborted(setter.idle, signal)
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
    const count = countDifferent(list)
    if (count >= minServers) setter.set(list)
    else target.report('refused', tooFew(count, minServers))
  } catch (error) {
    target.report('failed', asError(error))
  }
}

function tooFew(count: number, minServers: number): Error {
  const servers = `${count} ${count === 1 ? 'server' : 'servers'}`
  const text = `the source gave ${servers}, but minServers is ${minServers}`
  return new Error(`${text}: the pool keeps those it has`)
}

/** @throws TypeError, RangeError */
function countDifferent(list: unknown): number {
  if (!Array.isArray(list)) {
    throw typeError('servers', 'an array of servers, from the source', list)
  }
  const keys = list.map((server: unknown, index) => {
    const { address, port } = readServer(server, `servers[${index}]`)
    return endpointKey(address, port ?? 0)
  })
  return new Set(keys).size
}

/** Sets one list after the other, and always the newest. */
class Setter {
  /** Resolves when nothing is left to be set. */
  idle: Promise<void> = Promise.resolve()
  readonly #target: FollowTarget
  readonly #signal: AbortSignal | undefined
  #newest: ServerList | undefined
  #busy = false

  constructor(target: FollowTarget, signal: AbortSignal | undefined) {
    this.#target = target
    this.#signal = signal
  }

  set(list: ServerList): void {
    this.#newest = list
    if (!this.#busy) this.idle = this.#run()
  }

  async #run(): Promise<void> {
    this.#busy = true
    while (this.#newest !== undefined && !this.#signal?.aborted) {
      const list = this.#newest
      this.#newest = undefined
      try {
        await this.#target.setServers(list)
      } catch (error) {
        if (!this.#signal?.aborted) this.#target.report('failed', asError(error))
      }
    }
    this.#busy = false
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

function readOptions(options: FollowOptions | undefined) {
  const fields = checkOptions(options, 'options', ['minServers', 'retryMs', 'signal'])
  const { minServers = 1, retryMs = 1000 } = fields
  return {
    minServers: checkInteger(minServers, 'options.minServers', 1, 65_535),
    retryMs: checkInteger(retryMs, 'options.retryMs', 1, MAX_RETRY_MS),
    signal: checkSignal(fields.signal, 'options.signal'),
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(`thrown: ${inspect(error)}`)
}
