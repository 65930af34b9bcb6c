// Servers from Consul: the instances of a service, by blocking queries.
import { pause } from '../abort.js'
import { rangeError, typeError } from '../errors.js'
import { type HttpAnswer, HttpClient } from '../http/client.js'
import { jsonOf, readHttpUrl, statusError, strangeAnswer } from '../http/questions.js'
import { readTextOrFile, type TextOrFile, textOf } from '../http/text.js'
import { type HttpTlsOptions, readHttpTls } from '../http/tls.js'
import { type PoolServer, readServer } from '../servers.js'
import { checkBoolean, checkOptions, checkSignal } from '../validate.js'
import { inOrder, serverOf } from './server-list.js'
import { type ServerSource, serverSource } from './source.js'

/** Options of {@link consulServers}. */
export interface ConsulServersOptions extends HttpTlsOptions {
  /** Of an agent, or of a server. Default `http://127.0.0.1:8500`. */
  readonly url?: string | undefined
  /** Only instances whose checks in Consul pass. With `false` all of them, for the pool's own checks to judge. Default true. */
  readonly passing?: boolean | undefined
  /** Default: the agent's own. */
  readonly datacenter?: string | undefined
  /** Only instances with this tag. Default: all. */
  readonly tag?: string | undefined
  /** Where Consul has access control. Default: none. */
  readonly token?: TextOrFile | undefined
  /** Ends the iterations. Default: none. */
  readonly signal?: AbortSignal | undefined
}

interface Settings {
  readonly url: URL
  readonly tls: HttpTlsOptions
  readonly token: TextOrFile | undefined
}

/** So long Consul may wait for a change; it adds up to a sixteenth. */
const WAIT_SECONDS = 60
/** For an answer that is not waited for, or what it takes beyond the wait. */
const ANSWER_MS = 10_000
/** A service that changes all the time is not asked for more often. */
const LEAST_MS = 250

/**
 * The instances of a service in Consul: at once, and again after each change. Address, port and weight are those of the
 * service; without an address of its own the node's, with port 0 each front's. An instance with a check that warns has the
 * weight that Consul has for it.
 *
 * An answer that Consul's access control has left something out of is not believed.
 *
 * Each iteration starts afresh. Waiting for a change does not keep the process alive, a look does.
 *
 * @throws TypeError, RangeError for a bad argument
 * @throws Error, while iterating, with `code`: that of Node.js if there is no answer, `ERR_HTTP_STATUS`,
 *   `ERR_HTTP_ANSWER`, or `ERR_IPVS_ARGUMENT` if it is about one instance
 */
export function consulServers(service: string, options?: ConsulServersOptions): ServerSource {
  const fields = checkOptions(options, 'options', [
    'url',
    'passing',
    'datacenter',
    'tag',
    'token',
    'ca',
    'cert',
    'key',
    'serverName',
    'signal',
  ])
  const { url = 'http://127.0.0.1:8500', passing = true } = fields
  const { datacenter, tag, token, signal, ca, cert, key, serverName } = fields
  const base = readHttpUrl(url, 'options.url', 'http://127.0.0.1:8500')
  const at = new URL(`/v1/health/service/${encodeURIComponent(readWord(service, 'service'))}`, base)
  if (checkBoolean(passing, 'options.passing')) at.searchParams.set('passing', '1')
  if (datacenter !== undefined)
    at.searchParams.set('dc', readWord(datacenter, 'options.datacenter'))
  if (tag !== undefined) at.searchParams.set('tag', readWord(tag, 'options.tag'))
  const settings: Settings = {
    url: at,
    tls: readHttpTls({ ca, cert, key, serverName }, 'options'),
    token: token === undefined ? token : readTextOrFile(token, 'options.token', 'a token'),
  }
  return serverSource((end) => lookAgain(settings, end), checkSignal(signal, 'options.signal'))
}

async function* lookAgain(
  settings: Settings,
  signal: AbortSignal,
): AsyncGenerator<PoolServer[], void, void> {
  const http = new HttpClient(settings.tls)
  /** What is known; 0: nothing. */
  let index = 0
  try {
    while (!signal.aborted) {
      const began = performance.now()
      const answer = await look(http, settings, index, signal)
      const seen = indexOf(settings.url, answer)
      yield serversIn(settings.url, answer.text)
      // One that goes backwards is of a store that was restored: what there is has just been told of, and what comes is waited
      // for from the beginning. One below 1 would not wait at all.
      index = seen < index ? 0 : Math.max(1, seen)
      await pause(began + LEAST_MS - performance.now(), signal)
    }
  } finally {
    http.close()
  }
}

async function look(
  http: HttpClient,
  { url, token }: Settings,
  index: number,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const at = new URL(url)
  const isWaiting = index > 0
  if (isWaiting) {
    at.searchParams.set('index', String(index))
    at.searchParams.set('wait', `${WAIT_SECONDS}s`)
  }
  const answer = await http.ask(at, {
    headers: token === undefined ? {} : { 'x-consul-token': await textOf(token) },
    timeoutMs: ANSWER_MS + (isWaiting ? (WAIT_SECONDS * 1000 * 17) / 16 : 0),
    ref: !isWaiting,
    signal,
  })
  if (answer.status !== 200) throw statusError(url, answer)
  if (answer.headers['x-consul-knownleader'] === 'false') {
    throw strangeAnswer(url, 'Consul has no leader, and what it knows may be old')
  }
  if (answer.headers['x-consul-results-filtered-by-acls'] === 'true') {
    throw strangeAnswer(url, 'the token may not read all of it, and Consul has left the rest out')
  }
  return answer
}

function indexOf(url: URL, { headers }: HttpAnswer): number {
  const index = headers['x-consul-index']
  if (typeof index === 'string' && /^\d{1,15}$/.test(index)) return Number(index)
  throw strangeAnswer(url, 'it has no X-Consul-Index: this is not Consul')
}

function serversIn(url: URL, text: string): PoolServer[] {
  const all = jsonOf(url, text)
  if (!Array.isArray(all)) throw strangeAnswer(url, 'no list of instances')
  return inOrder(all.map((one: unknown, index) => serverIn(url, one, index)))
}

/** What Consul says of an instance, as far as it counts here. */
interface Instance {
  readonly Node?: { readonly Address?: unknown }
  readonly Service?: {
    readonly ID?: unknown
    readonly Address?: unknown
    readonly Port?: unknown
    readonly Weights?: { readonly Passing?: unknown; readonly Warning?: unknown }
  }
  readonly Checks?: readonly { readonly Status?: unknown }[]
}

function serverIn(url: URL, value: unknown, index: number): PoolServer {
  const { Node, Service, Checks } = (value ?? {}) as Instance
  const isInstance = typeof Service === 'object' && Service !== null && Array.isArray(Checks)
  if (!isInstance) throw strangeAnswer(url, `no instance of a service at [${index}]`)
  const place = `instance ${JSON.stringify(Service.ID)}`
  const { Weights, Port = 0 } = Service
  const warns = Checks.some((check) => check?.Status === 'warning')
  const weight = (warns ? Weights?.Warning : Weights?.Passing) ?? 1
  const at = Port === 0 ? {} : { port: Port }
  const spec = readServer({ address: Service.Address || Node?.Address, ...at, weight }, place)
  return serverOf(spec, (name) => `${place}: ${name}`)
}

function readWord(value: unknown, option: string): string {
  if (typeof value !== 'string') throw typeError(option, 'a name, as a string', value)
  if (value === '') throw rangeError(option, 'a name, not empty', value)
  return value
}
