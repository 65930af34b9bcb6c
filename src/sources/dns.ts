// Servers from DNS: the addresses of a name, or the targets of a service.
import type { RecordWithTtl, SrvRecord } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { inspect } from 'node:util'
import { pause } from '../abort.js'
import { rangeError, typeError } from '../errors.js'
import type { PoolServer } from '../servers.js'
import { endpointKey } from '../servers.js'
import type { Family } from '../types.js'
import {
  checkBoolean,
  checkInteger,
  checkName,
  checkOptions,
  checkSignal,
  DAY_MS,
} from '../validate.js'
import { readFamilies } from './families.js'
import { type ServerSource, serverSource, unlessAborted } from './source.js'

/** What is asked of a resolver: any `Resolver` of `node:dns/promises` will do. */
export type ServerResolver = Pick<Resolver, 'resolve4' | 'resolve6' | 'resolveSrv'>

/** Options of {@link resolveServers}. */
export interface ResolveServersOptions {
  /** Default `'A'`. */
  readonly type?: 'A' | 'AAAA' | 'SRV' | undefined
  /** Port of the servers, 1 to 65535. Default: each front's own. Not with `SRV`, whose records say it. */
  readonly port?: number | undefined
  /** With `SRV` only: which addresses of the targets. Default `['ipv4']`. */
  readonly families?: readonly Family[] | undefined
  /** Pause between two looks, in milliseconds, 1000 to 86400000. Default 30000. */
  readonly intervalMs?: number | undefined
  /**
   * Looks again when the records' time to live is over, if that is before `intervalMs`, but not within a second.
   * Default false. Not with `SRV`, whose time to live Node.js does not tell.
   */
  readonly ttl?: boolean | undefined
  /** Default: a new one for each look, with the system's DNS servers, 2 tries and 2 seconds for the first. */
  readonly resolver?: ServerResolver | undefined
  /** Ends the iterations. Default: none. */
  readonly signal?: AbortSignal | undefined
}

interface Settings {
  readonly name: string
  readonly type: 'A' | 'AAAA' | 'SRV'
  readonly port: number | undefined
  readonly families: readonly Family[]
  readonly intervalMs: number
  readonly ttl: boolean
  readonly resolver: ServerResolver | undefined
}

const TYPES = new Map([
  ['A', 'A'],
  ['AAAA', 'AAAA'],
  ['SRV', 'SRV'],
] as const)

/**
 * The servers that DNS has under a name: at once, and again after each change. The order of an answer is no change.
 * The name is asked for as it is: neither /etc/hosts nor search domains play a part.
 *
 * With `SRV`, the servers are the addresses of the targets with the lowest priority, or of the next priority if none
 * of them has an address. Ports and weights are the records'; a record with port 0 names none, so that each front's own
 * is taken; weight 0 becomes 1, because such a target is to be chosen now and then (RFC 2782), and a server with weight
 * 0 never is. A target that does not exist is left out; one
 * that cannot be looked up makes the look fail, so that trouble with DNS takes no server out. The target `.` (there
 * is no such service) makes an empty list.
 *
 * Each iteration starts afresh. Waiting does not keep the process alive, a question under way does.
 *
 * @throws TypeError, RangeError for a bad argument
 * @throws Error, while iterating, if a look has failed: with the name, the type, and `code`, such as `ENOTFOUND`,
 *   `ENODATA`, `ESERVFAIL`, `ETIMEOUT`
 */
export function resolveServers(name: string, options?: ResolveServersOptions): ServerSource {
  const fields = checkOptions(options, 'options', [
    'type',
    'port',
    'families',
    'intervalMs',
    'ttl',
    'resolver',
    'signal',
  ])
  const { intervalMs = 30_000, ttl = false } = fields
  const type = fields.type === undefined ? 'A' : checkName(fields.type, 'options.type', TYPES)
  const settings: Settings = {
    name: checkHost(name),
    type,
    port: readPort(fields.port, type),
    families: readFamilies(fields.families),
    intervalMs: checkInteger(intervalMs, 'options.intervalMs', 1000, DAY_MS),
    ttl: checkBoolean(ttl, 'options.ttl'),
    resolver: readResolver(fields.resolver),
  }
  if (fields.families !== undefined && type !== 'SRV') {
    const rule = `left out: type ${type} says which addresses`
    throw typeError('options.families', rule, fields.families)
  }
  if (ttl === true && type === 'SRV') {
    const rule = 'false or left out: Node.js does not tell the time to live of SRV records'
    throw rangeError('options.ttl', rule, ttl)
  }
  return serverSource(
    (signal) => lookAgain(settings, signal),
    checkSignal(fields.signal, 'options.signal'),
  )
}

