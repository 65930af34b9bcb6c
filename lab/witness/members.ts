// The table of three-servers.ts: which servers carry traffic on each protocol, and when that changed.
import { addresses, port, type Server, servers, vip } from '../network/three-servers.js'
import type { TableEntry, WitnessEntry } from './entries.js'
import { carrying, readTable, type SeenTable } from './table.js'

export const protocols = ['tcp', 'udp'] as const
export type Protocol = (typeof protocols)[number]
export type Members = Readonly<Record<Protocol, readonly Server[]>>

/** A server with weight 0 gets nothing, and a service that is gone has none. */
export function membersOf(table: SeenTable): Members {
  const of = (protocol: Protocol) => {
    const found = carrying(table.get(`${protocol} ${vip}:${port}`))
    return servers.filter((server) => found.has(`${addresses[server]}:${port}`))
  }
  return { tcp: of('tcp'), udp: of('udp') }
}

/** From then on, until the next. */
export interface MembersEntry extends Omit<TableEntry, 'table'> {
  readonly members: Members
}

export function membersOver(entries: readonly WitnessEntry[]): MembersEntry[] {
  return entries.flatMap((entry) => {
    if (!('table' in entry)) return []
    const { table, ...when } = entry
    return [{ ...when, members: membersOf(readTable(table)) }]
  })
}

export const isSplit = ({ tcp, udp }: Members) => `${tcp}` !== `${udp}`
