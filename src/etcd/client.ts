// etcd over the JSON gateway that every etcd from 3.4 on has: plain HTTP, without gRPC.
import { rangeError, typeError } from '../errors.js'
import { HttpClient, type HttpStream } from '../http/client.js'
import { textOf } from '../http/text.js'
import { checkInteger, checkOptions, checkSignal, DAY_MS } from '../validate.js'
import { EndpointError, EtcdError, isAboutToken, isEndpointError, refusal } from './errors.js'
import { type EtcdOptions, type EtcdSettings, readEtcdOptions } from './options.js'
import { Pulse } from './pulse.js'
import {
  type EtcdEntry,
  type EtcdEvent,
  encode,
  type Json,
  rangeOf,
  readEntries,
  readHeader,
  readId,
  readJson,
  readMap,
  readNumber,
  readWatchMessage,
  type WatchMessage,
} from './wire.js'

/** Options of a call. */
export interface EtcdCallOptions {
  /** Ends the call, which then rejects. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** Options of {@link EtcdClient.put}. */
export interface EtcdPutOptions extends EtcdCallOptions {
  /** Of {@link EtcdClient.grant}: the key goes when it is over. Default: none, the key stays. */
  readonly lease?: string | undefined
}

/** Options of {@link EtcdClient.watch}. */
export interface EtcdWatchOptions extends EtcdCallOptions {
  /** The first one that is told of: one more than what is known. A revision, which numbers changes. */
  readonly fromRevision: number
  /** Of the store that the revision is of. Default: any. */
  readonly clusterId?: string | undefined
}

/** What there is under a prefix. */
export interface EtcdRange {
  /** Up to which changes are in it. A revision, which numbers changes. */
  readonly revision: number
  /** Names the store. */
  readonly clusterId: string
  readonly entries: readonly EtcdEntry[]
}

/** What has changed under a prefix. */
export interface EtcdChanges {
  /** Up to which changes are in it. A revision, which numbers changes. */
  readonly revision: number
  /** In order. */
  readonly events: readonly EtcdEvent[]
}

/**
 * A client of etcd 3.4 or newer. Nothing is opened before it is used, and what is idle closes by itself.
 *
 * Each call asks the endpoint that has answered last; if that one is away, or has no leader, the others in turn. Then it
 * rejects with an {@link EtcdError}. Every call but {@link watch} keeps the process alive until it is over.
 */
export class EtcdClient {
  readonly #settings: EtcdSettings
  readonly #http: HttpClient
  readonly #pulse: Pulse
  /** Index of the endpoint that is asked first. */
  #first = 0
  /** The present token; '' where etcd does not ask who we are. */
  #token: Promise<string> | undefined

  /** @throws TypeError, RangeError for a bad argument */
  constructor(options: EtcdOptions) {
    this.#settings = readEtcdOptions(options)
    this.#http = new HttpClient(this.#settings.tls)
    this.#pulse = new Pulse((endpoint) =>
      this.#post(endpoint, '/v3/maintenance/status', {}, { ref: false }),
    )
  }

