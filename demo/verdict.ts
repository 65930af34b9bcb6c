// What was seen from outside, put together: flips, queries per phase, and whether all of it held.
// Knows what was to happen, but nothing about how the controller works or whether it cheats.

import { addresses, port, type Server, servers, vip } from '../lab/network/three-servers.js'
import {
  type ClientName,
  type ControllerMessage,
  clientNames,
  type Query,
  type SamplerEndMessage,
  type Table,
  type TableMessage,
} from '../lab/traffic/messages.js'

/** A part of the play. What is in flight when something happens belongs to the phase it happens in. */
export interface Phase {
  readonly name: string
  readonly from: number
  readonly to: number
  /** The flip that has to follow, and when its cause happened. */
  readonly expected?: {
    readonly server: Server
    readonly to: 'up' | 'down'
    readonly causeAt: number
  }
}

/** A server's change on both protocols, by the sampler's clock; `undefined`: not seen there. */
export interface Flip {
  readonly server: Server
  readonly to: 'up' | 'down'
  tcpAt?: number
  udpAt?: number
  /** The table changed up to so many milliseconds before the sample that shows it. */
  gap: number
}

export interface Count {
  asked: number
  answered: number
  lost: number
  lostAfterFlip: number
}

export interface PhaseResult extends Phase {
  /** All clients together. */
  readonly count: Count
  readonly clients: ReadonlyMap<ClientName, Count>
  readonly answeredBy: ReadonlyMap<Server, number>
  /** The expected one, if it was seen at all. */
  readonly flip: Flip | undefined
}

export interface Evidence {
  readonly phases: readonly Phase[]
  readonly tables: readonly TableMessage[]
  readonly samplerEnd: SamplerEndMessage
  readonly queries: readonly Query[]
  readonly controller: readonly ControllerMessage[]
  /** Output of `ipvsadm -Ln`. */
  readonly ipvsadm: string
}

export interface Verdict {
  readonly phases: readonly PhaseResult[]
  readonly flips: readonly Flip[]
  /** The longest time between the two samples around a change: no difference below it can be seen. */
  readonly samplerGapMs: number
  /** Samples in which TCP and UDP had different servers, other than in the middle of a flip. */
  readonly mismatches: number
  /** What did not hold; empty: all held. */
  readonly problems: readonly string[]
}

/** A flip that takes longer than this is not the middle of one any more. */
const flipMs = 10

export function judge(evidence: Evidence): Verdict {
  const { phases, tables, samplerEnd } = evidence
  const start = phases[0]!.from
  const flips = findFlips(tables, phases)
  const results = phases.map((phase) => judgePhase(phase, flips.get(phase)!, evidence.queries))
  const all = [...flips.values()].flat()
  const during = tables.filter(({ at }) => at >= start)
  const verdict = {
    phases: results,
    flips: all,
    samplerGapMs: Math.max(0, ...during.map(({ at, before }) => at - before)),
    mismatches: countMismatches(tables, samplerEnd, start),
  }
  return { ...verdict, problems: findProblems(verdict, flips, evidence) }
}

/** Each server's changes in each phase, those on TCP and on UDP side by side. */
function findFlips(tables: readonly TableMessage[], phases: readonly Phase[]) {
  const flips = new Map<Phase, Flip[]>(phases.map((phase) => [phase, []]))
  for (const [index, table] of tables.entries()) {
    const phase = phases.find(({ from, to }) => table.at >= from && table.at < to)
    const previous = tables[index - 1]
    if (phase === undefined || previous === undefined) continue
    for (const { server, protocol, to } of differences(previous, table)) {
      const of = flips.get(phase)!
      const side = protocol === 'tcp' ? 'tcpAt' : 'udpAt'
      let flip = of.find((one) => one.server === server && one.to === to && one[side] === undefined)
      if (flip === undefined) {
        flip = { server, to, gap: 0 }
        of.push(flip)
      }
      flip[side] = table.at
      flip.gap = Math.max(flip.gap, table.at - table.before)
    }
  }
  return flips
}

export function differences(before: Table, after: Table) {
  return (['tcp', 'udp'] as const).flatMap((protocol) =>
    servers
      .filter((server) => before[protocol].includes(server) !== after[protocol].includes(server))
      .map((server) => {
        const to: Flip['to'] = after[protocol].includes(server) ? 'up' : 'down'
        return { server, protocol, to }
      }),
  )
}

