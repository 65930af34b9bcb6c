// checks.dns: does the server answer a question, over UDP and TCP, or over TLS?
import { randomInt } from 'node:crypto'
import { rangeError, typeError } from '../../errors.js'
import { checkInteger, checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { type AnswerCheck, type DnsAnswerRule, readAnswerRule } from './dns-answer.js'
import { type DnsQuestion, type DnsRcode, encodeQuery, rcodes } from './dns-message.js'
import { type DnsQuestionOptions, dnsQuestionOptionNames, readQuestion } from './dns-question.js'
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
import { type CheckTlsOptions, readTls, type TlsClient } from './tls-client.js'

/** What a DNS check asks over. */
export type DnsCheckProtocol = 'udp' | 'tcp' | 'tls'

/** What a truncated reply over UDP means. */
export type DnsTruncated = 'accept' | 'retry' | 'fail'

export interface DnsCheckOptions extends CheckEndpointOptions, DnsQuestionOptions {
  /**
   * Default `udp` and `tcp`; with `tls`, `tls`. That one (RFC 7858) has a port of its own, 853 by custom, and is asked by
   * itself.
   */
  readonly protocols?: readonly DnsCheckProtocol[] | undefined
  /** Whether all protocols must answer as they should, or one is enough. Default `all`. */
  readonly require?: 'all' | 'any' | undefined
  /**
   * Response codes of a healthy server, or a function of the code that returns whether it is one; those without a name
   * here are `RCODE_11` and the like. Default `NOERROR` only.
   */
  readonly rcodes?: readonly DnsRcode[] | ((rcode: string) => boolean) | undefined
  /** What the reply must contain; a number counts records. By default nothing. */
  readonly answer?: DnsAnswerRule | undefined
  /**
   * At least so many records of the type asked for, beside what `answer` says: 0 to 65,535. Default 0. Not with a number as
   * `answer`, which says the same.
   */
  readonly minAnswers?: number | undefined
  /**
   * What a reply over UDP with the bit TC means. `accept`: the server is there, whatever the reply contains; the rules on
   * records are for TCP to fulfil. `retry`: ask again over TCP, as resolvers do (RFC 7766, 5), and judge that reply.
   * `fail`: it is wrong. Default `accept`.
   */
  readonly truncated?: DnsTruncated | undefined
  /** How to speak TLS. Default, with `tls` among the protocols: as the clients that judge no certificate. */
  readonly tls?: boolean | CheckTlsOptions | undefined
}

interface Rules {
  readonly isHealthy: (rcode: string) => boolean
  readonly answer: AnswerCheck
  readonly truncated: DnsTruncated
  readonly tls: TlsClient | undefined
}

/**
 * Asks one question over each protocol, all at the same time, from fresh sockets with random ids. A reply counts only if it
 * matches the query: id, opcode, name in any case, type, class. A truncated, malformed or wrong reply and the like are told
 * apart in the reason, which names the protocol: `dns udp 10.1.0.1:53: no answer within 500 ms`.
 *
 * @throws ArgumentError
 */
export function dns(options: DnsCheckOptions): Check {
  const fields = checkOptions(options, 'options', [
    ...endpointOptionNames,
    ...dnsQuestionOptionNames,
    'protocols',
    'require',
    'rcodes',
    'answer',
    'minAnswers',
    'truncated',
    'tls',
  ])
  const endpointOf = readEndpoint(fields)
  const { questionFor, ...kind } = readQuestion(fields)
  const { protocols, tls } = readProtocols(fields.protocols, fields.tls)
  const { require = 'all' } = fields
  if (require !== 'all' && require !== 'any')
    throw rangeError('options.require', "'all' or 'any'", require)
  const { rcodes: accepted = ['NOERROR'] } = fields
  const isHealthy = readRcodes(accepted)
  const canHaveSome = typeof accepted === 'function' || isHealthy('NOERROR')
  const rules: Rules = {
    isHealthy,
    answer: readAnswers(fields.answer, fields.minAnswers, kind, canHaveSome),
    truncated: readTruncated(fields.truncated, protocols),
    tls,
  }

  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const tasks = protocols.map((protocol) => {
      const question = questionFor(member)
      return (own: AbortSignal) => ask(protocol, endpoint, question, rules, own)
    })
    const said = require === 'all' ? await askAll(tasks, signal) : await gather(1, tasks, signal)
    return { detail: said.join('; ') }
  }
}

