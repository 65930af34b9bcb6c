// checks.http: does the server answer a request as it should, over HTTP or HTTPS?
import { type IncomingMessage, request } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { checkInteger, checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { apart } from './apart.js'
import { type Control, withConnection } from './connection.js'
import { type ContentCheck, type ContentRule, readContentRule } from './content.js'
import {
  type CheckEndpoint,
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import {
  type HeadersCheck,
  type HttpStatusRule,
  readExpectedHeaders,
  readHeaders,
  readHost,
  readMethod,
  readPath,
  readStatus,
  type StatusCheck,
} from './http-rules.js'
import { type CheckTlsOptions, readTls } from './tls-client.js'

export interface HttpCheckOptions extends CheckEndpointOptions {
  /** Default `GET`. No body is sent. */
  readonly method?: string | undefined
  /** With the query, as it goes over the wire: `/health?full=1`. Default `/`. */
  readonly path?: string | undefined
  /** The header Host, for virtual hosts. Default: the address, with the port unless it is the usual one. */
  readonly host?: string | undefined
  /** Further headers to send. By default only `Connection: close` and `User-Agent: ipvs` are sent beside Host. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Statuses of a healthy server. Redirects are answers, they are not followed. Default `'200-399'`. */
  readonly status?: HttpStatusRule | readonly HttpStatusRule[] | undefined
  /** Headers that the answer must have: the whole value as a text, or what must match it. */
  readonly expectHeaders?: Readonly<Record<string, string | RegExp>> | undefined
  /**
   * What the body must be, as sent: chunks joined, compression as it is. A text is looked for as the body arrives, the
   * other rules wait for its end. By default the body is not read: the head of the answer is enough.
   */
  readonly body?: ContentRule | undefined
  /** How much of the body is read at most; `body` then judges what was read. 1 to 16,777,216, default 65,536. */
  readonly maxBodyBytes?: number | undefined
  /** HTTPS. `serverName` is that of `host` by default. */
  readonly tls?: boolean | CheckTlsOptions | undefined
}

interface Rules {
  readonly status: StatusCheck
  readonly headers: HeadersCheck
  readonly body: ContentCheck | undefined
  readonly maxBodyBytes: number
}

interface Query {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Sends one HTTP/1.1 request over a connection of its own, and judges the answer.
 *
 * @throws ArgumentError
 */
export function http(options: HttpCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [
    ...endpointOptionNames,
    'method',
    'path',
    'host',
    'headers',
    'status',
    'expectHeaders',
    'body',
    'maxBodyBytes',
    'tls',
  ])
  const endpointOf = readEndpoint(fields)
  const host = fields.host === undefined ? undefined : readHost(fields.host)
  const { method = 'GET', path = '/', headers = {}, status = '200-399' } = fields
  const { expectHeaders = {}, maxBodyBytes = 65_536 } = fields
  const query: Query = {
    method: readMethod(method),
    path: readPath(path),
    headers: { connection: 'close', 'user-agent': 'ipvs', ...readHeaders(headers) },
  }
  const rules: Rules = {
    status: readStatus(status),
    headers: readExpectedHeaders(expectHeaders),
    body: fields.body === undefined ? undefined : readContentRule(fields.body, 'options.body'),
    maxBodyBytes: checkInteger(maxBodyBytes, 'options.maxBodyBytes', 1, 2 ** 24),
  }
  const client = readTls(fields.tls, 'options.tls', {
    serverName: host === undefined ? undefined : nameOf(host),
    alpn: ['http/1.1'],
  })

  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const scheme = client === undefined ? 'http' : 'https'
    const label = `${scheme} ${formatEndpoint(endpoint)}`
    const headers = { host: host ?? hostOf(endpoint, scheme), ...query.headers }
    const detail = await withConnection<string>(
      { endpoint, tls: client, label, signal },
      (socket, control) => ask(socket, { ...query, headers }, rules, control),
    )
    return { detail }
  }
}

function ask(socket: Socket, query: Query, rules: Rules, control: Control<string>): void {
  const { succeed, fail } = control
  // Apart: the client ends its stream after an answer.
  const asked = request({ ...query, setHost: false, createConnection: () => apart(socket) })
  const judgeHead = (response: IncomingMessage) =>
    rules.status(response.statusCode ?? 0) ?? rules.headers(response.headers)
  const conclude = (response: IncomingMessage, wrong: string | undefined) => {
    if (wrong === undefined) succeed(`status ${response.statusCode}`)
    else fail(new Error(wrong))
  }
  asked.on('error', (error) => fail(inWords(error, 'before it answered')))
  asked.once('response', (response) => {
    const wrong = judgeHead(response)
    if (wrong !== undefined || rules.body === undefined) return conclude(response, wrong)
    response.on('error', (error) => fail(inWords(error, 'in the middle of its answer')))
    readBody(response, rules.body, rules.maxBodyBytes, fail, (fault) => {
      conclude(response, fault === undefined ? undefined : `body: ${fault}`)
    })
  })
  // Status 101, to a request with `Upgrade`; what follows is not HTTP.
  asked.once('upgrade', (response) => conclude(response, judgeHead(response)))
  asked.end()
}

function readBody(
  response: IncomingMessage,
  rule: ContentCheck,
  maxBytes: number,
  fail: (error: Error) => void,
  done: (wrong: string | undefined) => void,
): void {
  const { needle } = rule
  const chunks: Buffer[] = []
  let length = 0
  let tail: Buffer = Buffer.alloc(0)
  const judge = () => {
    response.removeAllListeners('data')
    try {
      done(rule.judge(Buffer.concat(chunks)))
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)))
    }
  }
  response.on('data', (data: Buffer) => {
    const chunk = data.subarray(0, maxBytes - length)
    chunks.push(chunk)
    length += chunk.length
    if (needle !== undefined) {
      // Only what is new, and the last bytes before it, so that many small chunks cost no more than a large one.
      const fresh = Buffer.concat([tail, chunk])
      if (fresh.includes(needle)) return judge()
      tail = fresh.subarray(Math.max(0, fresh.length - needle.length + 1))
    }
    if (length === maxBytes) judge()
  })
  response.once('end', judge)
}

/** Node's words for what went wrong are about itself. */
function inWords(error: Error, when: string): Error {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ECONNRESET')
    return new Error(`the server closed the connection ${when}`, { cause: error })
  if (code.startsWith('HPE_') && 'reason' in error)
    return new Error(`not HTTP: ${error.reason}`, { cause: error })
  return error
}

function hostOf(endpoint: CheckEndpoint, scheme: 'http' | 'https'): string {
  const whole = formatEndpoint(endpoint)
  const usual = scheme === 'http' ? 80 : 443
  return endpoint.port === usual ? whole.slice(0, whole.lastIndexOf(':')) : whole
}

/** The name in the header Host, if it is one. */
function nameOf(host: string): string | undefined {
  const name = host.replace(/:\d+$/, '')
  return isIP(name) !== 0 || name.startsWith('[') ? undefined : name
}
