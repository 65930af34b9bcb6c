// Servers from etcd: a key for each, so that any number of directors share one list.

import { rangeError, typeError } from '../errors.js'
import { type EtcdClient, followPrefix } from '../etcd/index.js'
import type { PoolServer } from '../servers.js'
import { checkOptions, checkSignal } from '../validate.js'
import { parseNamedServers } from './server-list.js'
import { type ServerSource, serverSource } from './source.js'

/** Options of {@link etcdServers}. */
export interface EtcdServersOptions {
  /** Ends the iterations. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/**
 * The servers that etcd has under a prefix: at once, and again after each change of them. One key is one server:
 *
 * ```text
 * ipvs/pools/dns/10.1.0.1                (empty)
 * ipvs/pools/dns/10.1.0.2:5353           10
 * ipvs/pools/dns/[2001:db8::1]:53        { "weight": 3, "admin": "drain" }
 * ```
 *
 * Its value is empty, a weight, or JSON of what a pool's server has beside its address and port. A watch that breaks is taken up
 * where it was, at another endpoint if the client has one; a key that goes with its lease is a server that goes.
 *
 * Each iteration starts afresh. Waiting for a change does not keep the process alive, a look does.
 *
 * @throws TypeError, RangeError for a bad argument
 * @throws EtcdError, while iterating: no endpoint answers, or the user may not read the prefix
 * @throws Error, while iterating, with code `ERR_IPVS_ARGUMENT`, for a key or a value that is none: with both
 */
export function etcdServers(
  client: EtcdClient,
  prefix: string,
  options?: EtcdServersOptions,
): ServerSource {
  checkClient(client)
  if (typeof prefix !== 'string') throw typeError('prefix', 'the beginning of keys, a text', prefix)
  if (prefix === '') throw rangeError('prefix', 'the beginning of keys, not empty', prefix)
  const { signal } = checkOptions(options, 'options', ['signal'])
  return serverSource((end) => lists(client, prefix, end), checkSignal(signal, 'options.signal'))
}

async function* lists(
  client: EtcdClient,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<PoolServer[], void, void> {
  for await (const all of followPrefix(client, prefix, signal)) {
    // etcd has them in the order of their keys; changes come in any.
    const keys = [...all.keys()].toSorted()
    yield parseNamedServers(
      keys.map((key) => ({ place: key, name: key.slice(prefix.length), text: all.get(key)! })),
    )
  }
}

function checkClient(client: unknown): void {
  const fits =
    typeof client === 'object' &&
    client !== null &&
    ['range', 'watch'].every((name) => typeof Reflect.get(client, name) === 'function')
  if (fits) return
  throw typeError('client', "an EtcdClient: new EtcdClient({ endpoints: ['http://...'] })", client)
}
