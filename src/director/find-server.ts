// A server by what a person calls it: `dns/10.1.0.2`.
import { IpvsError, typeError } from '../errors.js'
import { didYouMean, quoted } from '../validate/spelling.js'
import { serverKeyOf } from './config/pools.js'
import type { ManagedPool } from './managed-pool.js'
import { handKey, type Overrides } from './overrides.js'

export interface FoundServer {
  readonly managed: ManagedPool
  /** Its key. */
  readonly server: string
}

/**
 * @param orSaid also one that is not in the pool now, but of which something was said by hand
 * @throws TypeError; IpvsError `ERR_IPVS_NO_SERVER`
 */
export function findServer(
  target: unknown,
  pools: ReadonlyMap<string, ManagedPool>,
  overrides: Overrides,
  orSaid: boolean,
): FoundServer {
  if (typeof target !== 'string' || !target.includes('/')) {
    throw typeError('target', 'a pool and a server, such as "dns/10.1.0.2"', target)
  }
  const slash = target.indexOf('/')
  const name = target.slice(0, slash)
  const managed = pools.get(name)
  if (managed === undefined) {
    const names = [...pools.keys()]
    const few = names.slice(0, 10)
    const rest = names.length > few.length ? ` and ${names.length - few.length} more` : ''
    throw new IpvsError(
      'ERR_IPVS_NO_SERVER',
      `there is no pool "${name}"${didYouMean(name, names)}; there is ${quoted(few)}${rest}`,
    )
  }
  const server = serverKeyOf(target.slice(slash + 1), managed.config.port)
  const rows = managed.pool?.status().servers ?? []
  if (rows.some((row) => row.server === server)) return { managed, server }
  // One that is not open yet knows nobody, and one that is away may come back.
  const isKnown =
    managed.pool === undefined || overrides.get(name, handKey(server, managed.config.port))
  if (orSaid && isKnown) return { managed, server }
  const few = rows.slice(0, 10).map((row) => row.server)
  const rest = rows.length > few.length ? ` and ${rows.length - few.length} more` : ''
  throw new IpvsError(
    'ERR_IPVS_NO_SERVER',
    `pool "${name}" has no server ${server}${didYouMean(server, few)}; it has ${few.join(', ') || 'none'}${rest}`,
  )
}
