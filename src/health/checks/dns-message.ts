// DNS messages of a check: the query, and what a reply to it is worth.
import { type Answer, decode, encode, type RecordType } from 'dns-packet'
import type { NotOurs } from './udp-exchange.js'

/** What is asked. */
export interface DnsQuestion {
  /** Lower case, without the final dot; the root is the empty string. */
  readonly name: string
  readonly type: RecordType
  readonly recursionDesired: boolean
}

export interface DnsReply {
  /** `NOERROR`, `SERVFAIL`, ...; `RCODE_11` where there is no name. */
  readonly rcode: string
  /** The server had more to say than fits: over UDP that is an answer, but its records prove nothing. */
  readonly truncated: boolean
  readonly answers: readonly Answer[]
}

/** Codes of RFC 1035, RFC 2136. */
export const rcodes = [
  'NOERROR',
  'FORMERR',
  'SERVFAIL',
  'NXDOMAIN',
  'NOTIMP',
  'REFUSED',
  'YXDOMAIN',
  'YXRRSET',
  'NXRRSET',
  'NOTAUTH',
  'NOTZONE',
] as const

/** How a DNS server ends an answer, by its name in RFC 1035 and 2136. */
export type DnsRcode = (typeof rcodes)[number]

const HEADER_BYTES = 12
const RESPONSE_BIT = 0x8000
const OPCODE_BITS = 0x7800
const TRUNCATED_BIT = 0x0200
const RECURSION_DESIRED_BIT = 0x0100

export function encodeQuery({ name, type, recursionDesired }: DnsQuestion, id: number): Buffer {
  const flags = recursionDesired ? RECURSION_DESIRED_BIT : 0
  return encode({ type: 'query', id, flags, questions: [{ name: name === '' ? '.' : name, type }] })
}

/** As in {@link DnsQuestion.name}. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/** @throws Error with what is malformed about a reply that bears our id. */
export function readReply(message: Buffer, id: number, question: DnsQuestion): DnsReply | NotOurs {
  if (message.length < HEADER_BYTES) return { notOurs: `only ${message.length} bytes` }
  if (message.readUInt16BE(0) !== id) return { notOurs: 'wrong id' }
  const flags = message.readUInt16BE(2)
  if ((flags & RESPONSE_BIT) === 0 || (flags & OPCODE_BITS) !== 0)
    return { notOurs: 'not a response to a query' }

  const code = flags & 0xf
  const rcode = rcodes[code] ?? `RCODE_${code}`
  const truncated = (flags & TRUNCATED_BIT) !== 0
  const asked = readQuestions(message)
  // Servers that refuse to look at a query may leave the question out.
  const omitted = asked.length === 0 && code !== 0
  if (!omitted && !isQuestion(asked, question)) return { notOurs: 'wrong question' }
  // What follows the question may have been cut off anywhere.
  if (truncated) return { rcode, truncated, answers: [] }
  return { rcode, truncated, answers: decodeUpTo('answers', message).answers ?? [] }
}

function readQuestions(message: Buffer) {
  return decodeUpTo('questions', message).questions ?? []
}

/** Clients do not look at what comes behind, which may be of types that nobody knows, or not be there. */
function decodeUpTo(last: 'questions' | 'answers', message: Buffer) {
  const part = Buffer.from(message)
  part.fill(0, last === 'questions' ? 6 : 8, HEADER_BYTES)
  return decodeOrThrow(part)
}

function isQuestion(asked: ReturnType<typeof readQuestions>, { name, type }: DnsQuestion): boolean {
  const [first] = asked
  if (first === undefined || asked.length !== 1) return false
  return plainName(first.name) === name && first.type === type && (first.class ?? 'IN') === 'IN'
}

function decodeOrThrow(message: Buffer) {
  let packet: ReturnType<typeof decode>
  try {
    packet = decode(message)
  } catch (error) {
    throw new Error(`malformed reply: ${error instanceof Error ? error.message : error}`)
  }
  // dns-packet reads an address that is cut off as if there were more.
  if (decode.bytes > message.length) throw new Error('malformed reply: shorter than its records')
  return packet
}
