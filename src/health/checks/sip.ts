// checks.sip: whether a SIP server answers OPTIONS (RFC 3261, 11), over UDP, TCP or TLS.
import { randomBytes } from 'node:crypto'
import { rangeError, typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { converse, type Progress } from './dialogue.js'
import { type DialogueOptions, defaultMaxBytes, dialogueOptionNames } from './dialogue-check.js'
import { formatEndpoint, readEndpoint } from './endpoint.js'
import { type HttpStatusRule, readStatus, type StatusCheck } from './http-rules.js'
import { showText } from './show.js'
import { readTls } from './tls-client.js'
import { exchange, type NotOurs } from './udp-exchange.js'

/** Options of `checks.sip`. */
export interface SipCheckOptions extends DialogueOptions {
  /** Default `udp`, with `tls` `tcp`. */
  readonly protocol?: 'udp' | 'tcp' | undefined
  /** Whom to ask, a URI of ASCII characters without spaces. Default: the server itself, as in `sip:10.1.0.1:5060`. */
  readonly uri?: string | undefined
  /** Statuses of a healthy server, 100 to 599. Default `'200-299'`. Those under 200 are waited through. */
  readonly status?: HttpStatusRule | readonly HttpStatusRule[] | undefined
}

/**
 * Sends OPTIONS and waits for the final response to it: the one with our branch, Call-ID and CSeq. Nothing is set up by it.
 * Over UDP it asks for the response at the port that it came from (RFC 3581), and does not ask again.
 *
 * @throws ArgumentError
 */
export function sip(options: SipCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [
    ...dialogueOptionNames,
    'protocol',
    'uri',
    'status',
  ])
  const endpointOf = readEndpoint(fields)
  const tls = readTls(fields.tls, 'options.tls')
  const { protocol = tls === undefined ? 'udp' : 'tcp', uri, status = '200-299' } = fields
  if (protocol !== 'udp' && protocol !== 'tcp')
    throw rangeError('options.protocol', "'udp' or 'tcp'", protocol)
  if (protocol === 'udp' && tls !== undefined)
    throw typeError('options.tls', "left out with protocol 'udp'", fields.tls)
  const target = uri === undefined ? undefined : readUri(uri)
  const isHealthy = readStatus(status)

  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const whole = formatEndpoint(endpoint)
    const plan = { endpoint, tls, label: `sip ${protocol} ${whole}`, signal }
    const id = randomBytes(8).toString('hex')
    const transport = tls === undefined ? protocol.toUpperCase() : 'TLS'
    const send = request(target ?? `sip:${whole}`, transport, id)
    if (protocol === 'udp') {
      const { detail } = await exchange({ ...plan, payload: send }, (datagram) => {
        const response = readResponse(datagram, id)
        return response === undefined
          ? { notOurs: 'not all of a response' }
          : judge(response, isHealthy)
      })
      return { detail }
    }
    const read = (received: Buffer): Progress => {
      const response = readResponse(received, id)
      if (response === undefined) return undefined
      const judged = judge(response, isHealthy)
      if ('detail' in judged) return { used: received.length, said: judged.detail }
      if (!response.isOurs) return { wrong: `answered ${judged.notOurs}` }
      // There is more to come.
      const rest = { read, awaited: 'a final response' }
      return { used: response.bytes, said: judged.notOurs, next: [rest] }
    }
    const steps = [{ send, read, awaited: 'a response' }]
    const said = await converse(plan, steps, defaultMaxBytes)
    return { detail: said.at(-1) ?? '' }
  }
}

function request(uri: string, transport: string, id: string): Buffer {
  // Nobody's address: whoever answers has the one we came from.
  const lines = [
    `OPTIONS ${uri} SIP/2.0`,
    `Via: SIP/2.0/${transport} ipvs.invalid;branch=${branchOf(id)};rport`,
    'Max-Forwards: 70',
    `From: <sip:check@ipvs.invalid>;tag=${id}`,
    `To: <${uri}>`,
    `Call-ID: ${id}@ipvs.invalid`,
    'CSeq: 1 OPTIONS',
    'Contact: <sip:check@ipvs.invalid>',
    'Accept: application/sdp',
    'User-Agent: ipvs',
    'Content-Length: 0',
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

/** It has to begin like that (RFC 3261, 8.1.1.7). */
function branchOf(id: string): string {
  return `z9hG4bK${id}`
}

interface Response {
  readonly status: number
  readonly line: string
  /** With its body. */
  readonly bytes: number
  readonly isOurs: boolean
}

/** `undefined`: it is not complete. */
function readResponse(received: Buffer, id: string): Response | undefined {
  const text = received.toString('latin1')
  const head = /^([\s\S]*?)\r?\n\r?\n/.exec(text)
  const [line = '', ...lines] = (head?.[1] ?? text).split(/\r?\n/)
  const status = /^SIP\/2\.0 ([1-6]\d\d)(?!\d)/.exec(line)?.[1]
  // Who speaks another protocol may never end a head.
  const isOther =
    !'SIP/2.0 '.startsWith(text.slice(0, 8)) || (head !== null && status === undefined)
  if (isOther) return { status: 0, line, bytes: received.length, isOurs: false }
  if (head === null || status === undefined) return undefined
  const header = (name: string, short: string) =>
    lines.flatMap((one) => {
      const [, found, value] = /^([\w-]+)[ \t]*:[ \t]*(.*)$/.exec(one) ?? []
      return [name, short].includes(found?.toLowerCase() ?? '') ? [value ?? ''] : []
    })[0] ?? ''
  const length = /^\d{1,5}$/.exec(header('content-length', 'l'))?.[0] ?? '0'
  const bytes = head[0].length + Number(length)
  if (received.length < bytes) return undefined
  const isOurs =
    header('via', 'v').split(',', 1)[0]?.toLowerCase().includes(branchOf(id).toLowerCase()) ===
      true &&
    header('call-id', 'i').startsWith(`${id}@`) &&
    /^0*1[ \t]+OPTIONS$/.test(header('cseq', 'cseq').trim())
  return { status: Number(status), line, bytes, isOurs }
}

/** @throws Error that says what is wrong with a response to our request. */
function judge(
  { status, line, isOurs }: Response,
  isHealthy: StatusCheck,
): { readonly detail: string } | NotOurs {
  if (!isOurs) return { notOurs: `${showText(line)}, no response to our request` }
  if (status < 200) return { notOurs: `status ${status}, not final` }
  const wrong = isHealthy(status)
  if (wrong !== undefined) throw new Error(`answered ${showText(line)}: ${wrong}`)
  return { detail: `status ${status}` }
}

function readUri(uri: unknown): string {
  if (typeof uri !== 'string') throw typeError('options.uri', 'a URI such as sip:example.org', uri)
  if (!/^sips?:[\x21\x23-\x3b\x3d\x3f-\x7e]{1,1000}$/.test(uri))
    throw rangeError('options.uri', 'a URI such as sip:example.org, in ASCII without spaces', uri)
  return uri
}