  /**
   * All keys with a prefix, as of one moment, from a majority of etcd's members.
   *
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async range(prefix: string, options?: EtcdCallOptions): Promise<EtcdRange> {
    const answer = await this.#call('/v3/kv/range', rangeOf(checkKey(prefix, 'prefix')), options)
    return { ...readHeader(answer), entries: readEntries(answer) }
  }

  /**
   * What happens to keys with a prefix from a revision on. Goes on until `signal` is aborted, or nobody takes what it
   * yields any more; waiting does not keep the process alive.
   *
   * @throws TypeError, RangeError, while iterating, for a bad argument
   * @throws EtcdError, while iterating: `ERR_ETCD_BROKEN` if it broke off, `ERR_ETCD_COMPACTED` with `compactRevision` or
   *   `ERR_ETCD_RESTORED` if what is asked for is not there any more
   */
  async *watch(prefix: string, options: EtcdWatchOptions): AsyncGenerator<EtcdChanges, void, void> {
    const { fromRevision, clusterId } = options
    checkInteger(fromRevision, 'options.fromRevision', 1, Number.MAX_SAFE_INTEGER)
    const signal = checkSignal(options.signal, 'options.signal')
    const range = rangeOf(checkKey(prefix, 'prefix'))
    const create = { create_request: { ...range, start_revision: String(fromRevision) } }
    const { endpoint, stream, messages, header } = await this.#openWatch(create, signal)
    const forget = this.#pulse.feel(endpoint, (error) => stream.end(error))
    try {
      if (
        header.revision < fromRevision - 1 ||
        (clusterId ?? header.clusterId) !== header.clusterId
      ) {
        throw new EtcdError(
          'ERR_ETCD_RESTORED',
          `${endpoint.origin}: it is another store than before`,
        )
      }
      for await (const message of messages) {
        if (message.canceled) throw canceled(endpoint, message)
        const { lastRevision: revision, events } = message
        if (events.length > 0) yield { revision, events }
      }
      throw new Error(`${endpoint.origin}: it has ended the watch`)
    } catch (error) {
      if (signal?.aborted) return
      if (error instanceof EtcdError) throw error
      this.#avoid(endpoint)
      const text = (error as Error).message
      throw new EtcdError('ERR_ETCD_BROKEN', text, { cause: error })
    } finally {
      forget()
      stream.end()
    }
  }

  /**
   * Gives a key a value.
   *
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects) `ERR_ETCD_NO_LEASE` if that is over
   */
  async put(key: string, value: string, options: EtcdPutOptions = {}): Promise<void> {
    if (typeof value !== 'string') throw typeError('value', 'a text', value)
    const { lease } = options
    const body = { key: encode(checkKey(key, 'key')), value: encode(value) }
    const at = lease === undefined ? {} : { lease: checkLease(lease, 'options.lease') }
    await this.#call('/v3/kv/put', { ...body, ...at }, { signal: options.signal })
  }

  /**
   * Takes a key away, if it is there.
   *
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async delete(key: string, options?: EtcdCallOptions): Promise<void> {
    await this.#call('/v3/kv/deleterange', { key: encode(checkKey(key, 'key')) }, options)
  }

  /**
   * A lease: keys that are put with it go when it has not been kept alive for so long, in seconds, 1 to 86400.
   *
   * @returns its name
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async grant(ttlSeconds: number, options?: EtcdCallOptions): Promise<string> {
    const ttl = checkInteger(ttlSeconds, 'ttlSeconds', 1, DAY_MS / 1000)
    const { ID } = await this.#call('/v3/lease/grant', { TTL: String(ttl) }, options)
    return readId(ID)
  }

  /**
   * Keeps a lease alive for as long again.
   *
   * @returns seconds until it is over; 0: it is over
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async keepAlive(lease: string, options?: EtcdCallOptions): Promise<number> {
    const ID = checkLease(lease, 'lease')
    const { result } = await this.#call('/v3/lease/keepalive', { ID }, options)
    return readNumber(readMap(result).TTL)
  }

  /**
   * Ends a lease, and takes its keys away. One that is over stays over.
   *
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async revoke(lease: string, options?: EtcdCallOptions): Promise<void> {
    try {
      await this.#call('/v3/lease/revoke', { ID: checkLease(lease, 'lease') }, options)
    } catch (error) {
      if ((error as Partial<EtcdError>).code !== 'ERR_ETCD_NO_LEASE') throw error
    }
  }

  /** Ends what is under way, which then rejects. Nothing can be asked any more. */
  close(): void {
    this.#http.close()
  }

