// The rule on the records of a reply.
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import type { Answer, RecordType } from 'dns-packet'
import { rangeError, typeError } from '../../errors.js'
import { checkInteger } from '../../validate.js'

/**
 * - a number: at least so many records of the type asked for;
 * - a text or several: each is the data of such a record (types A, AAAA, CNAME, DNAME, NS, PTR and TXT; names
 *   without regard to case and final dot, addresses in any spelling, the parts of a TXT record joined);
 * - a function of all records in the answer section, as `dns-packet` decodes them: true if they are right; false,
 *   or a text that says what is wrong.
 */
export type DnsAnswerRule =
  | number
  | string
  | readonly string[]
  | ((answers: readonly Answer[]) => boolean | string)

/** What is wrong with the answers, or `undefined`. */
export type AnswerCheck = (answers: readonly Answer[]) => string | undefined

const NAMES: readonly RecordType[] = ['CNAME', 'DNAME', 'NS', 'PTR']
const TEXTS: readonly RecordType[] = ['A', 'AAAA', 'TXT', ...NAMES]

/** @throws ArgumentError */
export function readAnswerRule(rule: unknown, type: RecordType): AnswerCheck {
  if (rule === undefined) return () => undefined
  if (typeof rule === 'number')
    return atLeast(checkInteger(rule, 'options.answer', 0, 65_535), type)
  if (isFunction(rule)) return (answers) => judge(rule(answers))
  const expected: unknown[] = Array.isArray(rule) ? rule : [rule]
  if (expected.length === 0 || !expected.every((text) => typeof text === 'string')) {
    throw typeError('options.answer', 'a count, one or more texts, or a function', rule)
  }
  if (!TEXTS.includes(type)) {
    throw rangeError(
      'options.answer',
      `a count or a function for type ${type}: only ${TEXTS.join(', ')} have texts`,
      rule,
    )
  }
  for (const text of expected) {
    if (type === 'A' && !isIPv4(text)) throw rangeError('options.answer', 'an IPv4 address', text)
    if (type === 'AAAA' && !isIPv6(text))
      throw rangeError('options.answer', 'an IPv6 address', text)
  }
  return contains(expected, type)
}

function atLeast(count: number, type: RecordType): AnswerCheck {
  return (answers) => {
    const found = answers.filter((answer) => answer.type === type).length
    return found < count ? `${found} ${type} records, at least ${count} expected` : undefined
  }
}

function contains(expected: readonly string[], type: RecordType): AnswerCheck {
  const normal = normalFor(type)
  return (answers) => {
    const found = answers.flatMap((answer) =>
      answer.type === type && 'data' in answer ? [textOf(answer.data)] : [],
    )
    const seen = new Set(found.map(normal))
    const missing = expected.filter((text) => !seen.has(normal(text)))
    if (missing.length === 0) return undefined
    return `no ${type} record ${missing.join(', ')}, but ${found.length === 0 ? 'none at all' : found.join(', ')}`
  }
}

/** Two spellings of the same are the same. */
function normalFor(type: RecordType): (text: string) => string {
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

function isFunction(rule: unknown): rule is (answers: readonly Answer[]) => boolean | string {
  return typeof rule === 'function'
}
