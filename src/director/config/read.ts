// A director's file, read and checked: all that is wrong with it at once.
import { isIP } from 'node:net'
import { quoted } from '../../validate/spelling.js'
import { type CheckConfig, type CheckReader, readCheck } from './checks.js'
import { parseConfig } from './document.js'
import { type EtcdConfig, readEtcd } from './etcd.js'
import { type PeerConfig, readName, readPeers, readVerdicts, type VerdictsConfig } from './fleet.js'
import { type HookConfig, readHooks } from './hooks.js'
import { ConfigError, type Path } from './mistakes.js'
import { notInDefaults, type PoolConfig, readPool } from './pools.js'
import { type Fields, isMap, Reader, shown } from './reader.js'
import { type RoleConfig, readRole } from './role.js'
import { digestOf, resolveValues } from './values.js'

/** Where and for whom the director answers over HTTP. */
export interface HttpConfig {
  readonly host: string
  /** 0: one that is free. */
  readonly port: number
  /** Who asks has to know it. Default: nobody has to. */
  readonly token?: string | undefined
  /** Names by which it may be asked, beside addresses and `localhost`. */
  readonly hosts: readonly string[]
}

/** What becomes of the pools' services when the director stops. */
export type OnStop = 'leave' | 'withdraw' | 'drain'

/** A director's file, checked. Made by {@link readConfig} only. */
export interface Config {
  /** For messages. */
  readonly file: string
  /** A name of `ip netns` or a path. Default: the present one. */
  readonly netns?: string | undefined
  /** Of this director, among others. */
  readonly name: string
  /** Other directors. */
  readonly peers: readonly PeerConfig[]
  /** What the others say of servers counts too. Default: it does not. */
  readonly verdicts?: VerdictsConfig | undefined
  readonly pools: readonly PoolConfig[]
  /** Of every pool. */
  readonly hooks: readonly HookConfig[]
  /** Path of the socket for `ipvs state` and the like. Default: none. */
  readonly control?: string | undefined
  /** Default: it does not. */
  readonly http?: HttpConfig | undefined
  /** Path of the file that keeps what was done by hand. Default: none, it is forgotten at the end. */
  readonly state?: string | undefined
  /** Default `leave`. */
  readonly onStop: OnStop
  /** Who says whether it is the active one of several, and what that means. Default: there is one director only. */
  readonly role?: RoleConfig | undefined
  /** Where pools and directors that share something have it. Default: nowhere. */
  readonly etcd?: EtcdConfig | undefined
}

const KEYS = [
  'netns',
  'name',
  'peers',
  'verdicts',
  'defaults',
  'checks',
  'pools',
  'hooks',
  'control',
  'http',
  'state',
  'onStop',
  'role',
  'etcd',
  '$schema',
]

/** What a configuration was read from: what is the same is not read again. */
interface Origin {
  readonly text: string
  /** That was given beside it. */
  readonly netns: string | undefined
  readonly checks: string
  /** What was written of each pool, with the defaults. */
  readonly pools: ReadonlyMap<string, string>
}

const origins = new WeakMap<Config, Origin>()

/** What a file says by this is elsewhere, and may be another thing each time. */
const ELSEWHERE = /\b(file|env)\b/

/** Options of {@link readConfig}. */
export interface ReadConfigOptions {
  /** Its name, for messages. Default `director.yaml`. */
  readonly file?: string | undefined
  /** In place of the file's `netns`. Default: that one. */
  readonly netns?: string | undefined
  /** A configuration of which most is expected to be the same: what is the same is taken from it, which is faster. Default: none. */
  readonly before?: Config | undefined
}

/**
 * Reads a director's file, YAML or JSON. Nothing is opened and nobody is asked; files that checks name are read.
 *
 * @throws TypeError (rejects) a bad argument
 * @throws ConfigError (rejects) with every mistake: line, column, path
 */
export async function readConfig(text: string, options: ReadConfigOptions = {}): Promise<Config> {
  const { file = 'director.yaml', netns, before } = options
  const origin = before && origins.get(before)
  const isSame = origin?.text === text && origin.netns === netns && before?.file === file
  if (isSame && !ELSEWHERE.test(text)) return before!
  const document = parseConfig(text.replace(/^\uFEFF/, ''))
  if ('length' in document) throw new ConfigError(file, document)
  const reader = new Reader(document)
  // The only part that can start processes.
  const exec = /\bexec\b/.test(text)
    ? (await import('../../health/checks/exec.js')).exec
    : undefined
  const known = before &&
    origin && {
      ...origin,
      etcd: before.etcd,
      read: new Map(before.pools.map((pool) => [pool.name, pool])),
    }
  const made = readAll(document.value, { file, netns }, reader, exec, known)
  const { mistakes } = reader
  if (mistakes.length > 0 || made === undefined) throw new ConfigError(file, mistakes)
  origins.set(made.config, { text, netns, checks: made.checks, pools: made.written })
  return made.config
}

/** A configuration that was read before. */
type Known = Origin & {
  readonly etcd: EtcdConfig | undefined
  readonly read: ReadonlyMap<string, PoolConfig>
}

interface Made {
  readonly config: Config
  readonly checks: string
  readonly written: ReadonlyMap<string, string>
}

