// Pools as a file spells them: the library's options, with times in units, and checks and sources beside them.
import { serviceKey } from '../../identity.js'
import type { MirroredPoolOptions, PoolFront } from '../../pool/api.js'
import { MirroredPool } from '../../pool/pool.js'
import { endpointKey, readServer } from '../../servers.js'
import { type AnnounceConfig, readAnnounce } from './announce.js'
import { type CheckConfig, type CheckReader, type NoCheck, readCheckOf } from './checks.js'
import { readFronts, serviceIdsOf } from './fronts.js'
import { type HookConfig, readHooks } from './hooks.js'
import type { Path } from './mistakes.js'
import type { Fields } from './reader.js'
import { readServerList, readServersOf, type ServerConfig, type SourceConfig } from './servers.js'
import type { Times } from './units.js'
import { digestOf } from './values.js'

/** A pool's options, with `fronts`. */
export type FrontOptions = Extract<MirroredPoolOptions, { readonly fronts: readonly PoolFront[] }>

/** A pool, checked. */
export interface PoolConfig {
  readonly name: string
  /** All but its servers. */
  readonly options: Omit<FrontOptions, 'servers' | 'backup'>
  /** Keys of its services. */
  readonly services: readonly string[]
  /** Of servers without one. */
  readonly port: number
  readonly servers: readonly ServerConfig[]
  /** Where servers come from that are in no list. Default: none. */
  readonly source?: SourceConfig | undefined
  readonly backup: readonly ServerConfig[]
  /** Of servers without one of their own. */
  readonly check: CheckConfig | NoCheck
  readonly hooks: readonly HookConfig[]
  /** Who announces its addresses. Default: nobody. */
  readonly announce?: AnnounceConfig | undefined
  /** What it opens with. Another one means that it is opened anew. */
  readonly identity: string
  /** Of everything: with the same nothing is to be done. */
  readonly digest: string
}

const TIMES: Times = {
  reconcileInterval: 'Ms',
  udpTimeout: 'Seconds',
  slowStart: { duration: 'Ms' },
  persistence: { timeout: 'Seconds' },
}
const OWN = ['fronts', 'servers', 'backup', 'check', 'hooks', 'announce']
/** What only a pool can have, and what is said otherwise in a file. */
export const notInDefaults = [
  'fronts',
  'servers',
  'backup',
  'hooks',
  'name',
  'address',
  'port',
  'protocols',
  'role',
]

/** Mistakes give `undefined`. */
export function readPool(
  name: string,
  value: unknown,
  path: Path,
  defaults: Fields,
  from: CheckReader,
): PoolConfig | undefined {
  const { reader } = from
  const own = reader.map(value, path, "{ fronts: ['192.0.2.53:53'], servers: ['10.1.0.1'] }")
  if (own === undefined) return undefined
  for (const key of ['name', 'address', 'port', 'protocols']) {
    if (key in own)
      reader.add([...path, key], 'must be left out: "fronts" says it, and the key is the name')
  }
  if ('role' in own) reader.add([...path, 'role'], "must be left out: it is the whole director's")
  const fields: Fields = { ...defaults, ...own }
  const placed = (place: Path): Path =>
    typeof place[0] === 'string' && !(place[0] in own) && place[0] in defaults
      ? ['defaults', ...place]
      : [...path, ...place]
  const fronts = readFronts(fields.fronts, [...path, 'fronts'], reader)
  const { servers, source } = readServersOf(fields.servers, [...path, 'servers'], from)
  const backup =
    fields.backup === undefined ? [] : readServerList(fields.backup, [...path, 'backup'], from)
  const check =
    fields.check === undefined ? 'none' : readCheckOf(fields.check, placed(['check']), from)
  const hooks = readHooks(own.hooks, [...path, 'hooks'], reader)
  const announce =
    fields.announce === undefined
      ? undefined
      : readAnnounce(fields.announce, placed(['announce']), reader)
  const isChecked = [{ check }, ...servers, ...backup].some(
    (one) => one.check !== undefined && one.check !== 'none',
  )
  const rest = Object.fromEntries(
    Object.entries(fields).filter(([key]) => !OWN.includes(key) && !notInDefaults.includes(key)),
  )
  const translated = reader.translate(rest, path, TIMES)
  // Whoever announces has to hear of the last server.
  const quorum = announce !== undefined && rest.quorum === undefined ? { quorum: { up: 1 } } : {}
  // Who is checked starts as the kernel has it: a restart cuts nobody off, and nobody is vouched for.
  const initial = rest.initial === undefined ? { initial: isChecked ? 'adopt' : 'up' } : {}
  const lists = {
    fronts,
    servers: servers.map(({ server }) => server),
    backup: backup.map(({ server }) => server),
  }
  const given = {
    ...translated,
    options: { ...initial, ...quorum, ...translated.options, ...lists, name },
  }
  const options = reader.check(
    given,
    'options',
    placed,
    (all) => {
      MirroredPool.check(all as unknown as FrontOptions)
      return all as unknown as FrontOptions
    },
    { scheduler: 'wrr', forwarding: 'direct' },
  )
  if (options === undefined || check === undefined) return undefined
  const { servers: _, backup: __, ...identity } = options
  const port = fronts.find((front) => front.port !== undefined)?.port ?? 0
  return {
    name,
    options: identity,
    services: serviceIdsOf(fronts).map(serviceKey),
    port,
    servers,
    source,
    backup,
    check,
    hooks,
    announce,
    identity: digestOf(identity),
    digest: digestOf([
      identity,
      [servers, backup].map((list) => list.map((one) => [one.server, checkDigest(one.check)])),
      checkDigest(check),
      source?.digest,
      hooks.map((hook) => hook.digest),
      announce?.digest,
    ]),
  }
}

/** What names a server in its pool: `10.1.0.1:53`. */
export function serverKeyOf(server: ServerConfig['server'], port: number): string {
  const read = readServer(server, 'server')
  return endpointKey(read.address, read.port ?? port)
}

function checkDigest(check: CheckConfig | NoCheck | undefined): string | undefined {
  return typeof check === 'object' ? check.digest : check
}
