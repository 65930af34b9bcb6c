// What was seen from outside, put together: flips, queries per phase, and whether all of it held.
// Knows what was to happen, but nothing about how the controller works or whether it cheats.
import type { Outcome } from '../lab/command.js'
import { addresses, port, type Server, servers, vip } from '../lab/network/three-servers.js'
import { type ClientName, clientNames, patienceMs } from '../lab/traffic/client-names.js'
import { fateOf, lastWords, type Query } from '../lab/traffic/queries.js'
import type { EndEntry } from '../lab/witness/entries.js'
import {
  isSplit,
  type Members,
  type MembersEntry,
  type Protocol,
  protocols,
} from '../lab/witness/members.js'
import type { Steal } from '../lab/witness/steal.js'
import type { ControllerMessage } from './messages.js'
import { decisionMs, type Pace } from './pace.js'

/** A part of the play. What is in flight when something fails belongs to the phase it fails in. */
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

/** A server's change on both protocols, by the witness's clock; `undefined`: not seen there. */
export interface Flip {
  readonly server: Server
  readonly to: 'up' | 'down'
  tcpAt?: number
  udpAt?: number
  /** The table changed up to so many milliseconds before the look that shows it. */
  gap: number
}

export interface Count {
  asked: number
  answered: number
  lost: number
  lostAfterFlip: number
  /** Without an answer for no reason that anybody knows: the machine has not given the time for one. */
  unknown: number
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
  readonly tables: readonly MembersEntry[]
  readonly end: EndEntry
  readonly queries: readonly Query<ClientName>[]
  readonly controller: readonly ControllerMessage[]
  /** Output of `ipvsadm -Ln`. */
  readonly ipvsadm: string
  readonly steal: Steal
  readonly pace: Pace
  /** How much time each phase was to have after its flip. */
  readonly dwellMs: number
}

export interface Verdict {
  readonly outcome: Outcome
  readonly phases: readonly PhaseResult[]
  readonly flips: readonly Flip[]
  /** The longest time between the two looks around a change: no difference below it can be seen. */
  readonly gapMs: number
  /** Looks in which TCP and UDP had different servers, other than in the middle of a flip. */
  readonly mismatches: number
  /** What did not hold, however busy the machine was. */
  readonly problems: readonly string[]
  /** What did not hold, or could not be seen, and may be the machine's fault. */
  readonly doubts: readonly string[]
  /** The part of the time that the machine has not given to the guest. */
  readonly missing: number
}

/** A flip that takes longer than this is not the middle of one any more. */
const flipMs = 10
/** A check, or an answer, may be late for no fault of anybody if more of the time was missing. */
const excuse = 0.1
/** A query that takes longer than any other was not on its way when something failed; but no quicker than this. */
const inFlightMs = 50

export function judge(evidence: Evidence): Verdict {
  return new Judging(evidence).verdict()
}

class Judging {
  readonly #evidence: Evidence
  readonly #start: number
  readonly #end: number
  readonly #results: readonly PhaseResult[]
  /** Of each phase. */
  readonly #flips: ReadonlyMap<Phase, readonly Flip[]>
  readonly #problems: string[] = []
  readonly #doubts: string[] = []

  constructor(evidence: Evidence) {
    this.#evidence = evidence
    this.#start = evidence.phases[0]!.from
    this.#end = evidence.phases.at(-1)!.to
    this.#flips = findFlips(evidence.tables, evidence.phases)
    this.#results = this.#count()
  }

