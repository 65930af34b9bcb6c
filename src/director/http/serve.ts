// A director over HTTP, for reading: changes go over the control socket.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { typeError } from '../../errors.js'
import { checkInteger, checkOptions } from '../../validate.js'
import type { HttpConfig } from '../config/read.js'
import type { Director } from '../director.js'
import { messageOf } from '../events.js'
import { type Page, readPage } from '../page-file.js'
import { isForUs, knowsToken, warningOf } from './admit.js'
import { Followers } from './followers.js'
import { Paced } from './paced.js'
import { missingOf, View } from './view.js'

/** What is used of a `Registry` of prom-client. */
export interface MetricsText {
  /** Of what `metrics()` gives. */
  readonly contentType: string
  /** All figures, as text. */
  metrics(): Promise<string>
}

/** Options of {@link serveHttp}. */
export interface HttpOptions {
  /** What `/metrics` shows. Default: nothing, and `/metrics` says so. */
  readonly registry?: MetricsText | undefined
}

/** A director that is served over HTTP. */
export interface HttpServer {
  /** Where: `http://127.0.0.1:9480/`. */
  readonly url: string
  /** What a person should know of it: it can be reached by others, and asks for no token. */
  readonly warning?: string | undefined
  /** Ends it and all its connections. */
  close(): Promise<void>
}

const MOST_CONNECTIONS = 64
const MOST_HEADER = 8192
/** Bytes: a head that is longer is refused. Milliseconds: one that comes later, and who is silent for longer. */
const HEAD_MS = 5000
const SILENT_MS = 20_000
/** An answer that is read more slowly is given up. Followers have limits of their own. */
const ANSWER_MS = 30_000
/** More of what is missing is told by its number. */
const MOST_MISSING = 100

/** What a browser may do with any answer: nothing, for nobody else. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
}

/**
 * Serves a director for reading: `/metrics`, `/healthz`, `/readyz`, `/state`, `/events` (server-sent events) and `/`, the page.
 * It does not keep the process alive.
 *
 * @param config where and for whom: key `http` of a director's file
 * @throws TypeError, RangeError (rejects) a bad argument
 * @throws Error (rejects) it cannot listen there
 */
export async function serveHttp(
  director: Director,
  config: HttpConfig,
  options?: HttpOptions,
): Promise<HttpServer> {
  const registry = checkArguments(config, options)
  const page = await readPage().catch(() => undefined)
  const service = new Service(director, config, page, registry)
  const limits = {
    maxHeaderSize: MOST_HEADER,
    headersTimeout: HEAD_MS,
    requestTimeout: 2 * HEAD_MS,
    keepAliveTimeout: HEAD_MS,
    connectionsCheckingInterval: HEAD_MS / 5,
  }
  const server = createServer(limits, (request, response) => service.handle(request, response))
  server.maxConnections = MOST_CONNECTIONS
  server.setTimeout(SILENT_MS)
  // Nobody has to send a body to be told that there is nothing to send one for.
  server.on('checkContinue', (request, response) => service.handle(request, response))
  try {
    const { address, port } = await listen(server, config)
    const warning = warningOf(config)
    const host = isIP(address) === 6 ? `[${address}]` : address
    return {
      url: `http://${host}:${port}/`,
      ...(warning === undefined ? {} : { warning }),
      close: () =>
        new Promise((resolve) => {
          service.close()
          server.close(() => resolve())
          server.closeAllConnections()
        }),
    }
  } catch (error) {
    service.close()
    throw error
  }
}

function checkArguments(
  { host, port, token, hosts }: HttpConfig,
  options: HttpOptions | undefined,
): MetricsText | undefined {
  if (isIP(host) === 0) throw typeError('config.host', 'an IPv4 or IPv6 address', host)
  checkInteger(port, 'config.port', 0, 65_535)
  if (token !== undefined && (typeof token !== 'string' || token === '')) {
    throw typeError('config.token', 'a text that is not empty', token)
  }
  if (!Array.isArray(hosts)) throw typeError('config.hosts', 'a list of names', hosts)
  const { registry } = checkOptions(options, 'options', ['registry']) as HttpOptions
  if (registry !== undefined && typeof registry?.metrics !== 'function') {
    throw typeError('options.registry', 'a Registry of prom-client', registry)
  }
  return registry
}

function listen(server: Server, { host, port }: HttpConfig): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message
      reject(new Error(`http cannot listen on ${host} port ${port}: ${why}`, { cause: error }))
    })
    server.listen({ host, port }, () => {
      server.unref()
      resolve(server.address() as AddressInfo)
    })
  })
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

