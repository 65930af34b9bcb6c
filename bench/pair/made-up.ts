// Raw logs of a trial that no kernel has written: lb1 is stopped at 10,000, lb2 takes over after 600 ms, and at 15,000 lb1 comes back.
import {
  addresses,
  type Director,
  pair,
  type Server,
  servers,
} from '../../lab/network/three-servers.js'
import type { Query } from '../../lab/traffic/queries.js'
import type { Advert } from '../../lab/witness/adverts.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import { type ClientName, clientNames } from './client-names.js'
import type { Evidence } from './evidence.js'

export const failedAt = 10_000
export const takenAt = failedAt + 600
export const overAt = 15_000
export const endedAt = 19_000

/** Once a second, from the first to before the last moment. */
export function adverts(director: Director, from: number, to: number): Advert[] {
  const count = Math.ceil((to - from) / 1000)
  return Array.from({ length: count }, (_, n) => ({
    ...{ at: from + n * 1000, from: pair[director], router: 51, priority: 100 },
  }))
}

export const resigned = (director: Director, at: number): Advert => ({
  ...{ at, from: pair[director], router: 51, priority: 0 },
})

const hex = (number: number) => number.toString(16).toUpperCase().padStart(2, '0')
const endpoint = (address: string) => `${address.split('.').map(Number).map(hex).join('')}:0035`

/** The lines of /proc/net/ip_vs as the witness copies them. */
export function table(at: number, held: readonly Server[]): WitnessEntry {
  const rows = held.map((server) => `  -> ${endpoint(addresses[server])}      Route   1`)
  const services = ['TCP', 'UDP'].map((name) => `${name}  ${endpoint('192.0.2.53')} wrr`)
  return {
    ...{ at, before: at - 4, looks: at },
    table: services.flatMap((service) => [service, ...rows]),
  }
}

/** Every client asks every 50 ms, and `lost` says which queries nobody answers. */
export const queries = (
  lost: (client: ClientName, sentAt: number) => boolean,
): Query<ClientName>[] =>
  clientNames.flatMap((client, index) =>
    Array.from({ length: 280 }, (_, n): Query<ClientName> => {
      const sentAt = 5000 + n * 50 + index
      const isLost = lost(client, sentAt)
      return {
        ...{ client, number: index * 1000 + n, sentAt, endedAt: sentAt + (isLost ? 8000 : 3) },
        ...(isLost ? {} : { server: 'dns1' }),
      }
    }),
  )

export const duringTakeover = (_: ClientName, sentAt: number) =>
  sentAt >= failedAt && sentAt < takenAt

export function evidence(about: Partial<Evidence> = {}): Evidence {
  return {
    ...{ system: 'ipvs run', failure: 'sigterm', startedAt: 5000, beganAt: failedAt },
    ...{ failedAt, overAt, endedAt },
    adverts: [
      ...adverts('lb1', 4200, failedAt),
      resigned('lb1', failedAt + 2),
      ...adverts('lb2', takenAt, endedAt),
    ],
    tables: { lb1: [table(4000, servers)], lb2: [table(4100, servers)] },
    queries: queries(duringTakeover),
    ...{ cuts: [], twice: 0, hopsExceeded: 0, output: '' },
    ...about,
  }
}
