// A service's line in a listing: its name, and its settings or columns.
import { rangeError } from '../errors.js'
import type { Protocol, SchedulerFlag, ServiceId } from '../types.js'
import { checkModuleName } from '../validate.js'
import type { ListedSettings } from './listed.js'
import { type Heading, readColumns } from './listing-columns.js'
import type { Dialect } from './listing-dialects.js'

const PROTOCOLS: ReadonlyMap<string, Protocol> = new Map([
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['SCTP', 'sctp'],
])

/** @throws RangeError */
export function readService(
  words: readonly string[],
  heading: Heading,
  dialect: Dialect,
  hz: number | undefined,
): { readonly id: ServiceId; readonly settings: ListedSettings } {
  const { id, rest } = readIdentity(words, dialect)
  if (heading.areStats) return { id, settings: readColumns(rest, heading) }
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
