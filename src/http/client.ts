// Asks web servers: one answer at a time with an end to everything, or one that goes on for as long as somebody reads it.
import {
  request as askHttp,
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { request as askHttps, Agent as HttpsAgent } from 'node:https'
import { getSystemErrorMap } from 'node:util'
import { onAbort } from '../abort.js'
import { connectOptions, type HttpTlsOptions } from './tls.js'

/** What is asked, and how long. */
export interface HttpQuestion {
  /** Default: `POST` with a body, else `GET`. */
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: string | undefined
  /** For the whole answer, or of a stream for its head. */
  readonly timeoutMs: number
  /** Of the answer, or of one line of a stream. Default 32 MiB. */
  readonly maxBytes?: number | undefined
  /** Whether the process stays alive for it. Default true. */
  readonly ref?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** An answer that may go on for ever. */
export interface HttpStream {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Without their ends. Ends the connection when nobody reads any more. */
  lines(): AsyncGenerator<string, void, void>
  /** All of it, for answers that have an end; the head's time is for this too. */
  text(): Promise<string>
  /** Ends the connection; whoever reads gets the error. */
  end(error?: Error): void
}

/** So long a connection is kept for the next question. */
const IDLE_MS = 10_000
/** Nobody answers in so many bytes. */
const MOST_BYTES = 32 * 2 ** 20

/** Nobody was reached, or the answer broke off. `code` is that of Node.js: `ECONNREFUSED`, `ETIMEDOUT`. */
export class HttpError extends Error {
  readonly code: string

  constructor(url: URL, error: unknown) {
    const { code = 'EUNKNOWN', message } = error as NodeJS.ErrnoException
    super(`${url.origin}: ${inWords(code) ?? message}`, { cause: error })
    this.name = 'HttpError'
    this.code = code
  }
}

export class HttpClient {
  readonly #tls: HttpTlsOptions
  readonly #agents = {
    'http:': new HttpAgent({ keepAlive: true, timeout: IDLE_MS, maxFreeSockets: 4 }),
    'https:': new HttpsAgent({ keepAlive: true, timeout: IDLE_MS, maxFreeSockets: 4 }),
  }
  readonly #end = new AbortController()

  constructor(tls: HttpTlsOptions = {}) {
    this.#tls = tls
  }

  /**
   * One answer, whatever its status. Redirects are not followed.
   *
   * @throws HttpError (rejects) none in time, a broken one, or one that is too long
   */
  async ask(url: URL, question: HttpQuestion): Promise<HttpAnswer> {
    const tls = await this.#connectOptions(url)
    for (;;) {
      const exchange = new Exchange(url, question, this.#end.signal)
      try {
        const { status, headers } = await exchange.open({
          ...tls,
          agent: this.#agents[url.protocol as 'http:'],
        })
        return { status, headers, text: await exchange.text() }
      } catch (error) {
        // The server had closed it for being idle when we began.
        if (!exchange.wasStale) throw error
      } finally {
        exchange.close()
      }
    }
  }

  /**
   * An answer as it comes, over a connection of its own. It does not keep the process alive.
   *
   * @throws HttpError (rejects) no head in time
   */
  async stream(url: URL, question: HttpQuestion): Promise<HttpStream> {
    const tls = await this.#connectOptions(url)
    const exchange = new Exchange(url, { ...question, ref: false }, this.#end.signal)
    try {
      return await exchange.open({ ...tls, agent: false })
    } catch (error) {
      exchange.close()
      throw error
    }
  }

  /** Ends what is under way. Nobody can ask any more. */
  close(): void {
    this.#end.abort()
    for (const agent of Object.values(this.#agents)) agent.destroy()
  }

  async #connectOptions(url: URL): Promise<object> {
    if (url.protocol !== 'https:') return {}
    return connectOptions(this.#tls).catch((error: unknown) => {
      throw new HttpError(url, error)
    })
  }
}

class Exchange implements HttpStream {
  readonly #url: URL
  readonly #question: HttpQuestion
  readonly #forget: readonly (() => void)[]
  #timer: NodeJS.Timeout | undefined
  #request: ClientRequest | undefined
  #response: IncomingMessage | undefined
  /** Why we have ended it. */
  #why: Error | undefined

  constructor(url: URL, question: HttpQuestion, closed: AbortSignal) {
    this.#url = url
    this.#question = question
    const { signal } = question
    if (signal?.aborted || closed.aborted) this.#why = ended()
    this.#forget = [signal, closed].map((one) => onAbort(one, () => this.end(ended())))
  }

  get status(): number {
    return this.#response?.statusCode ?? 0
  }

  get headers(): IncomingHttpHeaders {
    return this.#response?.headers ?? {}
  }

  /** It went into a connection that was over already. */
  get wasStale(): boolean {
    const isReset = this.#request?.reusedSocket === true && this.#response === undefined
    return isReset && this.#why === undefined
  }

  async open(options: object): Promise<this> {
    const { headers, body, timeoutMs, ref = true } = this.#question
    const { method = body === undefined ? 'GET' : 'POST' } = this.#question
    if (this.#why !== undefined) throw new HttpError(this.#url, this.#why)
    const ask = this.#url.protocol === 'https:' ? askHttps : askHttp
    this.#timer = setTimeout(() => this.end(late(timeoutMs)), timeoutMs)
    if (!ref) this.#timer.unref()
    return new Promise((resolve, reject) => {
      const request = ask(this.#url, {
        method,
        headers: { 'user-agent': 'ipvs', ...headers },
        ...options,
      })
      this.#request = request
      if (!ref) request.once('socket', (socket) => socket.unref())
      // Errors after the head are the response's; these come once more here.
      request.on('error', (error) => reject(this.#failed(error)))
      request.once('response', (response) => {
        this.#response = response
        // Whoever does not read it hears nothing of its end.
        response.on('error', () => {})
        resolve(this)
      })
      request.end(body)
    })
  }

  async text(): Promise<string> {
    const { maxBytes = MOST_BYTES } = this.#question
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of this.#parts()) {
      bytes += part.length
      if (bytes > maxBytes) throw this.#failed(tooLong(maxBytes))
      parts.push(part)
    }
    return Buffer.concat(parts).toString()
  }

  async *lines(): AsyncGenerator<string, void, void> {
    // The head was in time.
    clearTimeout(this.#timer)
    const { maxBytes = MOST_BYTES } = this.#question
    let parts: Buffer[] = []
    let bytes = 0
    for await (const part of this.#parts()) {
      let from = 0
      for (let at = part.indexOf(10); at >= 0; at = part.indexOf(10, from)) {
        parts.push(part.subarray(from, at))
        yield Buffer.concat(parts).toString()
        parts = []
        bytes = 0
        from = at + 1
      }
      parts.push(part.subarray(from))
      bytes += part.length - from
      if (bytes > maxBytes) throw this.#failed(tooLong(maxBytes))
    }
    if (bytes > 0) yield Buffer.concat(parts).toString()
  }

  end(error: Error = ended()): void {
    this.#why ??= error
    this.#request?.destroy(error)
    this.close()
  }

  /** Nothing of it is left; a connection that has been read to its end is kept. */
  close(): void {
    clearTimeout(this.#timer)
    for (const forget of this.#forget) forget()
    if (this.#response?.complete !== true) this.#request?.destroy()
  }

  async *#parts(): AsyncGenerator<Buffer, void, void> {
    try {
      for await (const part of this.#response!) yield part as Buffer
    } catch (error) {
      throw this.#failed(error)
    } finally {
      this.close()
    }
  }

  #failed(error: unknown): HttpError {
    const why = this.#why ?? error
    return why instanceof HttpError ? why : new HttpError(this.#url, why)
  }
}

function late(ms: number): Error {
  return Object.assign(new Error(`no answer within ${ms} ms`), { code: 'ETIMEDOUT' })
}

function ended(): Error {
  return Object.assign(new Error('ended by us'), { code: 'ABORT_ERR' })
}

function tooLong(maxBytes: number): Error {
  return Object.assign(new Error(`the answer is longer than ${maxBytes} bytes`), {
    code: 'EMSGSIZE',
  })
}

function inWords(code: string): string | undefined {
  if (code === 'ETIMEDOUT' || code === 'EMSGSIZE') return undefined
  const words = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1]
  return words && `${words} (${code})`
}