function readAll(
  value: unknown,
  { file, netns: given }: ReadConfigOptions & { readonly file: string },
  reader: Reader,
  exec: CheckReader['exec'],
  before: Known | undefined,
): Made | undefined {
  const fields = reader.map(value, [], '{ pools: { dns: { ... } } }')
  if (fields === undefined) return undefined
  reader.known(fields, [], KEYS)
  const { control, state, onStop = 'leave' } = fields
  const named = new Map<string, CheckConfig | undefined>()
  const inFile =
    fields.netns === undefined
      ? undefined
      : reader.text(fields.netns, ['netns'], 'a name of "ip netns" or a path')
  const netns = given ?? inFile
  const etcd =
    fields.etcd === undefined ? undefined : readEtcd(fields.etcd, ['etcd'], reader, before?.etcd)
  const from: CheckReader = { reader, exec, named, netns, etcd }
  const checks =
    fields.checks === undefined
      ? {}
      : reader.map(fields.checks, ['checks'], '{ web: { http: {} } }')
  for (const [name, one] of Object.entries(checks ?? {})) {
    if (name === 'none')
      reader.add(['checks', name], 'must have another name: "none" is the word for no check')
    named.set(name, readCheck(one, ['checks', name], from, name))
  }
  const shared = [netns, etcd?.digest]
  const digest = digestOf([...shared, ...[...named].map(([name, check]) => [name, check?.digest])])
  const written = new Map<string, string>()
  const known = (name: string, text: string): PoolConfig | undefined => {
    written.set(name, text)
    const isSame = before?.checks === digest && before.pools.get(name) === text
    return isSame && !ELSEWHERE.test(text) ? before.read.get(name) : undefined
  }
  const pools = readPools(fields, from, known)
  const role = fields.role === undefined ? undefined : readRole(fields.role, ['role'], reader)
  const config: Config = {
    file,
    ...(netns === undefined ? {} : { netns }),
    name: readName(fields.name, reader),
    peers: readPeers(fields.peers, reader),
    ...(fields.verdicts === undefined
      ? {}
      : { verdicts: readVerdicts(fields.verdicts, fields.etcd !== undefined, reader) }),
    pools,
    hooks: readHooks(fields.hooks, ['hooks'], reader),
    ...(control === undefined
      ? {}
      : { control: reader.text(control, ['control'], 'the path of a socket') }),
    ...(fields.http === undefined ? {} : { http: readHttp(fields.http, ['http'], reader) }),
    ...(state === undefined ? {} : { state: reader.text(state, ['state'], 'the path of a file') }),
    onStop: reader.oneOf(onStop, ['onStop'], ['leave', 'withdraw', 'drain']) ?? 'leave',
    ...(role === undefined ? {} : { role }),
    ...(etcd === undefined ? {} : { etcd }),
  }
  return { config, checks: digest, written }
}

/** @param known what was read of the same before */
function readPools(
  fields: Fields,
  from: CheckReader,
  known: (name: string, text: string) => PoolConfig | undefined,
): PoolConfig[] {
  const { reader } = from
  const given =
    fields.defaults === undefined
      ? {}
      : reader.map(fields.defaults, ['defaults'], '{ scheduler: wrr }')
  for (const key of Object.keys(given ?? {})) {
    if (notInDefaults.includes(key))
      reader.add(['defaults', key], 'must be left out: it is for a pool to say')
  }
  const defaults = Object.fromEntries(
    Object.entries(given ?? {}).filter(([key]) => !notInDefaults.includes(key)),
  )
  const pools = reader.map(fields.pools, ['pools'], "{ dns: { fronts: ['192.0.2.53:53'], ... } }")
  const read = Object.entries(pools ?? {}).map(([name, one]) => {
    const path: Path = ['pools', name]
    if (!/^[^\s/]{1,200}$/.test(name))
      reader.add(path, 'must have a name without "/" and white space')
    const text = JSON.stringify([defaults, one]) ?? ''
    return known(name, text) ?? readPool(name, one, path, defaults, from)
  })
  const found = read.filter((pool) => pool !== undefined)
  const owners = new Map<string, string>()
  for (const { name, services } of found) {
    for (const service of services) {
      const other = owners.get(service)
      owners.set(service, name)
      if (other === undefined) continue
      reader.add(['pools', name, 'fronts'], `must be its own: pool ${other} has ${service} too`)
    }
  }
  return found
}

function readHttp(value: unknown, path: Path, reader: Reader): HttpConfig | undefined {
  if (!isMap(value)) return readListen(value, path, reader)
  reader.known(value, path, ['listen', 'token', 'hosts'])
  const { token, hosts = [] } = value
  const listen = readListen(value.listen, [...path, 'listen'], reader)
  const secret = token === undefined ? undefined : resolveValues(token, reader, [...path, 'token'])
  if (token !== undefined)
    reader.text(secret, [...path, 'token'], 'a text, { file: PATH } or { env: NAME }')
  if (!Array.isArray(hosts) || !hosts.every((one) => typeof one === 'string')) {
    reader.add([...path, 'hosts'], `must be a list of names; received ${shown(hosts)}`)
    return undefined
  }
  return listen && { ...listen, hosts, ...(secret === undefined ? {} : { token: String(secret) }) }
}

function readListen(value: unknown, path: Path, reader: Reader): HttpConfig | undefined {
  const [, ipv6, ipv4, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(String(value)) ?? []
  const host = ipv6 ?? ipv4 ?? ''
  if (isIP(host) !== 0 && Number(port) < 65_536) return { host, port: Number(port), hosts: [] }
  const examples = quoted(['127.0.0.1:9480', '[::1]:9480'])
  reader.add(path, `must be an address and a port, such as ${examples}; received ${shown(value)}`)
  return undefined
}
