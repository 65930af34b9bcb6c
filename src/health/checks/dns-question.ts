// What checks.dns asks: the options that make its question.
import { randomBytes } from 'node:crypto'
import { decode } from 'dns-packet'
import { rangeError, typeError } from '../../errors.js'
import { checkBoolean, checkName } from '../../validate.js'
import type { HealthMember } from '../types.js'
import { type DnsEdnsOptions, readEdns } from './dns-edns.js'
import {
  AUTHENTIC_DATA,
  CHECKING_DISABLED,
  type DnsClass,
  type DnsQuestion,
  encodeQuery,
  plainName,
  RECURSION_DESIRED,
} from './dns-message.js'
import type { DnsRecordType } from './dns-record.js'

/** Of the types without a name here, by their number (RFC 3597, 5): `TYPE65`. */
export type DnsType = DnsRecordType | `TYPE${number}`

/** What `checks.dns` asks. */
export interface DnsQuestionOptions {
  /**
   * The name to ask for, at most 253 ASCII characters, such as `example.org`; `.` is the root. A function is called
   * for each question.
   */
  readonly name: string | ((member: HealthMember) => string)
  /**
   * Puts a new label of 16 random hexadecimal digits before the name, for each question: no cache has the answer. What
   * the server says of names that are not there is healthy only if `rcodes` says so. Default false.
   */
  readonly randomLabel?: boolean | undefined
  /** Record type to ask for. Default `A`, in other classes than `IN` `TXT`. */
  readonly type?: DnsType | undefined
  /**
   * `IN`, `CH` or `HS`. Servers tell of themselves in `CH` (RFC 4892): `version.bind`, `id.server`. There, and in `HS`,
   * only types whose data are the same in every class can be asked for. Default `IN`.
   */
  readonly class?: DnsClass | undefined
  /** Sets the bit RD; a purely authoritative server ignores it. Default true. */
  readonly recursionDesired?: boolean | undefined
  /** Sets the bit CD: a resolver shall not validate (RFC 4035, 3.2.2). Default false. */
  readonly checkingDisabled?: boolean | undefined
  /** Sets the bit AD: we understand it in the reply (RFC 6840, 5.7). Default false. */
  readonly authenticData?: boolean | undefined
  /** Sends an OPT record (EDNS, RFC 6891), with what it says. Default false. */
  readonly edns?: boolean | DnsEdnsOptions | undefined
}

export const dnsQuestionOptionNames = [
  'name',
  'randomLabel',
  'type',
  'class',
  'recursionDesired',
  'checkingDisabled',
  'authenticData',
  'edns',
] as const

const CLASSES = new Map<string, DnsClass>([
  ['IN', 'IN'],
  ['CH', 'CH'],
  ['HS', 'HS'],
])
/** RFC 1035 has their data the same in all classes. */
const ANY_CLASS: readonly DnsRecordType[] = ['TXT', 'NS', 'SOA', 'CNAME', 'PTR', 'MX', 'HINFO']

export interface Asked {
  readonly type: DnsRecordType
  readonly class: DnsClass
  /** Throws what does not fit the member. */
  readonly questionFor: (member: HealthMember) => DnsQuestion
}

/** @throws ArgumentError */
export function readQuestion(
  fields: Readonly<Record<(typeof dnsQuestionOptionNames)[number], unknown>>,
): Asked {
  const bit = (option: 'recursionDesired' | 'checkingDisabled' | 'authenticData', flag: number) =>
    fields[option] !== undefined && checkBoolean(fields[option], `options.${option}`) ? flag : 0
  const space = checkName(fields.class ?? 'IN', 'options.class', CLASSES)
  const type = readType(fields.type ?? (space === 'IN' ? 'A' : 'TXT'), space)
  const kind = {
    type,
    class: space,
    flags:
      (fields.recursionDesired === undefined ? RECURSION_DESIRED : 0) |
      bit('recursionDesired', RECURSION_DESIRED) |
      bit('checkingDisabled', CHECKING_DISABLED) |
      bit('authenticData', AUTHENTIC_DATA),
    opt: readEdns(fields.edns),
  }
  const { name: given, randomLabel = false } = fields
  const isRandom = checkBoolean(randomLabel, 'options.randomLabel')
  const read = (name: unknown) => readName(name, isRandom)
  const fixed = typeof given === 'function' ? undefined : read(given)
  return {
    type,
    class: space,
    questionFor: (member) => {
      const name = fixed ?? read((given as (member: HealthMember) => unknown)(member))
      return { name: isRandom ? before(randomBytes(8).toString('hex'), name) : name, ...kind }
    },
  }
}

function before(label: string, name: string): string {
  return name === '' ? label : `${label}.${name}`
}

/** @param isRandom a label of 16 characters will come before it */
function readName(name: unknown, isRandom: boolean): string {
  if (typeof name !== 'string')
    throw typeError('options.name', 'a domain name such as example.org, or a function', name)
  const plain = plainName(name)
  // dns-packet would write an empty, over-long or non-ASCII label as it is.
  const labels = plain === '' ? [] : plain.split('.')
  const most = isRandom ? 236 : 253
  const fine = plain.length <= most && labels.every((label) => /^[\x21-\x7e]{1,63}$/.test(label))
  if (name === '' || !fine) {
    const short = isRandom ? `, ${most} in all, with options.randomLabel` : ''
    const rule = `a domain name in ASCII, with labels of 1 to 63 characters${short}, or "." for the root`
    throw rangeError('options.name', rule, name)
  }
  return plain
}

function readType(type: unknown, space: DnsClass): DnsRecordType {
  if (typeof type !== 'string')
    throw typeError('options.type', 'a record type such as A or SOA', type)
  const known = type.replace(/^TYPE(?=\d{1,5}$)/, 'UNKNOWN_') as DnsRecordType
  // What dns-packet does not know does not come back as it went in; the others have no single, plain reply.
  if (comesBackAs(known) !== known || ['ANY', 'AXFR', 'IXFR', 'OPT'].includes(known)) {
    const rule =
      'a record type in capitals, such as A or SOA, or TYPE65 for one without a name, that can be asked for'
    throw rangeError('options.type', rule, type)
  }
  if (space !== 'IN' && !ANY_CLASS.includes(known))
    throw rangeError('options.type', `one of ${ANY_CLASS.join(', ')} in class ${space}`, type)
  return known
}

function comesBackAs(type: DnsRecordType): string | undefined {
  try {
    const query = encodeQuery({ name: '', type, class: 'IN', flags: 0, opt: undefined }, 0)
    return decode(query).questions?.[0]?.type
  } catch {
    // A number over 65535.
    return undefined
  }
}
