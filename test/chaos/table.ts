// /proc/net/ip_vs as the witness copies it, and what must be in it.
import type { SeenTable } from '../../lab/witness/table.js'
import { type ChaosPool, type Wishes, wantedWeight } from './pools.js'

export const serviceKeys = ({ address, port }: ChaosPool): string[] =>
  ['tcp', 'udp'].map((protocol) => `${protocol} ${address}:${port}`)

/** How the pool's services must be in the kernel. */
export function wantedTable(pool: ChaosPool, wishes: Wishes): SeenTable {
  const { scheduler, onePacket, forwarding, port } = pool
  const method = { direct: 'Route', masquerade: 'Masq' }[forwarding]
  const servers = new Map<string, string>()
  for (const [address, wish] of Object.entries(wishes)) {
    const weight = wantedWeight(wish)
    if (weight !== undefined) servers.set(`${address}:${port}`, `${method} ${weight}`)
  }
  return new Map(
    serviceKeys(pool).map((key) => {
      const ops = onePacket && key.startsWith('udp')
      return [key, { settings: ops ? `${scheduler} ops` : scheduler, servers }]
    }),
  )
}

/** What differs, a line each; only in services that are wanted. */
export function differences(wanted: SeenTable, table: SeenTable): string[] {
  return [...wanted].flatMap(([key, service]) => {
    const seen = table.get(key)
    if (seen === undefined) return [`${key}: is not there`]
    const settings =
      seen.settings === service.settings
        ? []
        : [`${key}: ${seen.settings}, not ${service.settings}`]
    const endpoints = new Set([...service.servers.keys(), ...seen.servers.keys()])
    const servers = [...endpoints].flatMap((server) => {
      const [is, must] = [seen.servers.get(server), service.servers.get(server)]
      if (is === must) return []
      return [`${key} ${server}: ${is ?? 'is not there'}, not ${must ?? 'absent'}`]
    })
    return [...settings, ...servers]
  })
}
