// /proc/net/ip_vs as the witness copies it, and what must be in it.
import { type ChaosPool, type Wishes, wantedWeight } from './pools.js'

/** One service: `wrr ops`, and what is behind it by endpoint: `Route 1`. */
export interface Seen {
  readonly settings: string
  readonly servers: ReadonlyMap<string, string>
}

/** By key: `udp 192.0.2.1:53`. */
export type Table = ReadonlyMap<string, Seen>

export function readTable(lines: readonly string[]): Table {
  const table = new Map<string, Seen>()
  let servers = new Map<string, string>()
  for (const line of lines) {
    const [first, second, ...rest] = line.trim().split(/\s+/)
    if (first === '->') {
      servers.set(endpoint(second!), rest.join(' '))
      continue
    }
    servers = new Map()
    table.set(`${first!.toLowerCase()} ${endpoint(second!)}`, { settings: rest.join(' '), servers })
  }
  return table
}

/** `0A010001:0035` */
function endpoint(text: string): string {
  const bytes = [...text.slice(0, 8).matchAll(/../g)].map(([hex]) => Number.parseInt(hex, 16))
  return `${bytes.join('.')}:${Number.parseInt(text.slice(9), 16)}`
}

export const serviceKeys = ({ address, port }: ChaosPool): string[] =>
  ['tcp', 'udp'].map((protocol) => `${protocol} ${address}:${port}`)

/** How the pool's services must be in the kernel. */
export function wantedTable(pool: ChaosPool, wishes: Wishes): Table {
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
export function differences(wanted: Table, table: Table): string[] {
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