function judgePhase(phase: Phase, flips: readonly Flip[], queries: readonly Query[]): PhaseResult {
  const { expected } = phase
  const flip = flips.find(({ server, to }) => server === expected?.server && to === expected.to)
  // From then on nothing may be lost any more: when the flip is over, also if only one half of it came.
  const settledAt = flip
    ? Math.max(flip.tcpAt ?? 0, flip.udpAt ?? 0)
    : expected
      ? Number.POSITIVE_INFINITY
      : phase.from
  const count = noQueries()
  const clients = new Map(clientNames.map((name) => [name, noQueries()]))
  const answeredBy = new Map<Server, number>(servers.map((server) => [server, 0]))
  for (const { client, sentAt, server } of queries) {
    if (sentAt < phase.from || sentAt >= phase.to) continue
    for (const one of [count, clients.get(client)!]) {
      one.asked++
      if (server !== undefined) one.answered++
      else one.lost++
      if (server === undefined && sentAt >= settledAt) one.lostAfterFlip++
    }
    if (server !== undefined) answeredBy.set(server, answeredBy.get(server)! + 1)
  }
  return { ...phase, count, clients, answeredBy, flip }
}

const noQueries = (): Count => ({ asked: 0, answered: 0, lost: 0, lostAfterFlip: 0 })

function countMismatches(
  tables: readonly TableMessage[],
  end: SamplerEndMessage,
  start: number,
): number {
  let mismatches = 0
  for (const [index, table] of tables.entries()) {
    const next = tables[index + 1]
    if (`${table.tcp}` === `${table.udp}` || (next !== undefined && next.at < start)) continue
    if (next !== undefined && next.at - table.at < flipMs) continue
    mismatches += (next ?? end).samples - table.samples
  }
  return mismatches
}

function findProblems(
  verdict: Omit<Verdict, 'problems'>,
  flips: ReadonlyMap<Phase, readonly Flip[]>,
  { controller, ipvsadm }: Evidence,
): string[] {
  const problems: string[] = []
  for (const phase of verdict.phases) {
    const { name, expected, flip, clients, answeredBy } = phase
    if (expected !== undefined) {
      const { server, to } = expected
      for (const [protocol, at] of [
        ['TCP', flip?.tcpAt],
        ['UDP', flip?.udpAt],
      ]) {
        if (at === undefined) problems.push(`${name}: ${server} never went ${to} on ${protocol}.`)
      }
      if (to === 'up' && answeredBy.get(server) === 0) {
        problems.push(`${name}: ${server} has not answered a single query since.`)
      }
    }
    for (const [client, { asked, lost, lostAfterFlip }] of clients) {
      // Without a failure nothing may be lost; with one, nothing after the flip.
      if (expected?.to === 'down') {
        if (lostAfterFlip > 0) {
          problems.push(`${name}: client "${client}" lost ${lostAfterFlip} queries after the flip.`)
        }
      } else if (lost > 0) {
        problems.push(`${name}: client "${client}" lost ${lost} queries, and nothing had failed.`)
      }
      if (asked === 0) problems.push(`${name}: client "${client}" has not asked anything.`)
    }
  }
  for (const [{ name, expected }, seen] of flips) {
    const rest = [...seen]
    const at = rest.findIndex(({ server, to }) => server === expected?.server && to === expected.to)
    if (at >= 0) rest.splice(at, 1)
    for (const { server, to } of rest)
      problems.push(`${name}: ${server} went ${to} without a cause.`)
  }
  if (verdict.mismatches > 0) {
    problems.push(`${verdict.mismatches} samples had different servers on TCP and on UDP.`)
  }
  for (const { event, server = 'pool', text } of controller) {
    if (event === 'diverged' || event === 'error') problems.push(`${server}: ${event}: ${text}`)
  }
  const shown = parseIpvsadm(ipvsadm)
  for (const protocol of ['tcp', 'udp'] as const) {
    if (`${shown[protocol]}` === `${servers}`) continue
    const has = shown[protocol].join(', ') || 'no server'
    problems.push(
      `At the end ipvsadm -Ln shows ${has} on ${protocol.toUpperCase()}, not all three.`,
    )
  }
  return problems
}

/** Servers with a weight above 0 by protocol, from lines such as `  -> 192.0.2.11:53   Route   1   0   0`. */
export function parseIpvsadm(text: string): Table {
  const table: Record<'tcp' | 'udp', Server[]> = { tcp: [], udp: [] }
  let protocol: keyof Table | undefined
  for (const line of text.split('\n')) {
    const [first = '', second = '', , weight] = line.trim().split(/\s+/)
    if (first === 'TCP' || first === 'UDP') {
      protocol = second === `${vip}:${port}` ? (first === 'TCP' ? 'tcp' : 'udp') : undefined
    } else if (first === '->' && protocol !== undefined) {
      const server = servers.find((name) => second === `${addresses[name]}:${port}`)
      if (server !== undefined && weight !== '0') table[protocol].push(server)
    }
  }
  return { tcp: table.tcp.sort(), udp: table.udp.sort() }
}