class Service {
  readonly #config: HttpConfig
  readonly #page: Page | undefined
  readonly #view: View
  readonly #followers: Followers
  readonly #registry: MetricsText | undefined
  readonly #metrics: Paced<string> | undefined
  readonly #answers: Readonly<Record<string, Answer>> = {
    '/': (_, response) => this.#showPage(response),
    '/events': (request, response) => this.#events(request, response),
    '/healthz': (_, response) => this.#health(response),
    '/metrics': (_, response) => this.#figures(response),
    '/readyz': (request, response) => this.#readiness(request, response),
    '/state': async (_, response) => sendJson(response, 200, await this.#view.body()),
  }

  constructor(
    director: Director,
    config: HttpConfig,
    page: Page | undefined,
    registry: MetricsText | undefined,
  ) {
    this.#config = config
    this.#page = page
    this.#view = new View(director)
    this.#followers = new Followers(director)
    this.#registry = registry
    this.#metrics = registry && new Paced(() => registry.metrics(), 0)
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
    // Who goes away is no fault.
    response.on('error', () => response.destroy())
    this.#answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else sendText(response, 500, messageOf(error))
    })
  }

  close(): void {
    this.#followers.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    const isRead = method === 'GET' || method === 'HEAD'
    // Nothing of a body is waited for.
    if (!isRead) response.setHeader('Connection', 'close')
    if (!isForUs(request, this.#config)) {
      return sendText(
        response,
        421,
        'ask by address or "localhost"; other names have to be in "hosts" of the file\'s "http"',
      )
    }
    const path = url.split('?', 1)[0]!
    if (!Object.hasOwn(this.#answers, path)) {
      return sendText(response, 404, `there is ${Object.keys(this.#answers).join(', ')}`)
    }
    if (!isRead) {
      response.setHeader('Allow', 'GET, HEAD')
      return sendText(response, 405, 'this is for reading: changes go over the control socket')
    }
    // The page has nothing to hide, and asks for the token itself; health and readiness say one word without it.
    const isOpen = ['/', '/healthz', '/readyz'].includes(path)
    if (!isOpen && !knowsToken(request, this.#config)) {
      response.setHeader('WWW-Authenticate', 'Bearer')
      return sendText(response, 401, 'a token is wanted: Authorization: Bearer TOKEN')
    }
    if (path !== '/events') giveUpAfter(response, ANSWER_MS)
    await this.#answers[path]!(request, response)
  }

  #showPage(response: ServerResponse): void {
    if (this.#page === undefined) {
      const why = 'the page is not where this program is: its bundle has left it behind'
      sendText(response, 404, why)
      return
    }
    response.setHeader('Content-Security-Policy', this.#page.policy)
    send(response, 200, 'text/html; charset=utf-8', this.#page.html)
  }

  async #figures(response: ServerResponse): Promise<void> {
    if (this.#registry === undefined || this.#metrics === undefined) {
      return sendText(response, 404, 'no metrics: whoever serves this has given no registry')
    }
    const text = await this.#metrics.get()
    send(response, 200, this.#registry.contentType, Buffer.from(text))
  }

  async #health(response: ServerResponse): Promise<void> {
    const { healthy, name, instance, role } = await this.#view.state()
    const said = role === undefined ? {} : { role: role.role }
    sendJson(response, healthy ? 200 : 503, { healthy, name, instance, ...said })
  }

  async #readiness(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const state = await this.#view.state()
    const all = missingOf(state)
    const missing = all.slice(0, MOST_MISSING)
    if (all.length > MOST_MISSING) missing.push(`and ${all.length - MOST_MISSING} more`)
    const shown = knowsToken(request, this.#config) ? { missing } : {}
    sendJson(response, state.ready ? 200 : 503, { ready: state.ready, ...shown })
  }

  #events({ method, headers }: IncomingMessage, response: ServerResponse): void {
    if (this.#followers.isFull) {
      response.setHeader('Retry-After', '5')
      sendText(response, 503, 'too many follow already')
      return
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    if (method === 'HEAD') {
      response.end()
      return
    }
    const given = String(headers['last-event-id'] ?? '')
    this.#followers.add(response, /^\d{1,15}$/.test(given) ? Number(given) : undefined)
  }
}

function giveUpAfter(response: ServerResponse, ms: number): void {
  const timer = setTimeout(() => response.destroy(), ms).unref()
  response.once('close', () => clearTimeout(timer))
}

function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', Buffer.from(`${text}\n`))
}

function sendJson(response: ServerResponse, status: number, body: Buffer | object): void {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(`${JSON.stringify(body)}\n`)
  send(response, status, 'application/json', bytes)
}

/** To a HEAD, Node.js sends no body. */
function send(response: ServerResponse, status: number, type: string, body: Buffer): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length })
  response.end(body)
}