/** Waits for every protocol, so that the reason names each one that fails. */
async function askAll(
  tasks: readonly ((signal: AbortSignal) => Promise<string>)[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const ends = await Promise.allSettled(tasks.map((task) => task(signal)))
  const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []))
  if (errors.length > 0) throw joinErrors(errors, ends.length, ends.length)
  return ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
}

async function ask(
  protocol: DnsCheckProtocol,
  endpoint: CheckRoute,
  question: DnsQuestion,
  rules: Rules,
  signal: AbortSignal,
): Promise<string> {
  const label = `dns ${protocol} ${formatEndpoint(endpoint)}`
  const query = encodeQuery(question, randomInt(0x10000))
  const reply =
    protocol === 'udp'
      ? await askOverUdp(endpoint, query, label, signal)
      : await askOverTcp(endpoint, query, label, signal, rules.tls)
  // Its code may be cut off too, and is another one then: with EDNS a part of it comes last.
  if (reply.truncated && protocol === 'udp' && rules.truncated === 'retry')
    return `udp truncated, ${await ask('tcp', endpoint, question, rules, signal)}`
  if (!rules.isHealthy(reply.rcode)) throw new Error(`${label}: ${reply.rcode}`)
  if (reply.truncated && protocol === 'udp' && rules.truncated === 'accept')
    return `udp ${reply.rcode}, truncated`
  if (reply.truncated) throw new Error(`${label}: truncated reply`)
  const wrong = rules.answer(reply)
  if (wrong !== undefined) throw new Error(`${label}: ${wrong}`)
  return `${protocol} ${reply.rcode}, ${reply.answers.length} answers`
}

/** @throws ArgumentError */
function readProtocols(given: unknown, tls: unknown) {
  const wanted = given ?? (tls === undefined || tls === false ? ['udp', 'tcp'] : ['tls'])
  const protocols = readList('protocols', wanted, ['udp', 'tcp', 'tls'] as const)
  const isTls = protocols.includes('tls')
  if (isTls && protocols.length > 1) {
    const rule = "'tls' by itself: it has a port of its own (two checks, in checks.all, ask both)"
    throw rangeError('options.protocols', rule, given)
  }
  const client = readTls(tls ?? isTls, 'options.tls')
  if (isTls && client === undefined)
    throw rangeError('options.tls', "true or options with protocol 'tls'", tls)
  if (!isTls && client !== undefined)
    throw typeError('options.tls', "left out without protocol 'tls'", tls)
  return { protocols, tls: client }
}

/** @throws ArgumentError */
function readRcodes(accepted: unknown): (rcode: string) => boolean {
  if (typeof accepted === 'function') return (rcode) => accepted(rcode) === true
  const list: readonly string[] = readList('rcodes', accepted, rcodes)
  return (rcode) => list.includes(rcode)
}

/** @throws ArgumentError */
function readAnswers(
  answer: unknown,
  minAnswers: unknown,
  kind: Parameters<typeof readAnswerRule>[2],
  canHaveSome: boolean,
): AnswerCheck {
  if (minAnswers !== undefined && typeof answer === 'number')
    throw typeError('options.minAnswers', 'left out with a number in options.answer', minAnswers)
  const least = readAnswerRule(
    minAnswers === undefined ? 0 : checkInteger(minAnswers, 'options.minAnswers', 0, 65_535),
    'options.minAnswers',
    kind,
  )
  const rule = readAnswerRule(answer, 'options.answer', kind)
  const asksForSome = answer !== undefined && answer !== 0 && typeof answer !== 'function'
  const why = 'left out without NOERROR in options.rcodes: no other reply has answers'
  if (!canHaveSome && asksForSome) throw typeError('options.answer', why, answer)
  if (!canHaveSome && minAnswers !== undefined && minAnswers !== 0)
    throw typeError('options.minAnswers', why, minAnswers)
  return (reply) => least(reply) ?? rule(reply)
}

/** @throws ArgumentError */
function readTruncated(
  truncated: unknown = 'accept',
  protocols: readonly DnsCheckProtocol[],
): DnsTruncated {
  if (truncated !== 'accept' && truncated !== 'retry' && truncated !== 'fail')
    throw rangeError('options.truncated', "'accept', 'retry' or 'fail'", truncated)
  if (truncated !== 'accept' && !protocols.includes('udp'))
    throw typeError('options.truncated', "left out without protocol 'udp'", truncated)
  return truncated
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
