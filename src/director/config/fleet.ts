// Who a director is among others: its name, whom it asks, and what they say together.
import { hostname } from 'node:os'
import type { Path } from './mistakes.js'
import { isMap, type Reader, shown } from './reader.js'
import { resolveValues } from './values.js'

/** Another director, over HTTP. */
export interface PeerConfig {
  /** Without a path: `http://10.0.0.2:9480`. */
  readonly url: string
  /** Its `http.token`. Default: it asks for none. */
  readonly token?: string | undefined
}

/** Verdicts that directors share. */
export interface VerdictsConfig {
  /** Of the keys in etcd. */
  readonly prefix: string
  /** A server counts as down when so many of the directors say so that are alive: at most as many as speak of it. */
  readonly down: number
  /** A director that is silent for so long is not alive. Milliseconds, whole seconds. */
  readonly ttlMs: number
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const PEER = "'http://10.0.0.2:9480' or { url: 'http://10.0.0.2:9480', token: { file: PATH } }"
const VERDICTS = "{ prefix: 'ipvs/verdicts/', down: 2, ttl: 10s }"
/** Each of them is asked again and again. */
const MOST_PEERS = 256

/** `name`: the host's, where the file has none. */
export function readName(value: unknown, reader: Reader): string {
  if (value === undefined) {
    const own = hostname()
      .slice(0, 63)
      .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    return NAME.test(own) ? own : 'director'
  }
  if (typeof value === 'string' && NAME.test(value)) return value
  const rule = 'must be a name of letters, digits, ".", "_" and "-", 63 at most'
  reader.add(['name'], `${rule}; received ${shown(value)}`)
  return 'director'
}

/** `peers`. Mistakes give none. */
export function readPeers(value: unknown, reader: Reader): PeerConfig[] {
  if (value === undefined) return []
  const path: Path = ['peers']
  if (!Array.isArray(value) || value.length > MOST_PEERS) {
    reader.add(
      path,
      `must be a list of ${MOST_PEERS} at most, each ${PEER}; received ${shown(value)}`,
    )
    return []
  }
  const read = value.map((one: unknown, index) => readPeer(one, [...path, index], reader))
  const peers = read.filter((peer) => peer !== undefined)
  const urls = new Set<string>()
  for (const [index, peer] of read.entries()) {
    if (peer === undefined) continue
    if (urls.has(peer.url)) reader.add([...path, index], `must be there once: ${peer.url}`)
    urls.add(peer.url)
  }
  return peers
}

function readPeer(value: unknown, path: Path, reader: Reader): PeerConfig | undefined {
  const fields = isMap(value) ? value : { url: value }
  const at = isMap(value) ? [...path, 'url'] : path
  reader.known(fields, path, ['url', 'token'])
  const url = urlOf(fields.url)
  if (url === undefined) {
    const rule = 'must be an http: or https: address without a path'
    reader.add(at, `${rule}, such as ${PEER}; received ${shown(fields.url)}`)
    return undefined
  }
  if (fields.token === undefined) return { url }
  const token = resolveValues(fields.token, reader, [...path, 'token'])
  const text = reader.text(token, [...path, 'token'], 'a text, { file: PATH } or { env: NAME }')
  return text === undefined ? undefined : { url, token: text }
}

function urlOf(value: unknown): string | undefined {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) return undefined
  const rest = [url.username, url.password, url.search, url.hash].join('')
  return url.pathname === '/' && rest === '' ? url.origin : undefined
}

/** `verdicts`. Mistakes give none. @param hasEtcd the file says where etcd is */
export function readVerdicts(
  value: unknown,
  hasEtcd: boolean,
  reader: Reader,
): VerdictsConfig | undefined {
  if (value === undefined) return undefined
  const path: Path = ['verdicts']
  const fields = reader.map(value, path, VERDICTS)
  if (fields === undefined) return undefined
  reader.known(fields, path, ['prefix', 'down', 'ttl'])
  if (!hasEtcd) reader.add(path, 'must have "etcd" beside it: { endpoints: [...] }')
  const { prefix = 'ipvs/verdicts/', down, ttl = '10s' } = fields
  const isPrefix = typeof prefix === 'string' && /^[\x21-\x7e]{1,200}\/$/.test(prefix)
  if (!isPrefix) {
    const rule = 'must be printable characters with "/" at the end, such as ipvs/verdicts/'
    reader.add([...path, 'prefix'], `${rule}; received ${shown(prefix)}`)
  }
  const isCount = Number.isInteger(down) && Number(down) >= 1 && Number(down) <= 1000
  if (!isCount) {
    const rule = 'must be the number of directors that have to say "down", 1 to 1000'
    reader.add([...path, 'down'], `${rule}; received ${shown(down)}`)
  }
  const ttlMs = reader.duration(ttl, [...path, 'ttl'], 2000, 3_600_000)
  if (ttlMs !== undefined && ttlMs % 1000 !== 0) {
    reader.add([...path, 'ttl'], `must be whole seconds; received ${shown(ttl)}`)
    return undefined
  }
  if (!isPrefix || !isCount || ttlMs === undefined) return undefined
  return { prefix, down: Number(down), ttlMs }
}
