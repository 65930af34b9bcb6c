// Where etcd is, for all who have something there.
import { EtcdClient, type EtcdOptions } from '../../etcd/index.js'
import { readFiles } from './files.js'
import type { Path } from './mistakes.js'
import type { Reader } from './reader.js'
import { digestOf } from './values.js'

/** etcd, for a director. */
export interface EtcdConfig {
  /** Nothing is opened before it is used. */
  readonly client: EtcdClient
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
  const translated = reader.translate(readFiles(fields ?? {}, path, reader), path, {
    timeout: 'Ms',
  })
  const digest = digestOf(translated.options)
  if (before?.digest === digest) return before
  const client =
    fields &&
    reader.check(
      translated,
      'options',
      (place) => [...path, ...place],
      (options) => new EtcdClient(options as unknown as EtcdOptions),
      { ...ANYWHERE },
    )
  return { client: client ?? new EtcdClient(ANYWHERE), digest }
}
