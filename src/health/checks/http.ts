// checks.http: does the server answer a request as it should, over HTTP or HTTPS?
import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { isIP } from 'node:net'
import { checkBoolean, checkInteger, checkOptions } from '../../validate.js'
import type { Check, CheckSuccess } from '../types.js'
import { type ConnectionPlan, withConnection } from './connection.js'
import { type ContentCheck, type ContentRule, readContentRule } from './content.js'
import {
  type CheckEndpoint,
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { type Head, HttpAnswer, type Part } from './http-answer.js'
import { type HttpJsonRule, readExpectedJson } from './http-json.js'
import { HttpJudge, type HttpRules } from './http-judge.js'
import {
  type HttpHeader,
  type HttpStatusRule,
  readExpectedHeaders,
  readHeaders,
  readHost,
  readMethod,
  readPath,
  readStatus,
} from './http-rules.js'
import { type HttpWeightRule, readWeight } from './http-weight.js'
import { withHttp2 } from './http2.js'
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
  /** Headers that the answer must have: the whole value as a text, or what must match it. Default: none. */
  readonly expectHeaders?: Readonly<Record<string, string | RegExp>> | undefined
  /**
   * What the body must be, as sent: chunks joined, compression as it is. A text is looked for as the body arrives, the
   * other rules wait for its end. By default the body is not read: the head of the answer is enough.
   */
  readonly body?: ContentRule | undefined
  /**
   * What a JSON body must have, by paths: `{ 'db.state': 'up', 'queues.0.full': false }`. A path is made of names of properties,
   * and numbers of items of a list from 0 on, with dots between them; a name with a dot in it has none. The body is read to its end.
   * Default: nothing.
   */
  readonly expectJson?: Readonly<Record<string, HttpJsonRule>> | undefined
  /** How much of the body is read at most; `body` then judges what was read. 1 to 16,777,216, default 65,536. */
  readonly maxBodyBytes?: number | undefined
  /**
   * Where the answer has a number that is the part of its weight which the server can carry: `{ header: 'x-weight', max: 100 }`.
   * Without such a number the check fails. Default: the whole weight.
   */
  readonly weight?: HttpWeightRule | undefined
  /** HTTP/2 in place of HTTP/1.1; without `tls` from the start, as to a server that is known to speak it. Default false. */
  readonly http2?: boolean | undefined
  /** HTTPS. `serverName` is that of `host` by default. */
  readonly tls?: boolean | CheckTlsOptions | undefined
}

/** Methods whose requests have no body at all; the others say that theirs is empty. */
const BODILESS = ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE']

/**
 * Sends one request, HTTP/1.1 or HTTP/2, over a connection of its own, and judges the answer.
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
    'expectJson',
    'maxBodyBytes',
    'weight',
    'http2',
    'tls',
  ])
  const endpointOf = readEndpoint(fields)
  const host = fields.host === undefined ? undefined : readHost(fields.host)
  const { method = 'GET', path = '/', headers = {}, status = '200-399' } = fields
  const { expectHeaders = {}, maxBodyBytes = 65_536, http2 = false } = fields
  const verb = readMethod(method)
  const target = readPath(path)
  const isHttp2 = checkBoolean(http2, 'options.http2')
  const ours = { ...(isHttp2 ? {} : { Connection: 'close' }), 'User-Agent': 'ipvs' }
  const empty = BODILESS.includes(verb) ? {} : { 'Content-Length': '0' }
  const sent = readHeaders(headers, { ...ours, ...empty }, isHttp2)
  const weight = fields.weight === undefined ? undefined : readWeight(fields.weight)
  const rules: HttpRules = {
    status: readStatus(status),
    headers: readExpectedHeaders(expectHeaders),
    body: readBody(fields.body, fields.expectJson, weight?.readsBody ?? false),
    weight: weight?.of,
    maxBodyBytes: checkInteger(maxBodyBytes, 'options.maxBodyBytes', 1, 2 ** 24),
  }
  const client = readTls(fields.tls, 'options.tls', {
    serverName: host === undefined ? undefined : nameOf(host),
    alpn: [isHttp2 ? 'h2' : 'http/1.1'],
  })
  const scheme = client === undefined ? 'http' : 'https'

  return (member, { signal }) => {
    const endpoint = endpointOf(member)
    const plan = { endpoint, tls: client, label: `${scheme} ${formatEndpoint(endpoint)}`, signal }
    const request = {
      method: verb,
      path: target,
      host: host ?? hostOf(endpoint, scheme),
      headers: sent,
    }
    return isHttp2 ? askHttp2(plan, request, scheme, rules) : askHttp1(plan, request, rules)
  }
}

interface Request {
  readonly method: string
  readonly path: string
  readonly host: string
  readonly headers: readonly HttpHeader[]
}

/** Reads the answer as far as it takes to judge it. */
function askHttp1(
  plan: ConnectionPlan,
  { method, path, host, headers }: Request,
  rules: HttpRules,
): Promise<CheckSuccess> {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}`)
  const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, ...lines]
  return withConnection<CheckSuccess>(plan, (socket, { succeed, fail }) => {
    const answer = new HttpAnswer(method)
    const judge = new HttpJudge(rules)
    /** Whether it is known to be right. Throws what is wrong with it. */
    const isRight = (part: Part): boolean => {
      if (part === 'end') judge.end()
      else return 'body' in part ? judge.body(part.body) : judge.head(part.head)
      return true
    }
    const read = (parts: Iterable<Part>) => {
      try {
        for (const part of parts) if (isRight(part)) return succeed(judge.success())
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    }
    socket.on('data', (bytes) => read(answer.read(bytes)))
    socket.once('end', () => read(answer.close()))
    socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1')
  })
}

/** The same, over HTTP/2. */
function askHttp2(
  plan: ConnectionPlan,
  { method, path, host, headers }: Request,
  scheme: string,
  rules: HttpRules,
): Promise<CheckSuccess> {
  const pseudo = { ':method': method, ':scheme': scheme, ':authority': host, ':path': path }
  const all = { ...pseudo, ...Object.fromEntries(headers) }
  return withHttp2<CheckSuccess>({ ...plan, headers: all }, (stream, { succeed, fail }) => {
    const judge = new HttpJudge(rules)
    const attempt = (isRight: () => boolean) => {
      try {
        if (isRight()) succeed(judge.success())
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    }
    stream.once('response', (head) => {
      attempt(() => judge.head(headOf(head)))
      // Not before: it comes first where both come at once.
      stream.on('data', (bytes: Buffer) => attempt(() => judge.body(bytes)))
    })
    stream.once('end', () => {
      // A stream that was broken off ends too, with an error.
      if (stream.rstCode !== 0) return
      attempt(() => {
        judge.end()
        return true
      })
    })
  })
}

/** As {@link HttpAnswer} has it. */
function headOf({
  ':status': status = 0,
  ...headers
}: IncomingHttpHeaders & IncomingHttpStatusHeader): Head {
  const list = Object.entries(headers).map(([name, value = []]): [string, readonly string[]] => [
    name,
    typeof value === 'string' ? [value] : value,
  ])
  return { status, headers: new Map(list) }
}

/** All that is wanted of the body as one rule, `undefined` if it need not be read. */
function readBody(body: unknown, expectJson: unknown, isNeeded: boolean): ContentCheck | undefined {
  const content = body === undefined ? undefined : readContentRule(body, 'options.body')
  const json = expectJson === undefined ? undefined : readExpectedJson(expectJson)
  if (json === undefined && !isNeeded) return content
  // All of it, and not only as far as a text in it.
  return { judge: (bytes) => content?.judge(bytes) ?? json?.(bytes) }
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