async function* lookAgain(
  settings: Settings,
  signal: AbortSignal,
): AsyncGenerator<PoolServer[], void, void> {
  while (!signal.aborted) {
    const seen = await look(settings, signal)
    if (seen === undefined) return
    yield seen.servers
    await pause(untilNext(settings, seen.ttlSeconds), signal)
  }
}

function untilNext({ intervalMs, ttl }: Settings, ttlSeconds: number): number {
  return ttl ? Math.max(1000, Math.min(intervalMs, ttlSeconds * 1000)) : intervalMs
}

interface Seen {
  readonly servers: PoolServer[]
  /** The least of all records. */
  readonly ttlSeconds: number
}

/** `undefined`: ended. */
async function look(settings: Settings, signal: AbortSignal): Promise<Seen | undefined> {
  // c-ares, not dns.lookup: that would hold one of libuv's four threads for as long as DNS is silent. A new one each
  // time reads /etc/resolv.conf anew and has nothing in its memory.
  const own =
    settings.resolver === undefined ? new Resolver({ timeout: 2000, tries: 2 }) : undefined
  const resolver = settings.resolver ?? own!
  const { name, type, port } = settings
  try {
    const work = type === 'SRV' ? targets(resolver, settings) : hosts(resolver, name, type, port)
    return await unlessAborted(work, signal)
  } finally {
    // A question that is still under way would keep the process alive.
    own?.cancel()
  }
}

async function hosts(
  resolver: ServerResolver,
  name: string,
  type: 'A' | 'AAAA',
  port: number | undefined,
): Promise<Seen> {
  const records = await addresses(resolver, name, type).catch((error: unknown) => {
    throw lookError(`${name} ${type}`, error)
  })
  const servers = records.map(({ address }) =>
    port === undefined ? { address } : { address, port },
  )
  return { servers: tidy(servers), ttlSeconds: leastTtl(records) }
}

async function targets(resolver: ServerResolver, { name, families }: Settings): Promise<Seen> {
  const all = await srvRecords(resolver, name).catch((error: unknown) => {
    throw lookError(`${name} SRV`, error)
  })
  const records = all.filter((record) => record.name !== '' && record.name !== '.')
  if (records.length === 0) return { servers: [], ttlSeconds: Number.POSITIVE_INFINITY }
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b)
  for (const priority of priorities) {
    const group = records.filter((record) => record.priority === priority)
    const found = await Promise.all(
      group.map((record) => targetServers(resolver, record, families, name)),
    )
    const servers = tidy(found.flat())
    if (servers.length > 0) return { servers, ttlSeconds: Number.POSITIVE_INFINITY }
  }
  const tried = [...new Set(records.map((record) => record.name))].join(', ')
  const text = `${name} SRV: none of its targets has an ${families.join(' or ')} address: ${tried}`
  throw Object.assign(new Error(text), { code: 'ENODATA' })
}

/** One server for each address of a target. */
async function targetServers(
  resolver: ServerResolver,
  { name: target, port, weight }: SrvRecord,
  families: readonly Family[],
  name: string,
): Promise<PoolServer[]> {
  const found = await Promise.all(
    families.map(async (family) => {
      const type = family === 'ipv4' ? 'A' : 'AAAA'
      try {
        return await addresses(resolver, target, type)
      } catch (error) {
        if (isAbsent(error)) return []
        throw lookError(`${name} SRV: its target ${target} ${type}`, error)
      }
    }),
  )
  // Port 0 is no port: a headless service of Kubernetes without ports has it.
  const at = port === 0 ? {} : { port }
  return found.flat().map(({ address }) => ({ address, ...at, weight: Math.max(1, weight) }))
}

async function addresses(
  resolver: ServerResolver,
  name: string,
  type: 'A' | 'AAAA',
): Promise<RecordWithTtl[]> {
  const ttl = { ttl: true } as const
  const records: unknown = await (type === 'A'
    ? resolver.resolve4(name, ttl)
    : resolver.resolve6(name, ttl))
  return readRecords<RecordWithTtl>(
    records,
    ({ address }) => typeof address === 'string' && isIP(address) === (type === 'A' ? 4 : 6),
  )
}

