// DNS messages of a check: the query, and what a reply to it is worth.
import { decode, encode } from 'dns-packet'
import { afterName, type DnsEdnsOption, findOpt } from './dns-edns.js'
import type { DnsRecord, DnsRecordType } from './dns-record.js'
import type { NotOurs } from './udp-exchange.js'

/** Internet, Chaos (for what servers say of themselves), Hesiod. */
export type DnsClass = 'IN' | 'CH' | 'HS'

/** What is asked. */
export interface DnsQuestion {
  /** Lower case, without the final dot; the root is the empty string. */
  readonly name: string
  readonly type: DnsRecordType
  readonly class: DnsClass
  /** Bits of the header: {@link RECURSION_DESIRED} and the like. */
  readonly flags: number
  /** The OPT record, as it goes over the wire. */
  readonly opt: Uint8Array | undefined
}

/** A reply to our question. */
export interface DnsReply {
  /** `NOERROR`, `SERVFAIL`, ...; `RCODE_11` where there is no name. With EDNS, all twelve bits of it. */
  readonly rcode: string
  /** Bit TC: the server had more to say than fits. Its records are not read then, `answers` is empty. */
  readonly truncated: boolean
  /** Bit AA. */
  readonly authoritative: boolean
  /** Bit RA. */
  readonly recursionAvailable: boolean
  /** Bit AD: the server has validated it (RFC 4035, 3.2.3). */
  readonly authenticData: boolean
  /** The records of the answer section, as `dns-packet` decodes them. */
  readonly answers: readonly DnsRecord[]
  /** Whether it has an OPT record. Always false without `edns`: it is not looked for. */
  readonly edns: boolean
  /** The options of that record. */
  readonly ednsOptions: readonly Required<DnsEdnsOption>[]
}

/** Codes of RFC 1035, RFC 2136, RFC 6891 and RFC 7873. */
const CODES = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const

/** How a DNS server ends an answer, by its name in RFC 1035, 2136, 6891 and 7873. */
export type DnsRcode = keyof typeof CODES

export const rcodes = Object.keys(CODES) as readonly DnsRcode[]
const NAMES = new Map<number, string>(Object.entries(CODES).map(([name, code]) => [code, name]))

export const RECURSION_DESIRED = 0x0100
export const AUTHENTIC_DATA = 0x0020
export const CHECKING_DISABLED = 0x0010

const HEADER_BYTES = 12
const RESPONSE = 0x8000
const OPCODE_BITS = 0x7800
const AUTHORITATIVE = 0x0400
const TRUNCATED = 0x0200
const RECURSION_AVAILABLE = 0x0080

export function encodeQuery(question: DnsQuestion, id: number): Buffer {
  const { name, type, class: space, flags, opt } = question
  const questions = [{ name: name === '' ? '.' : name, type, class: space }]
  const query = encode({ type: 'query', id, flags, questions })
  if (opt === undefined) return query
  query.writeUInt16BE(1, 10)
  return Buffer.concat([query, opt])
}

/** As in {@link DnsQuestion.name}. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

/**
 * @param query what was sent
 * @throws Error with what is malformed about a reply that bears our id.
 */
export function readReply(message: Buffer, query: Buffer): DnsReply | NotOurs {
  if (message.length < HEADER_BYTES) return { notOurs: `only ${message.length} bytes` }
  if (message.readUInt16BE(0) !== query.readUInt16BE(0)) return { notOurs: 'wrong id' }
  const flags = message.readUInt16BE(2)
  const has = (bit: number) => (flags & bit) !== 0
  if (!has(RESPONSE) || has(OPCODE_BITS)) return { notOurs: 'not a response to a query' }

  const asked = decodeUpTo('questions', message).questions ?? []
  // Servers that refuse to look at a query may leave the question out.
  const omitted = asked.length === 0 && (flags & 0xf) !== 0
  if (!omitted && (asked.length !== 1 || !isSameQuestion(message, query)))
    return { notOurs: 'wrong question' }
  const opt = query.readUInt16BE(10) === 0 ? undefined : findOpt(message)
  const code = (flags & 0xf) | (opt?.rcodeBits ?? 0)
  // What follows the question may have been cut off anywhere.
  const truncated = has(TRUNCATED)
  return {
    rcode: NAMES.get(code) ?? `RCODE_${code}`,
    truncated,
    authoritative: has(AUTHORITATIVE),
    recursionAvailable: has(RECURSION_AVAILABLE),
    authenticData: has(AUTHENTIC_DATA),
    answers: truncated ? [] : (decodeUpTo('answers', message).answers ?? []),
    edns: opt !== undefined,
    ednsOptions: opt?.options ?? [],
  }
}

/** Clients do not look at what comes behind, which may be of types that nobody knows, or not be there. */
function decodeUpTo(last: 'questions' | 'answers', message: Buffer) {
  const part = Buffer.from(message)
  part.fill(0, last === 'questions' ? 6 : 8, HEADER_BYTES)
  return decodeOrThrow(part)
}

/** Byte by byte but for the case of letters (RFC 4343, 3): decoded, a label "a.b" would be two. */
function isSameQuestion(message: Buffer, query: Buffer): boolean {
  const end = afterName(query, HEADER_BYTES)
  // Lengths of labels are no letters.
  const nameOf = (from: Buffer) => from.toString('latin1', HEADER_BYTES, end).toLowerCase()
  // Type and class may look like letters.
  const kindOf = (from: Buffer) => from.subarray(end, end + 4)
  return nameOf(message) === nameOf(query) && kindOf(message).equals(kindOf(query))
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
