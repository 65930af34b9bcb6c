// Servers from etcd: a key for each, so that any number of directors share one list.

import { rangeError, typeError } from '../errors.js'
import { type EtcdClient, followPrefix, followTogether } from '../etcd/index.js'
import type { PoolServer } from '../servers.js'
import { checkOptions, checkSignal } from '../validate.js'
import { parseNamedServers } from './server-list.js'
import { type ServerSource, serverSource } from './source.js'

/** Options of {@link etcdServers}. */
export interface EtcdServersOptions {
  /**
   * The beginning of keys, up to a `/`, of which one watch serves all sources of the client that say the same: for hundreds of pools.
   * When etcd is back after an outage, it is asked for what was missed, not for all. `prefix` must begin with it and end with a `/`.
   * Default: each source has a watch of its own.
   */
  readonly together?: string | undefined
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
 * Each iteration starts afresh, but for `together`. Waiting for a change does not keep the process alive, a look does.
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
  const { together, signal } = checkOptions(options, 'options', ['together', 'signal'])
  const shared = together === undefined ? undefined : readTogether(together, prefix)
  return serverSource(
    (end) => lists(follow(client, prefix, shared, end), prefix),
    checkSignal(signal, 'options.signal'),
  )
}

function follow(
  client: EtcdClient,
  prefix: string,
  together: string | undefined,
  signal: AbortSignal,
): AsyncIterable<ReadonlyMap<string, string>> {
  if (together === undefined) return followPrefix(client, prefix, signal)
  return followTogether(client, together, prefix, signal)
}

async function* lists(
  maps: AsyncIterable<ReadonlyMap<string, string>>,
  prefix: string,
): AsyncGenerator<PoolServer[], void, void> {
  for await (const all of maps) {
    // etcd has them in the order of their keys; changes come in any.
    yield parseNamedServers(
      [...all.keys()].toSorted().map((key) => ({
        place: key,
        name: key.slice(prefix.length),
        text: all.get(key)!,
      })),
    )
  }
}

function readTogether(together: unknown, prefix: string): string {
  const rule = 'the beginning of keys up to a "/", which the prefix begins with'
  if (typeof together !== 'string') throw typeError('options.together', rule, together)
  if (!together.endsWith('/') || !prefix.startsWith(together)) {
    throw rangeError('options.together', rule, together)
  }
  if (!prefix.endsWith('/')) throw rangeError('prefix', 'one that ends with a "/"', prefix)
  return together
}

function checkClient(client: unknown): void {
  const fits =
    typeof client === 'object' &&
    client !== null &&
    ['range', 'watch'].every((name) => typeof Reflect.get(client, name) === 'function')
  if (fits) return
  throw typeError('client', "an EtcdClient: new EtcdClient({ endpoints: ['http://...'] })", client)
}
