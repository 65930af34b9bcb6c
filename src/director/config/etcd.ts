// Where etcd is, for all who have something there.
import { EtcdClient, type EtcdOptions } from '../../etcd/index.js'
import { readFiles } from './files.js'
import type { Path } from './mistakes.js'
import { type Reader, shown } from './reader.js'
import { digestOf } from './values.js'

/** etcd, for a director. */
export interface EtcdConfig {
  /** Nothing is opened before it is used. */
  readonly client: EtcdClient
  /** Another one, all of whose endpoints together have so many milliseconds for an answer. Whoever takes it closes it. */
  readonly within: (ms: number) => EtcdClient
  /** Pools whose keys begin with it have one watch, all of them. Default: each has its own. */
  readonly together?: string | undefined
  /** Two with the same read the same. */
  readonly digest: string
}

const ANYWHERE: EtcdOptions = { endpoints: ['http://127.0.0.1:2379'] }

/**
 * Mistakes give one that must not be used.
 *
 * @param before that of the file before: with the same settings it goes on
 */
export function readEtcd(
  value: unknown,
  path: Path,
  reader: Reader,
  before: EtcdConfig | undefined,
): EtcdConfig {
  const fields = reader.map(value, path, "{ endpoints: ['https://10.0.0.5:2379'] }")
  const { together, ...rest } = fields ?? {}
  const translated = reader.translate(readFiles(rest, path, reader), path, { timeout: 'Ms' })
  const digest = digestOf([translated.options, together])
  if (before?.digest === digest) return before
  const isFolder = typeof together === 'string' && together.endsWith('/')
  if (together !== undefined && !isFolder) {
    const rule = 'must be the beginning of keys up to a "/", such as ipvs/pools/'
    reader.add([...path, 'together'], `${rule}; received ${shown(together)}`)
  }
  const options = fields && (translated.options as unknown as EtcdOptions)
  const client =
    fields &&
    reader.check(
      translated,
      'options',
      (place) => [...path, ...place],
      (given) => new EtcdClient(given as unknown as EtcdOptions),
      { ...ANYWHERE },
    )
  return {
    client: client ?? new EtcdClient(ANYWHERE),
    within: (ms) => new EtcdClient(inTime(options ?? ANYWHERE, ms)),
    ...(isFolder ? { together } : {}),
    digest,
  }
}

/** Shared among the endpoints, so that one that hangs leaves time for the others. */
export function inTime(options: EtcdOptions, ms: number): EtcdOptions {
  const { endpoints, timeoutMs = 5000 } = options
  const most = Math.max(100, Math.floor(ms / endpoints.length))
  return { ...options, timeoutMs: Math.min(timeoutMs, most) }
}