async function srvRecords(resolver: ServerResolver, name: string): Promise<SrvRecord[]> {
  const isShort = (value: unknown) =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535
  return readRecords<SrvRecord>(
    await resolver.resolveSrv(name),
    (record) =>
      typeof record.name === 'string' &&
      [record.port, record.priority, record.weight].every(isShort),
  )
}

/** @throws Error with code `EBADRESP`: what a resolver of the caller's gives may be anything */
function readRecords<R>(
  records: unknown,
  fits: (record: { readonly [N in keyof R]: unknown }) => boolean,
): R[] {
  const list: readonly unknown[] = Array.isArray(records) ? records : [undefined]
  const isRecord = (it: unknown): it is R => typeof it === 'object' && it !== null && fits(it as R)
  if (list.every(isRecord)) return [...list]
  const wrong = list.find((it) => !isRecord(it))
  const text = `the resolver has given ${inspect(wrong, { breakLength: Number.POSITIVE_INFINITY })}`
  throw Object.assign(new Error(text), { code: 'EBADRESP' })
}

/** Of those that have one: c-ares tells it of the first 256 records only. */
function leastTtl(records: readonly RecordWithTtl[]): number {
  let least = Number.POSITIVE_INFINITY
  for (const { ttl } of records) {
    if (Number.isFinite(ttl) && ttl >= 0) least = Math.min(least, ttl)
  }
  return least
}

/** Sorted, because DNS servers rotate their answers; each once: two targets on one server share its weight. */
function tidy(servers: readonly PoolServer[]): PoolServer[] {
  const known = new Map<string, PoolServer>()
  for (const server of servers) {
    const key = endpointKey(server.address, server.port ?? 0)
    const weight = (known.get(key)?.weight ?? 0) + (server.weight ?? 0)
    known.set(key, weight === 0 ? server : { ...server, weight })
  }
  return [...known].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, server]) => server)
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOTFOUND' || code === 'ENODATA'
}

const MEANINGS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such name',
  ENODATA: 'the name has no records of this type',
  ESERVFAIL: 'the DNS server could not find out (its own servers, or DNSSEC, have failed)',
  EREFUSED: 'the DNS server refuses to answer this host',
  ETIMEOUT: 'no DNS server has answered in time',
  ECONNREFUSED: 'no DNS server is listening at the address in use, see /etc/resolv.conf',
  EBADNAME: 'this is not a name that can be asked for',
  EBADRESP: 'the answer of the DNS server makes no sense',
  EFORMERR: 'the DNS server did not understand the question',
  ENOTIMP: 'the DNS server does not know this type',
  ECANCELLED: 'the resolver has been cancelled',
}

function lookError(what: string, error: unknown): Error {
  const { code = 'EUNKNOWN', message } = error as NodeJS.ErrnoException
  const text = `${what}: ${code}: ${MEANINGS[code] ?? message}`
  return Object.assign(new Error(text, { cause: error }), { code })
}

function checkHost(name: unknown): string {
  if (typeof name !== 'string') throw typeError('name', 'a name in DNS, as a string', name)
  if (isIP(name) !== 0) {
    throw rangeError('name', 'a name in DNS: an address needs no looking up', name)
  }
  // Internationalised names belong into DNS in their ASCII form, and c-ares would take them as they are.
  if (!/^[\x21-\x7e]{1,254}$/.test(name)) {
    throw rangeError('name', 'a name in DNS such as "dns.example.org", in ASCII', name)
  }
  return name
}

function readPort(port: unknown, type: string): number | undefined {
  if (port === undefined) return undefined
  if (type === 'SRV') throw typeError('options.port', 'left out: SRV records have a port', port)
  return checkInteger(port, 'options.port', 1, 65_535)
}

function readResolver(resolver: unknown): ServerResolver | undefined {
  if (resolver === undefined) return undefined
  const methods = ['resolve4', 'resolve6', 'resolveSrv'] as const
  const fits =
    typeof resolver === 'object' &&
    resolver !== null &&
    methods.every((name) => typeof Reflect.get(resolver, name) === 'function')
  if (fits) return resolver as ServerResolver
  throw typeError('options.resolver', 'a Resolver of node:dns/promises', resolver)
}
