// checks.dns: does the server answer a question, over UDP and over TCP?
import { randomInt } from 'node:crypto'
import { decode, type RecordType } from 'dns-packet'
import { rangeError, typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { type AnswerCheck, type DnsAnswerRule, readAnswerRule } from './dns-answer.js'
import { type DnsQuestion, type DnsRcode, encodeQuery, plainName, rcodes } from './dns-message.js'
import { askOverTcp } from './dns-tcp.js'
import { askOverUdp } from './dns-udp.js'
import {
  type CheckEndpointOptions,
  type CheckRoute,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { gather, joinErrors } from './gather.js'

/** What a DNS check asks over. */
export type DnsCheckProtocol = 'udp' | 'tcp'

export interface DnsCheckOptions extends CheckEndpointOptions {
  /** The name to ask for, at most 253 ASCII characters, such as `example.org`; `.` is the root. */
  readonly name: string
  /** Record type to ask for, in class IN. Default `A`. */
  readonly type?: RecordType | undefined
  /** Default both. */
  readonly protocols?: readonly DnsCheckProtocol[] | undefined
  /** Whether all protocols must answer as they should, or one is enough. Default `all`. */
  readonly require?: 'all' | 'any' | undefined
  /** Response codes of a healthy server. Default `NOERROR` only. */
  readonly rcodes?: readonly DnsRcode[] | undefined
  /**
   * What the reply must contain; by default nothing. A truncated reply over UDP (bit TC) counts as an answer
   * whatever it contains: the rule is then for TCP to fulfil.
   */
  readonly answer?: DnsAnswerRule | undefined
  /** Sets the bit RD; a purely authoritative server ignores it. Default true. */
  readonly recursionDesired?: boolean | undefined
}

interface Rules {
  readonly question: DnsQuestion
  readonly rcodes: readonly string[]
  readonly answer: AnswerCheck
}

/**
 * Asks one question over each protocol, all at the same time, from fresh sockets with random ids. A truncated,
 * malformed or wrong reply and the like are told apart in the reason, which names the protocol:
 * `dns udp 10.1.0.1:53: no answer within 500 ms`.
 *
 * @throws ArgumentError
 */
export function dns(options: DnsCheckOptions): Check {
  const fields = checkOptions(options, 'options', [
    ...endpointOptionNames,
    'name',
    'type',
    'protocols',
    'require',
    'rcodes',
    'answer',
    'recursionDesired',
  ])
  const endpointOf = readEndpoint(fields)
  const { require = 'all', recursionDesired = true, type: given = 'A' } = fields
  const { protocols: transports = ['udp', 'tcp'], rcodes: accepted = ['NOERROR'] } = fields
  const protocols = readList('protocols', transports, ['udp', 'tcp'] as const)
  if (require !== 'all' && require !== 'any')
    throw rangeError('options.require', "'all' or 'any'", require)
  if (typeof recursionDesired !== 'boolean') {
    throw typeError('options.recursionDesired', 'true or false', recursionDesired)
  }
  const name = readName(fields.name)
  const type = readType(given, name)
  const rules: Rules = {
    question: { name, type, recursionDesired },
    rcodes: readList('rcodes', accepted, rcodes),
    answer: readAnswerRule(fields.answer, type),
  }

  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    if (require === 'all') return { detail: await askAll(protocols, endpoint, rules, signal) }
    return { detail: await askAny(protocols, endpoint, rules, signal) }
  }
}

/** Waits for every protocol, so that the reason names each one that fails. */
async function askAll(
  protocols: readonly DnsCheckProtocol[],
  endpoint: CheckRoute,
  rules: Rules,
  signal: AbortSignal,
): Promise<string> {
  const ends = await Promise.allSettled(
    protocols.map((protocol) => ask(protocol, endpoint, rules, signal)),
  )
  const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []))
  if (errors.length > 0) throw joinErrors(errors, ends.length, ends.length)
  return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])).join('; ')
}

/** The first good reply is enough; the rest is then withdrawn. */
async function askAny(
  protocols: readonly DnsCheckProtocol[],
  endpoint: CheckRoute,
  rules: Rules,
  signal: AbortSignal,
): Promise<string> {
  const tasks = protocols.map(
    (protocol) => (own: AbortSignal) => ask(protocol, endpoint, rules, own),
  )
  return (await gather(1, tasks, signal)).join('; ')
}

async function ask(
  protocol: DnsCheckProtocol,
  endpoint: CheckRoute,
  { question, rcodes, answer }: Rules,
  signal: AbortSignal,
): Promise<string> {
  const label = `dns ${protocol} ${formatEndpoint(endpoint)}`
  const askOver = protocol === 'udp' ? askOverUdp : askOverTcp
  const reply = await askOver(endpoint, question, randomInt(0x10000), label, signal)
  if (!rcodes.includes(reply.rcode)) throw new Error(`${label}: ${reply.rcode}`)
  if (reply.truncated && protocol === 'udp') return `${protocol} ${reply.rcode}, truncated`
  if (reply.truncated) throw new Error(`${label}: truncated reply`)
  const wrong = answer(reply.answers)
  if (wrong !== undefined) throw new Error(`${label}: ${wrong}`)
  return `${protocol} ${reply.rcode}, ${reply.answers.length} answers`
}

function readName(name: unknown): string {
  if (typeof name !== 'string')
    throw typeError('options.name', 'a domain name such as example.org', name)
  const plain = plainName(name)
  // dns-packet would write an empty, over-long or non-ASCII label as it is.
  const labels = plain === '' ? [] : plain.split('.')
  const fine = plain.length <= 253 && labels.every((label) => /^[\x21-\x7e]{1,63}$/.test(label))
  if (name === '' || !fine) {
    throw rangeError(
      'options.name',
      'a domain name in ASCII, with labels of 1 to 63 characters, or "." for the root',
      name,
    )
  }
  return plain
}

function readType(type: unknown, name: string): RecordType {
  if (typeof type !== 'string')
    throw typeError('options.type', 'a record type such as A or SOA', type)
  const known = type as RecordType
  const query = decode(encodeQuery({ name, type: known, recursionDesired: true }, 0))
  // What dns-packet does not know does not come back as it went in; the others have no single, plain reply.
  if (query.questions?.[0]?.type !== type || ['ANY', 'AXFR', 'IXFR', 'OPT'].includes(type)) {
    throw rangeError(
      'options.type',
      'a record type in capitals, such as A or SOA, that can be asked for',
      type,
    )
  }
  return known
}

function readList<T extends string>(
  option: string,
  value: unknown,
  allowed: readonly T[],
): readonly T[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : []
  const known = list.filter((item): item is T => allowed.some((one) => one === item))
  if (known.length === 0 || known.length !== list.length) {
    throw rangeError(
      `options.${option}`,
      `a list of ${allowed.map((one) => `'${one}'`).join(', ')}, not empty`,
      value,
    )
  }
  return [...new Set(known)]
}
