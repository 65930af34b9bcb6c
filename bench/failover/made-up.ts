// Raw logs of a trial that no kernel has written. The failure begins at 10,000 and is over at 18,000.

import { addresses, type Server, servers } from '../../lab/network/three-servers.js'
import { type ClientName, clientNames } from '../../lab/traffic/client-names.js'
import type { Query } from '../../lab/traffic/queries.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import type { Dead, Evidence } from './evidence.js'

export const failedAt = 10_000
export const restoredAt = 18_000
export const endedAt = 20_000

/** What each service holds from then on; `undefined`: the service is gone. */
export interface Held {
  readonly at: number
  readonly tcp: readonly Server[] | undefined
  readonly udp: readonly Server[] | undefined
}

export const others: readonly Server[] = ['dns1', 'dns3']

const hex = (number: number) => number.toString(16).toUpperCase().padStart(2, '0')
const endpoint = (address: string) => `${address.split('.').map(Number).map(hex).join('')}:0035`

/** The lines of /proc/net/ip_vs as the witness copies them, the newest server first. */
export function table({ at, ...services }: Held, weight = 1): WitnessEntry {
  const lines = (['tcp', 'udp'] as const).flatMap((protocol) => {
    const held = services[protocol]
    if (held === undefined) return []
    const rows = held.toReversed().map((server) => {
      return `  -> ${endpoint(addresses[server])}      Route   ${weight}`
    })
    return [`${protocol.toUpperCase()}  ${endpoint('192.0.2.53')} wrr`, ...rows]
  })
  return { at, before: at - 1, looks: Math.round(at), table: lines }
}

/** Every client asks every 50 ms, and `lost` says which queries nobody answers. */
export function queries(
  lost: (client: ClientName, sentAt: number) => boolean,
): Query<ClientName>[] {
  return clientNames.flatMap((client, index) =>
    Array.from({ length: 300 }, (_, n): Query<ClientName> => {
      const sentAt = 5000 + n * 50 + index
      const server = lost(client, sentAt) ? undefined : ('dns1' as const)
      const number = index * 1000 + n
      return {
        client,
        number,
        sentAt,
        endedAt: sentAt + (server ? 3 : 8000),
        ...(server && { server }),
      }
    }),
  )
}

export const deadOn = (...protocols: Dead['protocol'][]): Dead[] =>
  protocols.map((protocol) => ({ protocol, from: failedAt, to: restoredAt - 5 }))

/** dns2 dies, is taken out of both at once after a second, and comes back; nothing is lost after the flip. */
export function evidence(
  about: Partial<Evidence> & { readonly held?: readonly Held[] } = {},
): Evidence {
  const { held = good, ...rest } = about
  return {
    system: 'ipvs',
    failure: 'process-death',
    victim: 'dns2',
    startedAt: 5000,
    failedAt,
    restoredAt,
    endedAt,
    dead: deadOn('tcp', 'udp'),
    tables: [
      { at: 4000, before: 4000, looks: 0, table: [] },
      ...[{ at: 4500, tcp: servers, udp: servers }, ...held].map((one) => table(one)),
      { at: endedAt, looks: 16_000, longestGapMs: 2, end: true },
    ],
    queries: queries((_, sentAt) => sentAt >= failedAt && sentAt < 11_000),
    output: '',
    ...rest,
  }
}

const good: readonly Held[] = [
  { at: 11_000, tcp: others, udp: others },
  { at: 19_000, tcp: servers, udp: servers },
]
