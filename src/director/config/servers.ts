// Servers as a file spells them: a list, or where a list comes from.
import { type FollowOptions, readFollowOptions } from '../../pool/follow.js'
import type { PoolServer } from '../../servers.js'
import { resolveServers } from '../../sources/dns.js'
import { watchServers } from '../../sources/file.js'
import type { ServerSource } from '../../sources/source.js'
import { type CheckConfig, type CheckReader, type NoCheck, readCheckOf } from './checks.js'
import type { Path } from './mistakes.js'
import { type Fields, isMap, type Reader, shown } from './reader.js'
import type { Times } from './units.js'
import { digestOf } from './values.js'

/** A server of a list, with a check of its own where it has one. */
export interface ServerConfig {
  readonly server: string | PoolServer
  /** Default: the pool's. */
  readonly check?: CheckConfig | NoCheck | undefined
}

/** Where servers come from that are in no list. */
export interface SourceConfig {
  /** In words: `file /etc/ipvs/ldap`. */
  readonly name: string
  readonly servers: ServerSource
  readonly follow: FollowOptions
  /** Two with the same read the same. */
  readonly digest: string
}

/** How to make each kind of source of what a file says. */
const SOURCES: Readonly<
  Record<string, (what: string, options: Record<string, unknown>) => ServerSource>
> = {
  file: (what, options) => watchServers(what, options),
  dns: (what, options) => resolveServers(what, options),
}
const KINDS = Object.keys(SOURCES)
const TIMES: Times = { interval: 'Ms', hold: 'Ms', retry: 'Ms' }
const FOLLOW = ['holdMs', 'retryMs', 'minServers']

/** What `servers` says. Mistakes give no servers. */
export function readServersOf(
  value: unknown,
  path: Path,
  from: CheckReader,
): { readonly servers: readonly ServerConfig[]; readonly source?: SourceConfig } {
  if (!isMap(value)) return { servers: readServerList(value, path, from) }
  const source = readSource(value, path, from.reader)
  return source === undefined ? { servers: [] } : { servers: [], source }
}

/** A list of servers. What is in each is for the library to check, but for `check`. */
export function readServerList(value: unknown, path: Path, from: CheckReader): ServerConfig[] {
  if (!Array.isArray(value)) {
    const forms = "['10.1.0.1', { address: 10.1.0.2, weight: 3 }], { file: PATH } or { dns: NAME }"
    from.reader.add(path, `must be ${forms}; received ${shown(value)}`)
    return []
  }
  return value.map((one: unknown, index): ServerConfig => {
    if (!isMap(one) || !('check' in one)) return { server: one as string }
    const { check, ...server } = one
    const read = readCheckOf(check, [...path, index, 'check'], from)
    return { server: server as unknown as PoolServer, check: read }
  })
}

function readSource(value: Fields, path: Path, reader: Reader): SourceConfig | undefined {
  const kinds = Object.keys(value).filter((key) => KINDS.includes(key))
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) {
    reader.add(path, `must have one of ${KINDS.map((one) => `"${one}"`).join(', ')}`)
    return undefined
  }
  const { [kind]: what, ...more } = value
  const text = reader.text(what, [...path, kind], kind === 'file' ? 'a path' : 'a name')
  const translated = reader.translate(more, path, TIMES)
  const read = reader.check(
    translated,
    'options',
    (place) => [...path, ...place],
    (options) => {
      const own = Object.entries(options)
      const follow = Object.fromEntries(own.filter(([key]) => FOLLOW.includes(key)))
      readFollowOptions(follow)
      const rest = Object.fromEntries(own.filter(([key]) => !FOLLOW.includes(key)))
      return { servers: SOURCES[kind]!(text ?? 'unknown', rest), follow }
    },
  )
  if (text === undefined || read === undefined) return undefined
  return { name: `${kind} ${text}`, ...read, digest: digestOf(value) }
}