  verdict(): Verdict {
    const { tables, steal } = this.#evidence
    for (const [index, phase] of this.#results.entries()) {
      const excused = this.#uncausedFlips(phase, index)
      this.#expectedFlip(phase)
      this.#losses(phase, excused)
    }
    const mismatches = this.#mismatches()
    if (mismatches > 0) {
      this.#problems.push(`${mismatches} looks had different servers on TCP and on UDP.`)
    }
    this.#controller()
    this.#finalTable()
    const during = tables.filter(({ at }) => at >= this.#start)
    const outcome =
      this.#problems.length > 0 ? 'failed' : this.#doubts.length > 0 ? 'busy' : ('held' as const)
    return {
      outcome,
      phases: this.#results,
      flips: [...this.#flips.values()].flat(),
      gapMs: Math.max(0, ...during.map(({ at, before }) => at - before)),
      mismatches,
      problems: this.#problems,
      doubts: this.#doubts,
      missing: steal.share(this.#start, this.#end),
    }
  }

  /** So much was missing just before that whoever was late may have had no time. */
  #isExcused(at: number, ms: number): boolean {
    return this.#evidence.steal.share(at - ms, at) > excuse
  }

  /** To the problems, unless the machine may be to blame. */
  #blame(text: string, excused: boolean): void {
    const list = excused ? this.#doubts : this.#problems
    list.push(text)
  }

  #count(): PhaseResult[] {
    const { phases, queries, steal } = this.#evidence
    const all = lastWords(queries)
    const phaseOf = (query: Query) => {
      const index = phases.findIndex(({ from, to }) => query.sentAt >= from && query.sentAt < to)
      const next = phases[index + 1]
      const own = phases[index]
      if (own === undefined || next?.expected?.to !== 'down') return own
      // On its way when the server failed: the failure has it, not the phase it was sent in.
      const { causeAt } = next.expected
      const lost = fateOf(query, steal, patienceMs) === 'lost'
      return lost && steal.ran(query.sentAt, causeAt) <= slowestOf(own) ? next : own
    }
    const slowestOf = ({ from, to }: Phase) => {
      const times = all
        .filter(({ sentAt, server }) => server !== undefined && sentAt >= from && sentAt < to)
        .map(({ sentAt, endedAt }) => steal.ran(sentAt, endedAt))
      return Math.max(inFlightMs, ...times)
    }
    const byPhase = new Map<Phase, Query<ClientName>[]>(phases.map((phase) => [phase, []]))
    for (const query of all) {
      const phase = phaseOf(query)
      if (phase !== undefined) byPhase.get(phase)!.push(query)
    }
    return phases.map((phase) =>
      countOf(phase, this.#flips.get(phase)!, byPhase.get(phase)!, steal),
    )
  }

  #expectedFlip({ name, expected, flip, answeredBy, to: end }: PhaseResult): void {
    if (expected === undefined) return
    const { server, to, causeAt } = expected
    const { steal, pace, dwellMs, tables } = this.#evidence
    const before = tables.findLast(({ at }) => at < causeAt)?.members
    for (const [protocol, at] of [
      ['tcp', flip?.tcpAt],
      ['udp', flip?.udpAt],
    ] as const) {
      // It was so before, and why is asked there.
      if (at !== undefined || before?.[protocol].includes(server) === (to === 'up')) continue
      const enough = steal.ran(causeAt, end) >= pace.flipLimitMs
      this.#blame(`${name}: ${server} never went ${to} on ${protocol.toUpperCase()}.`, !enough)
    }
    if (to === 'up' && answeredBy.get(server) === 0) {
      const flippedAt = Math.max(flip?.tcpAt ?? end, flip?.udpAt ?? end)
      const enough = steal.ran(flippedAt, end) >= dwellMs * 0.9
      this.#blame(`${name}: ${server} has not answered a single query since.`, !enough)
    }
  }

  /** Whether some server was taken out because the machine had no time. */
  #uncausedFlips({ name, expected, flip }: PhaseResult, index: number): boolean {
    const phases = this.#evidence.phases
    let excused = false
    for (const other of this.#flips.get(phases[index]!)!) {
      if (other === flip) continue
      const { server, to } = other
      const at = Math.min(other.tcpAt ?? this.#end, other.udpAt ?? this.#end)
      // Who comes back may have been taken out a while ago.
      const window = decisionMs(this.#evidence.pace) * (to === 'up' ? 3 : 1)
      const isExcused = this.#isExcused(at, window)
      excused ||= isExcused
      const twice = server === expected?.server && to === expected.to ? ' once more' : ''
      this.#blame(`${name}: ${server} went ${to}${twice} without a cause.`, isExcused)
    }
    return excused
  }

  /** Without a failure nothing may be lost; with one, nothing after the flip. */
  #losses({ name, expected, clients, from, to }: PhaseResult, excused: boolean): void {
    const slow = this.#evidence.steal.share(from, to) > excuse
    for (const [client, { asked, lost, lostAfterFlip, unknown }] of clients) {
      // Some may be late on a busy machine; not every second one.
      const late = excused || (slow && lost * 2 < asked)
      if (expected?.to === 'down') {
        if (lostAfterFlip > 0) {
          const text = `client "${client}" lost ${lostAfterFlip} queries after the flip.`
          this.#blame(`${name}: ${text}`, late)
        }
      } else if (lost > 0) {
        const text = `client "${client}" lost ${lost} queries, and nothing had failed.`
        this.#blame(`${name}: ${text}`, late)
      }
      // They are taken out; but what is left must be enough to tell.
      if (unknown * 4 > asked) {
        this.#doubts.push(`${name}: client "${client}": ${unknown} of ${asked} late.`)
      }
      if (asked === 0) {
        const enough = this.#evidence.steal.ran(from, to) >= this.#evidence.dwellMs * 0.9
        this.#blame(`${name}: client "${client}" has not asked anything.`, !enough)
      }
    }
  }

