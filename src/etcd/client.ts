// etcd over the JSON gateway that every etcd from 3.4 on has: plain HTTP, without gRPC.
import { rangeError, typeError } from '../errors.js'
import { HttpClient } from '../http/client.js'
import { checkBoolean, checkInteger, checkOptions, checkSignal, DAY_MS } from '../validate.js'
import { Endpoints } from './endpoints.js'
import { EtcdError, isEndpointError } from './errors.js'
import { Login } from './login.js'
import { type EtcdOptions, readEtcdOptions } from './options.js'
import { Pulse } from './pulse.js'
import { Requests } from './requests.js'
import {
  type EtcdEntry,
  type EtcdEvent,
  encode,
  type Json,
  rangeOf,
  readHeader,
  readId,
  readMap,
  readNumber,
  readPage,
} from './wire.js'

/** Keys that are read at once: each of the answers has its time and its size. */
const PAGE = '5000'
/** At most, from one look at an endpoint that is watched to the next. */
const PULSE_MS = 10_000

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

/** What becomes of a key. */
export interface EtcdChange {
  readonly key: string
  /** Default: it is taken away. */
  readonly value?: string | undefined
}

/** Options of {@link EtcdClient.watch}. */
export interface EtcdWatchOptions extends EtcdCallOptions {
  /** The first one that is told of: one more than what is known. A revision, which numbers changes. */
  readonly fromRevision: number
  /** Of the store that the revision is of. Default: any. */
  readonly clusterId?: string | undefined
  /** Whether a change without events comes first, when etcd has answered. Default: false. */
  readonly withStart?: boolean | undefined
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
  readonly #http: HttpClient
  readonly #endpoints: Endpoints
  readonly #requests: Requests
  readonly #login: Login
  readonly #pulse: Pulse

  /** @throws TypeError, RangeError for a bad argument */
  constructor(options: EtcdOptions) {
    const { endpoints, tls, login, timeoutMs } = readEtcdOptions(options)
    this.#http = new HttpClient(tls)
    this.#endpoints = new Endpoints(endpoints)
    this.#requests = new Requests(this.#http, timeoutMs)
    this.#login = new Login(login, this.#requests)
    const ask = async (endpoint: URL) => {
      const asking = { token: '', ref: false }
      try {
        await this.#requests.post(endpoint, '/v3/maintenance/status', {}, asking)
      } catch (error) {
        // Who refuses answers.
        if (isEndpointError(error)) throw error
      }
    }
    // Whoever gives endpoints less time wants to know of a silent one sooner.
    this.#pulse = new Pulse(ask, Math.min(PULSE_MS, 2 * timeoutMs))
  }

  /**
   * All keys with a prefix, as of one moment, from a majority of etcd's members.
   *
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async range(prefix: string, options?: EtcdCallOptions): Promise<EtcdRange> {
    const { key, range_end } = rangeOf(checkKey(prefix, 'prefix'))
    const read = (from: string, revision?: string) =>
      this.#call('/v3/kv/range', { key: from, range_end, revision, limit: PAGE }, options, readPage)
    const { header, entries, ...first } = await read(key)
    let { next } = first
    while (next !== undefined) {
      const page = await read(encode(next), String(header.revision))
      if (page.header.clusterId !== header.clusterId) {
        throw new EtcdError('ERR_ETCD_RESTORED', 'a part of the keys is of another store')
      }
      for (const entry of page.entries) entries.push(entry)
      next = page.next
    }
    return { ...header, entries }
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
    const { fromRevision, clusterId, withStart = false } = options
    checkInteger(fromRevision, 'options.fromRevision', 1, Number.MAX_SAFE_INTEGER)
    checkBoolean(withStart, 'options.withStart')
    const signal = checkSignal(options.signal, 'options.signal')
    const range = rangeOf(checkKey(prefix, 'prefix'))
    const create = { ...range, start_revision: String(fromRevision) }
    const ask = (at: URL) =>
      this.#login.with(at, (token) => this.#requests.watch(at, create, { token, signal }))
    const begun = await this.#endpoints.ask(signal, ask).catch((error: Error) => {
      if (!signal?.aborted) throw error
    })
    if (begun === undefined) return
    const { endpoint, stream, messages, header } = begun
    const forget = this.#pulse.feel(endpoint, (error) => stream.end(error))
    try {
      const isAnother = clusterId !== undefined && clusterId !== header.clusterId
      if (isAnother || header.revision < fromRevision - 1) {
        throw new EtcdError('ERR_ETCD_RESTORED', `${endpoint.origin}: another store than before`)
      }
      if (withStart) yield { revision: fromRevision - 1, events: [] }
      for await (const { lastRevision: revision, events } of messages) {
        if (events.length > 0) yield { revision, events }
      }
    } catch (error) {
      if (signal?.aborted) return
      if (error instanceof EtcdError) throw error
      this.#endpoints.avoid(endpoint)
      throw new EtcdError('ERR_ETCD_BROKEN', (error as Error).message, { cause: error })
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
    await this.#call('/v3/kv/put', { ...body, ...at }, { signal: options.signal }, readHeader)
  }

  /**
   * Gives keys values and takes keys away, all in one moment. etcd takes 128 of them at once, where nobody has told it otherwise.
   *
   * @param changes each key once; without a value it is taken away
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects) `ERR_ETCD_NO_LEASE` if that is over
   */
  async commit(changes: readonly EtcdChange[], options: EtcdPutOptions = {}): Promise<void> {
    const { lease } = options
    const at = lease === undefined ? {} : { lease: checkLease(lease, 'options.lease') }
    const success = changes.map(({ key: name, value }) => {
      const key = encode(checkKey(name, 'key'))
      return value === undefined
        ? { request_delete_range: { key } }
        : { request_put: { key, value: encode(value), ...at } }
    })
    if (success.length === 0) return
    await this.#call('/v3/kv/txn', { success }, { signal: options.signal }, readHeader)
  }

  /**
   * Takes a key away, if it is there.
   *
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async delete(key: string, options?: EtcdCallOptions): Promise<void> {
    const body = { key: encode(checkKey(key, 'key')) }
    await this.#call('/v3/kv/deleterange', body, options, readHeader)
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
    return this.#call('/v3/lease/grant', { TTL: String(ttl) }, options, ({ ID }) => readId(ID))
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
    return this.#call('/v3/lease/keepalive', { ID }, options, ({ result }) =>
      readNumber(readMap(result).TTL),
    )
  }

  /**
   * Ends a lease, and takes its keys away. One that is over stays over.
   *
   * @throws TypeError, RangeError (rejects) for a bad argument
   * @throws EtcdError (rejects)
   */
  async revoke(lease: string, options?: EtcdCallOptions): Promise<void> {
    const body = { ID: checkLease(lease, 'lease') }
    try {
      await this.#call('/v3/lease/revoke', body, options, readHeader)
    } catch (error) {
      if ((error as Partial<EtcdError>).code !== 'ERR_ETCD_NO_LEASE') throw error
    }
  }

  /** Ends what is under way, which then rejects. Nothing can be asked any more. */
  close(): void {
    this.#http.close()
  }

  /** @param read what the answer means; may throw that it is none of etcd's */
  async #call<T>(
    path: string,
    body: object,
    options: EtcdCallOptions | undefined,
    read: (answer: Json) => T,
  ): Promise<T> {
    const { signal: given } = checkOptions(options, 'options', ['signal'])
    const signal = checkSignal(given, 'options.signal')
    return this.#endpoints.ask(signal, (at) =>
      this.#login.with(at, async (token) =>
        read(await this.#requests.post(at, path, body, { token, signal })),
      ),
    )
  }
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
