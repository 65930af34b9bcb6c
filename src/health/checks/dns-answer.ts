// The rule on the records of a reply.
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { rangeError, typeError } from '../../errors.js'
import { checkInteger } from '../../validate.js'
import type { DnsClass, DnsReply } from './dns-message.js'
import type { DnsRecord, DnsRecordType } from './dns-record.js'

/**
 * - a number: at least so many records of the type asked for;
 * - a text or several: each is the data of such a record (types A, AAAA, CNAME, DNAME, NS, PTR and TXT; names
 *   without regard to case and final dot, addresses in any spelling, the parts of a TXT record joined);
 * - a function of all records in the answer section, as `dns-packet` decodes them, and of the whole reply: true if they
 *   are right; false, or a text that says what is wrong.
 */
export type DnsAnswerRule =
  | number
  | string
  | readonly string[]
  | ((answers: readonly DnsRecord[], reply: DnsReply) => boolean | string)

/** What is wrong with the answers, or `undefined`. */
export type AnswerCheck = (reply: DnsReply) => string | undefined

/** What is asked for: other records in the answer are not counted. */
interface Kind {
  readonly type: DnsRecordType
  readonly class: DnsClass
}

const NAMES: readonly DnsRecordType[] = ['CNAME', 'DNAME', 'NS', 'PTR']
const TEXTS: readonly DnsRecordType[] = ['A', 'AAAA', 'TXT', ...NAMES]

/** @throws ArgumentError */
export function readAnswerRule(rule: unknown, option: string, kind: Kind): AnswerCheck {
  const { type } = kind
  if (rule === undefined) return () => undefined
  if (typeof rule === 'number') return atLeast(checkInteger(rule, option, 0, 65_535), kind)
  if (isFunction(rule)) return (reply) => judge(rule(reply.answers, reply))
  const expected: unknown[] = Array.isArray(rule) ? rule : [rule]
  if (expected.length === 0 || !expected.every((text) => typeof text === 'string'))
    throw typeError(option, 'a count, one or more texts, or a function', rule)
  if (!TEXTS.includes(type)) {
    const which = `only ${TEXTS.join(', ')} have texts`
    throw rangeError(option, `a count or a function for type ${type}: ${which}`, rule)
  }
  for (const text of expected) {
    if (type === 'A' && !isIPv4(text)) throw rangeError(option, 'an IPv4 address', text)
    if (type === 'AAAA' && !isIPv6(text)) throw rangeError(option, 'an IPv6 address', text)
  }
  return contains(expected, kind)
}

function atLeast(count: number, kind: Kind): AnswerCheck {
  return ({ answers }) => {
    const found = answers.filter((answer) => isOf(kind, answer)).length
    return found < count ? `${found} ${kind.type} records, at least ${count} expected` : undefined
  }
}

function contains(expected: readonly string[], kind: Kind): AnswerCheck {
  const normal = normalFor(kind.type)
  return ({ answers }) => {
    const found = answers.flatMap((answer) =>
      isOf(kind, answer) && 'data' in answer ? [textOf(answer.data)] : [],
    )
    const seen = new Set(found.map(normal))
    const missing = expected.filter((text) => !seen.has(normal(text)))
    if (missing.length === 0) return undefined
    return `no ${kind.type} record ${missing.join(', ')}, but ${found.length === 0 ? 'none at all' : found.join(', ')}`
  }
}

function isOf(kind: Kind, answer: DnsRecord): boolean {
  return answer.type === kind.type && 'class' in answer && answer.class === kind.class
}

/** Two spellings of the same are the same. */
function normalFor(type: DnsRecordType): (text: string) => string {
  if (NAMES.includes(type)) return (text) => text.toLowerCase().replace(/\.$/, '')
  if (type === 'AAAA') {
    return (text) =>
      isIPv6(text) ? new SocketAddress({ address: text, family: 'ipv6' }).address : text
  }
  return (text) => text
}

function judge(said: boolean | string): string | undefined {
  if (said === true) return undefined
  return typeof said === 'string' ? said : 'the answers are not those expected'
}

/** The parts of a TXT record are buffers. */
function textOf(data: unknown): string {
  return Array.isArray(data) ? data.map((part) => part.toString()).join('') : String(data)
}

function isFunction(
  rule: unknown,
): rule is (answers: readonly DnsRecord[], reply: DnsReply) => boolean | string {
  return typeof rule === 'function'
}
