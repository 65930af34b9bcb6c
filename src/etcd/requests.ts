// One request to one endpoint, and what its answer means.
import type { HttpClient, HttpStream } from '../http/client.js'
import { EndpointError, EtcdError, refusal } from './errors.js'
import {
  type Json,
  readJson,
  readMap,
  readNumber,
  readWatchMessage,
  type WatchMessage,
} from './wire.js'

/** How something is asked. */
export interface Asking {
  /** '': etcd does not ask who we are. */
  readonly token: string
  /** Whether the process stays alive for it. Default true. */
  readonly ref?: boolean
  readonly signal?: AbortSignal | undefined
}

/** A watch that etcd has said yes to. */
export interface BegunWatch {
  readonly endpoint: URL
  readonly stream: HttpStream
  readonly messages: AsyncIterable<WatchMessage>
  /** Of the store, as it is now. */
  readonly header: WatchMessage['header']
}

export class Requests {
  readonly #http: HttpClient
  readonly #timeoutMs: number

  constructor(http: HttpClient, timeoutMs: number) {
    this.#http = http
    this.#timeoutMs = timeoutMs
  }

  /**
   * @throws HttpError, EndpointError (rejects) another endpoint may do it
   * @throws EtcdError (rejects) it is refused
   */
  async post(endpoint: URL, path: string, body: object, asking: Asking): Promise<Json> {
    const { token, ...how } = asking
    const { status, text } = await this.#http.ask(new URL(path, endpoint), {
      headers: headersOf(token),
      body: JSON.stringify(body),
      timeoutMs: this.#timeoutMs,
      ...how,
    })
    if (status !== 200) throw refused(endpoint, status, text)
    return readJson(text)
  }

  /** Throws as {@link post}. */
  async watch(endpoint: URL, create: object, asking: Asking): Promise<BegunWatch> {
    const timeoutMs = this.#timeoutMs
    const stream = await this.#http.stream(new URL('/v3/watch', endpoint), {
      // A member that has lost the others ends the watch, in place of staying silent.
      headers: { ...headersOf(asking.token), 'grpc-metadata-hasleader': 'true' },
      body: JSON.stringify({ create_request: create }),
      timeoutMs,
      signal: asking.signal,
    })
    const end = () => stream.end(new Error(`it has begun no watch within ${timeoutMs} ms`))
    const late = setTimeout(end, timeoutMs).unref()
    try {
      if (stream.status !== 200) throw refused(endpoint, stream.status, await stream.text())
      const messages = messagesOf(endpoint, stream)
      const { value: first } = await messages.next()
      if (first?.created === true) return { endpoint, stream, messages, header: first.header }
      throw new EndpointError(`${endpoint.origin}: it has begun no watch`)
    } catch (error) {
      stream.end()
      throw error
    } finally {
      clearTimeout(late)
    }
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
    const message = readWatchMessage(readMap(result))
    if (message.canceled) throw canceled(endpoint, message)
    yield message
  }
  throw new EndpointError(`${endpoint.origin}: it has ended the watch`)
}

function refused(endpoint: URL, status: number, text: string): Error {
  try {
    const { code, error, message = error } = readJson(text)
    if (typeof code === 'number' && typeof message === 'string') {
      return refusal(endpoint, code, message)
    }
  } catch {
    // No etcd: told below.
  }
  if (status === 404) {
    const rule = 'let it be 3.4 or newer, with "enable-grpc-gateway: true" where it has a file'
    return new EndpointError(`${endpoint.origin}: it has no JSON gateway (404): ${rule}`)
  }
  const shown = `${status} ${JSON.stringify(text.slice(0, 80).trim())}`
  return new EndpointError(`${endpoint.origin}: it has answered as no etcd does: ${shown}`)
}

function canceled(endpoint: URL, { cancelReason, compactRevision }: WatchMessage): Error {
  if (compactRevision > 0) {
    const text = `${endpoint.origin}: changes before revision ${compactRevision} are compacted`
    return new EtcdError('ERR_ETCD_COMPACTED', text, { compactRevision })
  }
  const text = `${endpoint.origin}: ${cancelReason || 'it has ended the watch'}`
  const isDenied = /permission denied|auth token/i.test(cancelReason)
  return isDenied ? new EtcdError('ERR_ETCD_PERMISSION', text) : new EndpointError(text)
}
