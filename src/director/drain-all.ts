// The end of a director that drains: no new connections, and some time for those that there are.
import type { Ipvs } from '../client.js'
import { serviceKey } from '../identity.js'
import type { MirroredPool } from '../pool/pool.js'
import type { ServiceTreeStatus } from '../types.js'

/** The longest that it takes, and how often it looks. */
const DRAIN_MS = 30_000
const LOOK_MS = 500

/** @param services keys of those of the pools */
export async function drainAll(
  client: Pick<Ipvs, 'snapshot'>,
  pools: Iterable<MirroredPool>,
  services: ReadonlySet<string>,
): Promise<void> {
  const words = [...pools].flatMap((pool) =>
    pool.status().servers.map(({ server }) => pool.setAdmin(server, 'drain').catch(() => {})),
  )
  await Promise.all(words)
  const end = performance.now() + DRAIN_MS
  while (performance.now() < end) {
    // What cannot be read is not known to be empty.
    const seen = await client.snapshot().catch(() => undefined)
    const left = seen?.services.filter(
      (service) => services.has(serviceKey(service)) && isBusy(service),
    )
    if (left?.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** As of a drain: TCP by what is established, everything else by all entries. */
function isBusy({ protocol, destinations }: ServiceTreeStatus): boolean {
  return destinations.some(
    ({ activeConnections, inactiveConnections }) =>
      activeConnections > 0 || (protocol !== 'tcp' && inactiveConnections > 0),
  )
}