  /** Asks one endpoint after the other until one answers. */
  async #call(path: string, body: object, options?: EtcdCallOptions): Promise<Json> {
    const { signal: given } = checkOptions(options, 'options', ['signal'])
    const signal = checkSignal(given, 'options.signal')
    return this.#atOne(signal, async (endpoint) => {
      const token = await this.#login(endpoint, signal)
      try {
        return await this.#post(endpoint, path, body, { token, signal })
      } catch (error) {
        if (!(await this.#isRenewed(error, token))) throw error
        return this.#post(endpoint, path, body, {
          token: await this.#login(endpoint, signal),
          signal,
        })
      }
    })
  }

  /** A watch that etcd has said yes to. */
  async #openWatch(create: object, signal: AbortSignal | undefined) {
    return this.#atOne(signal, async (endpoint) => {
      const token = await this.#login(endpoint, signal)
      try {
        return await this.#tryWatch(endpoint, create, token, signal)
      } catch (error) {
        // A token that is over is said to be a permission that is missing.
        const isDenied = error instanceof EtcdError && error.code === 'ERR_ETCD_PERMISSION'
        if (!isDenied || token === '') throw error
        this.#token = undefined
        const next = await this.#login(endpoint, signal)
        return this.#tryWatch(endpoint, create, next, signal)
      }
    })
  }

  async #tryWatch(endpoint: URL, create: object, token: string, signal: AbortSignal | undefined) {
    const { timeoutMs } = this.#settings
    const stream = await this.#http.stream(new URL('/v3/watch', endpoint), {
      // A member that has lost the others ends the watch, in place of staying silent.
      headers: { ...headersOf(token), 'grpc-metadata-hasleader': 'true' },
      body: JSON.stringify(create),
      timeoutMs,
      signal,
    })
    try {
      if (stream.status !== 200) throw await refused(endpoint, stream)
      const messages = messagesOf(endpoint, stream)
      const late = setTimeout(
        () => stream.end(new Error('it has not begun the watch in time')),
        timeoutMs,
      ).unref()
      const { value: first } = await messages.next().finally(() => clearTimeout(late))
      if (first?.canceled === true) throw canceled(endpoint, first)
      if (first?.created !== true)
        throw new EndpointError(`${endpoint.origin}: it has begun no watch`)
      return { endpoint, stream, messages, header: first.header }
    } catch (error) {
      stream.end()
      throw error
    }
  }

  /** @throws EtcdError (rejects): `ERR_ETCD_UNAVAILABLE` when none could do it */
  async #atOne<T>(signal: AbortSignal | undefined, ask: (endpoint: URL) => Promise<T>): Promise<T> {
    const { endpoints } = this.#settings
    const first = this.#first
    const failures: Error[] = []
    for (let i = 0; i < endpoints.length; i++) {
      const at = (first + i) % endpoints.length
      try {
        const answer = await ask(endpoints[at]!)
        this.#first = at
        return answer
      } catch (error) {
        if (!isEndpointError(error) || signal?.aborted) throw error
        failures.push(error)
      }
    }
    const text = failures.map(({ message }) => message).join('; ')
    throw new EtcdError('ERR_ETCD_UNAVAILABLE', `etcd is away: ${text}`, { cause: failures[0] })
  }

  /** It is asked last. */
  #avoid(endpoint: URL): void {
    const { endpoints } = this.#settings
    if (endpoints[this.#first] === endpoint) this.#first = (this.#first + 1) % endpoints.length
  }

  async #post(
    endpoint: URL,
    path: string,
    body: object,
    {
      token = '',
      ...how
    }: {
      readonly token?: string
      readonly signal?: AbortSignal | undefined
      readonly ref?: boolean
    },
  ): Promise<Json> {
    const { status, text } = await this.#http.ask(new URL(path, endpoint), {
      headers: headersOf(token),
      body: JSON.stringify(body),
      timeoutMs: this.#settings.timeoutMs,
      ...how,
    })
    if (status !== 200) throw await refused(endpoint, { status, text: async () => text })
    return readJson(text)
  }

  // --- who we are

  /** The token to show, or ''. */
  async #login(endpoint: URL, signal: AbortSignal | undefined): Promise<string> {
    const { login } = this.#settings
    if (login === undefined) return ''
    const token = this.#token ?? this.#authenticate(endpoint, login)
    this.#token = token
    // Shared by all calls: it goes on when one of them is ended.
    const forget = () => {
      if (this.#token === token) this.#token = undefined
    }
    token.catch(forget)
    const value = await token
    if (signal?.aborted) throw new EndpointError('ended by us')
    return value
  }

  async #authenticate(endpoint: URL, login: NonNullable<EtcdSettings['login']>): Promise<string> {
    const password = await textOf(login.password).catch((error: Error) => {
      throw new EtcdError('ERR_ETCD_PERMISSION', `password: ${error.message}`, { cause: error })
    })
    try {
      const body = { name: login.user, password }
      const { token } = await this.#post(endpoint, '/v3/auth/authenticate', body, {})
      if (typeof token === 'string' && token !== '') return token
    } catch (error) {
      // Before somebody turns authentication on, and after it was turned off.
      if (!/authentication is not enabled/.test((error as Error).message)) throw error
      return ''
    }
    throw new EndpointError(`${endpoint.origin}: it has given no token`)
  }

  /** Whether a call may succeed with a new token. */
  async #isRenewed(error: unknown, used: string): Promise<boolean> {
    if (this.#settings.login === undefined) return false
    if (!(error instanceof EtcdError) || !isAboutToken(error)) return false
    // Another call may have noticed before.
    if ((await this.#token?.catch(() => used)) === used) this.#token = undefined
    return true
  }
}

function headersOf(token: string): Record<string, string> {
  return { 'content-type': 'application/json', ...(token === '' ? {} : { authorization: token }) }
}

async function* messagesOf(
  endpoint: URL,
  stream: HttpStream,
): AsyncGenerator<WatchMessage, void, void> {
  for await (const line of stream.lines()) {
    if (line === '') continue
    const { result, error } = readJson(line)
    if (error !== undefined) {
      const { grpc_code, code = grpc_code, message } = readMap(error)
      throw refusal(endpoint, readNumber(code), String(message))
    }
    yield readWatchMessage(readMap(result))
  }
}

async function refused(
  endpoint: URL,
  answer: { readonly status: number; text(): Promise<string> },
): Promise<Error> {
  const text = await answer.text()
  try {
    const { code, message, error } = readJson(text)
    const words = typeof message === 'string' ? message : error
    if (typeof code === 'number' && typeof words === 'string') return refusal(endpoint, code, words)
  } catch {
    // No etcd: told below.
  }
  const shown = text.slice(0, 80).trim()
  return new EndpointError(
    `${endpoint.origin}: it has answered ${answer.status}, not as etcd does: ${shown}`,
  )
}

function canceled(endpoint: URL, { cancelReason, compactRevision }: WatchMessage): Error {
  if (compactRevision > 0) {
    const text = `${endpoint.origin}: changes before revision ${compactRevision} are compacted`
    return new EtcdError('ERR_ETCD_COMPACTED', text, { compactRevision })
  }
  const reason = cancelReason === '' ? 'it has ended the watch' : cancelReason
  const text = `${endpoint.origin}: ${reason}`
  if (/permission denied|auth token/i.test(reason))
    return new EtcdError('ERR_ETCD_PERMISSION', text)
  return new EndpointError(text)
}

function checkKey(key: unknown, option: string): string {
  if (typeof key !== 'string') throw typeError(option, 'a text', key)
  if (key === '') throw rangeError(option, 'not empty', key)
  return key
}

function checkLease(lease: unknown, option: string): string {
  if (typeof lease === 'string' && /^-?\d{1,20}$/.test(lease)) return lease
  throw typeError(option, 'a lease, as grant() gives it', lease)
}
