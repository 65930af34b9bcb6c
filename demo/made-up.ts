// A play that no kernel has seen: each phase lasts 4 s, a failure is found a second after it.
import { addresses, type Server, servers } from '../lab/network/three-servers.js'
import { type ClientName, clientNames } from '../lab/traffic/client-names.js'
import type { Query } from '../lab/traffic/queries.js'
import type { Members, MembersEntry } from '../lab/witness/members.js'
import { Steal } from '../lab/witness/steal.js'
import { paceOf } from './pace.js'
import type { Evidence, Phase } from './verdict.js'

const phaseMs = 4000
const detectionMs = 1000
const story: readonly (readonly [string, Server?, ('up' | 'down')?])[] = [
  ['steady'],
  ['dns2 killed', 'dns2', 'down'],
  ['dns2 back', 'dns2', 'up'],
  ['end'],
]

/** When a phase begins, by its number. */
export const begin = (index: number) => 10_000 + index * phaseMs

const phases: readonly Phase[] = story.map(([name, server, to], index) => {
  const from = begin(index)
  const expected = server && to && { server, to, causeAt: from }
  return { name, from, to: from + phaseMs, ...(expected && { expected }) }
})

const others: readonly Server[] = ['dns1', 'dns3']
export const both = (members: readonly Server[]): Members => ({ tcp: members, udp: members })

/** From then on the table is so; looked at every 2 ms. */
export const table = (at: number, members: Members): MembersEntry => ({
  ...{ at, before: at - 2, looks: Math.round(at / 2) },
  members,
})

export const downAt = begin(1) + detectionMs
export const upAt = begin(2) + detectionMs
export const good: readonly MembersEntry[] = [
  table(9000, both(servers)),
  table(downAt, both(others)),
  table(upAt, both(servers)),
]

/** Every client asks every 50 ms, the servers in turn; dns2 is dead in between, and is asked until it is taken out. */
export function queries(
  lost: (client: ClientName, sentAt: number) => boolean = () => false,
): Query<ClientName>[] {
  return clientNames.flatMap((client, index) =>
    Array.from({ length: (story.length * phaseMs) / 50 }, (_, n): Query<ClientName> => {
      const sentAt = begin(0) + n * 50 + index
      const turn = servers[n % servers.length]!
      const isOut = sentAt >= downAt && sentAt < upAt
      const server = isOut && turn === 'dns2' ? 'dns1' : turn
      const isDead = server === 'dns2' && sentAt >= begin(1) && sentAt < begin(2)
      const number = index * 10_000 + n
      if (isDead || lost(client, sentAt)) return { client, number, sentAt, endedAt: sentAt + 8000 }
      return { client, number, sentAt, endedAt: sentAt + 3, server }
    }),
  )
}

const line = (server: Server) =>
  `  -> ${addresses[server]}:53                Route   1      0          0`

export function evidence(about: Partial<Evidence> = {}): Evidence {
  const rows = servers.map(line)
  return {
    phases,
    tables: good,
    end: { at: 30_000, looks: 15_000, longestGapMs: 3, end: true },
    queries: queries(),
    controller: [],
    ipvsadm: ['TCP  192.0.2.53:53 rr', ...rows, 'UDP  192.0.2.53:53 rr ops', ...rows].join('\n'),
    steal: new Steal(),
    pace: paceOf(1000),
    dwellMs: 3000,
    ...about,
  }
}
