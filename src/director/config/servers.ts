// Servers as a file spells them: a list, or where a list comes from.

import { type FollowOptions, readFollowOptions } from '../../pool/follow.js'
import type { PoolServer } from '../../servers.js'
import {
  consulServers,
  etcdServers,
  httpServers,
  kubernetesServers,
  resolveServers,
  type ServerSource,
  watchServers,
} from '../../sources/index.js'
import { quoted } from '../../validate/spelling.js'
import { type CheckConfig, type CheckReader, type NoCheck, readCheckOf } from './checks.js'
import type { EtcdConfig } from './etcd.js'
import { readFiles } from './files.js'
import type { Path } from './mistakes.js'
import { type Fields, isMap, shown } from './reader.js'
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

/** A kind of source. */
interface SourceKind {
  /** In words: what follows its key. */
  readonly what: string
  /** The same in the library's words. */
  readonly argument: string
  readonly make: (what: string, options: object, etcd: EtcdConfig | undefined) => ServerSource
}

const SOURCES: Readonly<Record<string, SourceKind>> = {
  file: { what: 'a path', argument: 'path', make: watchServers },
  dns: { what: 'a name', argument: 'name', make: resolveServers },
  etcd: {
    what: 'the beginning of keys, such as ipvs/pools/dns/',
    argument: 'prefix',
    make: (prefix, options, etcd) => {
      const { client, together } = etcd!
      const isOne = together !== undefined && prefix.startsWith(together)
      return etcdServers(client, prefix, { ...(isOne ? { together } : {}), ...options })
    },
  },
  consul: { what: 'the name of a service', argument: 'service', make: consulServers },
  kubernetes: { what: 'NAMESPACE/SERVICE', argument: 'service', make: kubernetesServers },
  url: { what: 'an http: or https: address', argument: 'url', make: httpServers },
}
const KINDS = Object.keys(SOURCES)
const TIMES: Times = { interval: 'Ms', hold: 'Ms', retry: 'Ms', timeout: 'Ms' }
const FOLLOW = ['holdMs', 'retryMs', 'minServers']

/** What `servers` says. Mistakes give no servers. */
export function readServersOf(
  value: unknown,
  path: Path,
  from: CheckReader,
): { readonly servers: readonly ServerConfig[]; readonly source?: SourceConfig } {
  if (!isMap(value)) return { servers: readServerList(value, path, from) }
  const source = readSource(value, path, from)
  return source === undefined ? { servers: [] } : { servers: [], source }
}

/** A list of servers. What is in each is for the library to check, but for `check`. */
export function readServerList(value: unknown, path: Path, from: CheckReader): ServerConfig[] {
  if (!Array.isArray(value)) {
    const forms = `['10.1.0.1', { address: 10.1.0.2, weight: 3 }] or a map with one of ${quoted(KINDS)}`
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

function readSource(value: Fields, path: Path, from: CheckReader): SourceConfig | undefined {
  const { reader, etcd } = from
  const [kind, ...others] = kindsOf(value)
  if (kind === undefined || others.length > 0) {
    reader.add(path, `must have one of ${quoted(KINDS)}`)
    return undefined
  }
  const { what: form, argument, make } = SOURCES[kind]!
  const { [kind]: what, ...more } = value
  const text = reader.text(what, [...path, kind], form)
  if (kind === 'etcd' && etcd === undefined) {
    reader.add([...path, kind], 'must have "etcd" at the top of the file, which says where it is')
    return undefined
  }
  const translated = reader.translate(readFiles(more, path, reader), path, TIMES)
  const read = reader.check(
    translated,
    'options',
    ([first, ...rest]) => [...path, first === argument ? kind : first!, ...rest],
    (options) => {
      const own = Object.entries(options)
      const follow = Object.fromEntries(own.filter(([key]) => FOLLOW.includes(key)))
      readFollowOptions(follow)
      const rest = Object.fromEntries(own.filter(([key]) => !FOLLOW.includes(key)))
      return { servers: make(text ?? 'unknown', rest, etcd), follow }
    },
  )
  if (text === undefined || read === undefined) return undefined
  const digest = digestOf([value, ...(kind === 'etcd' ? [etcd?.digest] : [])])
  return { name: `${kind} ${text}`, ...read, digest }
}

/** `url` is where the others are. */
function kindsOf(value: Fields): string[] {
  const kinds = Object.keys(value).filter((key) => KINDS.includes(key))
  return kinds.length > 1 ? kinds.filter((kind) => kind !== 'url') : kinds
}
