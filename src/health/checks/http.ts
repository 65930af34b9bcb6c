// checks.http: does the server answer a request as it should, over HTTP or HTTPS?
import { isIP, type Socket } from 'node:net'
import { checkInteger, checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { type Control, withConnection } from './connection.js'
import { type ContentCheck, type ContentRule, readContentRule } from './content.js'
import {
  type CheckEndpoint,
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { HttpAnswer, type Part } from './http-answer.js'
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

/** Methods whose requests have no body at all; the others say that theirs is empty. */
const BODILESS = ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE']

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
  const verb = readMethod(method)
  const target = readPath(path)
  const ours = { Connection: 'close', 'User-Agent': 'ipvs' }
  const empty = BODILESS.includes(verb) ? {} : { 'Content-Length': '0' }
  const lines = readHeaders(headers, { ...ours, ...empty })
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
    const begin = [`${verb} ${target} HTTP/1.1`, `Host: ${host ?? hostOf(endpoint, scheme)}`]
    const request = `${[...begin, ...lines].join('\r\n')}\r\n\r\n`
    const detail = await withConnection<string>(
      { endpoint, tls: client, label, signal },
      (socket, control) => {
        judge(socket, verb, rules, control)
        socket.write(request, 'latin1')
      },
    )
    return { detail }
  }
}

/** Reads the answer as far as it takes to judge it. */
function judge(
  socket: Socket,
  method: string,
  rules: Rules,
  { succeed, fail }: Control<string>,
): void {
  const answer = new HttpAnswer(method)
  let status = 0
  let body: Body | undefined
  /** Whether it is known to be right. Throws what is wrong with it. */
  const isRight = (part: Part): boolean => {
    if (part === 'end') return body?.isRight() ?? true
    if ('body' in part) return body?.add(part.body) ?? true
    ;({ status } = part.head)
    const wrong = rules.status(status) ?? rules.headers(part.head.headers)
    if (wrong !== undefined) throw new Error(wrong)
    // What follows status 101 is not HTTP.
    if (rules.body === undefined || status === 101) return true
    body = new Body(rules.body, rules.maxBodyBytes)
    return false
  }
  const read = (parts: Iterable<Part>) => {
    try {
      for (const part of parts) if (isRight(part)) return succeed(`status ${status}`)
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)))
    }
  }
  socket.on('data', (bytes) => read(answer.read(bytes)))
  socket.once('end', () => read(answer.close()))
}

class Body {
  readonly #rule: ContentCheck
  readonly #maxBytes: number
  /** Grows to twice its size: it may come byte by byte. */
  #bytes = Buffer.alloc(0)
  #length = 0

  constructor(rule: ContentCheck, maxBytes: number) {
    this.#rule = rule
    this.#maxBytes = maxBytes
  }

  /** Whether so much is enough. Throws what is wrong. */
  add(chunk: Buffer): boolean {
    const before = this.#length
    const part = chunk.subarray(0, this.#maxBytes - before)
    this.#length += part.length
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.min(this.#maxBytes, 2 * this.#length))
      this.#bytes.copy(larger, 0, 0, before)
      this.#bytes = larger
    }
    part.copy(this.#bytes, before)
    const { needle } = this.#rule
    // Only what is new, and the last bytes before it, so that many small chunks cost no more than a large one.
    if (needle !== undefined) {
      const fresh = this.#bytes.subarray(Math.max(0, before - needle.length + 1), this.#length)
      if (fresh.includes(needle)) return true
    }
    return this.#length === this.#maxBytes && this.isRight()
  }

  /** Throws what is wrong. */
  isRight(): boolean {
    const wrong = this.#rule.judge(this.#bytes.subarray(0, this.#length))
    if (wrong !== undefined) throw new Error(`body: ${wrong}`)
    return true
  }
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