  #mismatches(): number {
    const { tables, end, steal } = this.#evidence
    let mismatches = 0
    for (const [index, table] of tables.entries()) {
      const next = tables[index + 1]
      if (!isSplit(table.members) || (next !== undefined && next.at < this.#start)) continue
      if (next !== undefined && steal.ran(table.at, next.at) < flipMs) continue
      mismatches += (next ?? end).looks - table.looks
    }
    return mismatches
  }

  #controller(): void {
    for (const { at, event, server = 'pool', text } of this.#evidence.controller) {
      if (event !== 'diverged' && event !== 'error') continue
      // A deadline of the client's is 5 s.
      this.#blame(`${server}: ${event}: ${text}`, this.#evidence.steal.ms(at - 6000, at) > 3000)
    }
  }

  #finalTable(): void {
    const shown = parseIpvsadm(this.#evidence.ipvsadm)
    for (const protocol of protocols) {
      if (`${shown[protocol]}` === `${servers}`) continue
      const has = shown[protocol].join(', ') || 'no server'
      this.#blame(
        `At the end ipvsadm -Ln shows ${has} on ${protocol.toUpperCase()}, not all three.`,
        !isSplit(shown) && this.#isExcused(this.#end, 3 * decisionMs(this.#evidence.pace)),
      )
    }
  }
}

/** Each server's changes in each phase, those on TCP and on UDP side by side. */
function findFlips(tables: readonly MembersEntry[], phases: readonly Phase[]) {
  const flips = new Map<Phase, Flip[]>(phases.map((phase) => [phase, []]))
  for (const [index, table] of tables.entries()) {
    const phase = phases.find(({ from, to }) => table.at >= from && table.at < to)
    const previous = tables[index - 1]
    if (phase === undefined || previous === undefined) continue
    for (const { server, protocol, to } of differences(previous.members, table.members)) {
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

export function differences(before: Members, after: Members) {
  return protocols.flatMap((protocol) =>
    servers
      .filter((server) => before[protocol].includes(server) !== after[protocol].includes(server))
      .map((server) => {
        const to: Flip['to'] = after[protocol].includes(server) ? 'up' : 'down'
        return { server, protocol, to }
      }),
  )
}

function countOf(
  phase: Phase,
  flips: readonly Flip[],
  queries: readonly Query<ClientName>[],
  steal: Steal,
): PhaseResult {
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
  for (const query of queries) {
    const fate = fateOf(query, steal, patienceMs)
    for (const one of [count, clients.get(query.client)!]) {
      one.asked++
      // Before the flip it may have been the dead server's.
      one[
        fate === 'unknown' && expected?.to === 'down' && query.sentAt < settledAt ? 'lost' : fate
      ]++
      if (fate === 'lost' && query.sentAt >= settledAt) one.lostAfterFlip++
    }
    const server = query.server as Server | undefined
    if (server !== undefined) answeredBy.set(server, answeredBy.get(server)! + 1)
  }
  return { ...phase, count, clients, answeredBy, flip }
}

const noQueries = (): Count => ({ asked: 0, answered: 0, lost: 0, lostAfterFlip: 0, unknown: 0 })

/** Servers with a weight above 0 by protocol, from lines such as `  -> 192.0.2.11:53   Route   1   0   0`. */
export function parseIpvsadm(text: string): Members {
  const table: Record<Protocol, Server[]> = { tcp: [], udp: [] }
  let protocol: Protocol | undefined
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
