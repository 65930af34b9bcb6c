// One line of a listing: a service with its settings or columns, or the columns of a server.
import { rangeError } from '../errors.js'
import type { ForwardingMethod, Protocol, SchedulerFlag, ServiceId } from '../types.js'
import { checkModuleName } from '../validate.js'
import type { ListedColumns, ListedSettings, ListedStats } from './listed.js'
import { type Column, type Dialect, type Heading, isCounter } from './listing-dialects.js'

const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
])

/** ip_vs_ctl.c: ip_vs_fwd_name, and ipvsadm.c: fwd_name. The last has no name of ours. */
const METHODS: ReadonlyMap<string, string> = new Map([
  ['Masq', 'masquerade'],
  ['Local', 'local'],
  ['Tunnel', 'tunnel'],
  ['Route', 'direct'],
  ['Bypass', 'method-4'],
])

const THOUSANDS = ['', 'K', 'M', 'G', 'T']
/** @throws RangeError */
export function readService(
  words: readonly string[],
  heading: Heading,
  dialect: Dialect,
  hz: number | undefined,
): { readonly id: ServiceId; readonly settings: ListedSettings } {
  const { id, rest } = readIdentity(words, dialect)
  if (heading.areStats) return { id, settings: readColumns({}, rest, 0, heading) }
  return { id, settings: readSettings(rest, dialect, isOfIPv6(id), hz) }
}

/** `undefined`: the listing does not say. */
function isOfIPv6(id: ServiceId): boolean | undefined {
  if (id.fwmark === undefined) return id.address.includes(':')
  return id.family === undefined ? undefined : id.family === 'ipv6'
}

function readIdentity(
  [kind = '', name = '', ...rest]: readonly string[],
  dialect: Dialect,
): { id: ServiceId; rest: readonly string[] } {
  if (kind === 'FWM') {
    const { words, ...family } = dialect.family(rest[0])
    return { id: { fwmark: dialect.fwmark(name), ...family }, rest: rest.slice(words) }
  }
  const protocol = PROTOCOLS.get(kind)
  if (protocol === undefined) {
    const rule = 'a service (TCP, UDP, SCTP or FWM) or a server (->)'
    throw rangeError('a line of a listing', rule, kind)
  }
  return { id: { protocol, ...dialect.endpoint(name, 'the address of a service') }, rest }
}

function readSettings(
  [scheduler = '', ...words]: readonly string[],
  dialect: Dialect,
  ipv6: boolean | undefined,
  hz: number | undefined,
): ListedSettings {
  let settings: ListedSettings = {
    scheduler: checkModuleName(scheduler, 'the scheduler', 'wrr'),
    ...(dialect.saysOnePacket(ipv6) && { onePacket: false }),
  }
  const seen = new Set<string>()
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    const kind = word.startsWith('(') ? '(' : word
    if (seen.has(kind)) throw rangeError('a service', 'listed with each setting once', word)
    seen.add(kind)
    if (word === 'ops') settings = { ...settings, onePacket: true }
    else if (word === 'persistent') {
      const read = dialect.persistence(words.slice(at + 1), ipv6, hz)
      settings = { ...settings, persistence: read.persistence }
      at += read.words
    } else if (word === 'pe') {
      const name = checkModuleName(words[++at] ?? '', 'pe', 'sip')
      settings = { ...settings, persistenceEngine: name }
    } else if (/^\([\w,-]+\)$/.test(word)) {
      const schedulerFlags = word.slice(1, -1).split(',') as SchedulerFlag[]
      settings = { ...settings, schedulerFlags }
    } else throw rangeError('a service', 'followed by what belongs to a service', word)
  }
  return settings
}

/** Puts the columns of a server, or of a service that has them, into `target`; they are the words from `first` on. @throws RangeError */
export function readColumns<T extends object>(
  target: T,
  words: readonly string[],
  first: number,
  { columns, areStats }: Heading,
): T & ListedColumns {
  if (words.length !== first + columns.length) {
    const found = words.slice(first).join(' ')
    throw rangeError('a line', `with ${columns.length} columns behind the address`, found)
  }
  const read: Partial<Record<Column, ForwardingMethod | number | bigint>> = areStats ? {} : target
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index]!
    read[column] = readColumn(column, words[first + index]!, areStats)
  }
  return areStats ? { ...target, stats: read as ListedStats } : (target as T & ListedColumns)
}

function readColumn(
  column: Column,
  word: string,
  isStat: boolean,
): ForwardingMethod | number | bigint {
  if (column === 'forwarding') return readMethod(word)
  if (!isStat) return readCount(word, column)
  const number = readLarge(word, column)
  return isCounter(column) ? number : Number(number)
}

function readCount(word: string, column: Column): number {
  if (/^\d{1,10}$/.test(word)) return Number(word)
  throw rangeError(`column ${column}`, 'a number', word)
}

function readMethod(word: string): ForwardingMethod {
  const method = METHODS.get(word)
  if (method !== undefined) return method as ForwardingMethod
  throw rangeError('a forwarding method', `one of ${[...METHODS.keys()].join(', ')}`, word)
}

/** `123456`, or `123456K` and so on (ipvsadm.c: print_largenum). */
function readLarge(word: string, column: Column): bigint {
  const [, digits, unit] = /^(\d{1,20})([KMGT]?)$/.exec(word) ?? []
  if (digits === undefined) throw rangeError(`column ${column}`, 'a number', word)
  return BigInt(digits) * 1000n ** BigInt(THOUSANDS.indexOf(unit!))
}
