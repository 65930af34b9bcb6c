// What a trial shows, from its raw logs: when the table was put right, how long TCP and UDP disagreed in it, and which
// queries were lost. Knows nothing about how a system works.

import { servers } from '../../lab/network/three-servers.js'
import { type ClientName, clientNames, patienceMs } from '../../lab/traffic/client-names.js'
import { fateOf, lastWords, type Query } from '../../lab/traffic/queries.js'
import { stolenTimes } from '../../lab/witness/entries.js'
import {
  isSplit,
  type MembersEntry,
  membersOver,
  type Protocol,
  protocols,
} from '../../lab/witness/members.js'
import { Steal } from '../../lab/witness/steal.js'
import type { Told } from '../trials/trials.js'
import type { Evidence } from './evidence.js'
import { type FailureName, failures } from './failures.js'
import { isOurs, promisesToFind, type SystemName } from './systems.js'

/** One client's view of one trial. */
export interface Row {
  readonly system: SystemName
  readonly failure: FailureName
  readonly client: ClientName
  /**
   * A server failed: until it had left one of the two services. The table or its controller: how long the table was not as it
   * should be. `null`: that has not happened, or has not ended.
   */
  readonly detectMs: number | null
  /**
   * How long TCP and UDP had different servers in the table, all flips of the trial together: from the first look that saw it to
   * the last one. What only one look saw has no length: a look takes the guest's one CPU away from whoever has it, in the middle
   * of a system call too (netlink_rcv_skb takes a batch apart message by message).
   */
  readonly skewMs: number
  /** Lost, and sent while the client's own service was wrong: it held the dead server, or it was gone. */
  readonly lostBefore: number
  /** Lost, and sent while it was right; `null` if it was never right as long as the failure lasted. */
  readonly lostAfter: number | null
}

/** From when to when, in milliseconds since the failure. */
export type Spell = readonly [from: number, to: number]

/** What there is to draw. Times are milliseconds since the failure. */
export interface Timeline {
  readonly system: SystemName
  readonly failure: FailureName
  readonly from: number
  readonly to: number
  readonly dead: Readonly<Record<Protocol, readonly Spell[]>>
  /** When the victim was in the service. */
  readonly inTable: Readonly<Record<Protocol, readonly Spell[]>>
  /** Flips: changes of servers; split: those that the sampler saw on one protocol before the other. */
  readonly flips: number
  readonly splitFlips: number
  /** Queries lost, by the time they were sent, in steps of `binMs` from `from` on. */
  readonly lost: Readonly<Record<ClientName, readonly number[]>>
  readonly asked: Readonly<Record<ClientName, number>>
}

export interface Verdict extends Told {
  readonly rows: readonly Row[]
  readonly timeline: Timeline
}

/** With more than this part of the time missing, who was late proves nothing, and the figures are not worth keeping. */
export const mostMissing = 0.1

export const binMs = 250
/** What was sent so long before a change may have met it. */
const inFlightMs = 50

export function judge(evidence: Evidence): Verdict {
  const { system, failure, victim, failedAt, restoredAt, endedAt, queries, dead } = evidence
  const states = membersOver(evidence.tables)
  const steal = new Steal(stolenTimes(evidence.tables))
  const to = failures.find(({ name }) => name === failure)!.to
  const wrong = {
    tcp: wrongSpells('tcp', states, evidence),
    udp: wrongSpells('udp', states, evidence),
  }
  const isWrong = (client: ClientName, sentAt: number) =>
    wrong[protocolOf(client)].some(([from, to]) => sentAt + inFlightMs >= from && sentAt < to)
  const lostOf = (client: ClientName) =>
    lostQueries(queries, client, steal, (sentAt) => isWrong(client, sentAt))
  const detectMs =
    to === 'server' ? leftAfter(states, evidence, steal) : wrongFor(states, evidence, steal)
  const apart = clip(splitSpells(states, endedAt), failedAt, endedAt)
  const skewMs = round(lengthOf(apart, steal))
  const since = Math.min(failedAt, ...dead.map(({ from }) => from)) - inFlightMs

  const rows = clientNames.map((client): Row => {
    const lost = lostOf(client).filter((sentAt) => sentAt >= failedAt - inFlightMs)
    const before = lost.filter((sentAt) => isWrong(client, sentAt)).length
    // Once wrong, and not right before the failure was over.
    const during = clip(wrong[protocolOf(client)], failedAt, restoredAt)
    const neverRight = during.length === 1 && during[0]![1] >= restoredAt - inFlightMs
    const lostAfter = neverRight ? null : lost.length - before
    return { system, failure, client, detectMs, skewMs, lostBefore: before, lostAfter }
  })
  const missing = steal.share(evidence.startedAt, endedAt)
  const busy = missing > mostMissing
  const named = (text: string) => `${system}: ${failure}: ${text}`
  const late = findProblems(evidence, since)
  // A table that others have broken is split by them.
  const split =
    isOurs(system) && to === 'server' && skewMs > 0
      ? [`TCP and UDP had different servers for ${skewMs} ms.`]
      : []
  return {
    rows,
    timeline: draw(evidence, states),
    problems: (busy ? split : [...split, ...late]).map(named),
    doubts: [...(busy ? late : []), ...untold(since)].map(named),
    missing,
  }

  function findProblems({ startedAt }: Evidence, since: number): string[] {
    const problems: string[] = []
    for (const client of clientNames) {
      const isOwn = (query: Query) => query.client === client && query.sentAt >= startedAt
      if (!queries.some(isOwn)) problems.push(`client "${client}" has not asked anything.`)
      const early = lostOf(client).filter((sentAt) => sentAt >= startedAt && sentAt < since)
      if (early.length > 0) {
        problems.push(`client "${client}" lost ${early.length} queries before anything failed.`)
      }
    }
    if (isOurs(system)) problems.push(...promises())
    const atFailure = states.findLast(({ at }) => at <= since)
    for (const protocol of protocols) {
      if (atFailure?.members[protocol].length === servers.length) continue
      problems.push(`${protocol.toUpperCase()} had not all servers before anything failed.`)
    }
    return problems
  }

  /** Queries of which it was promised that none is lost, and which the machine has given no time to be answered in. */
  function untold(since: number): string[] {
    if (!isOurs(system)) return []
    return clientNames.flatMap((client) => {
      const unknown = lastWords(queries).filter(
        (query) =>
          query.client === client &&
          query.sentAt >= since &&
          !isWrong(client, query.sentAt) &&
          fateOf(query, steal, patienceMs) === 'unknown',
      )
      if (unknown.length === 0) return []
      return [`client "${client}": of ${unknown.length} queries nobody knows what became of them.`]
    })
  }

  /** What ours has to do, whatever the others do. */
  function promises(): string[] {
    const broken: string[] = []
    if (detectMs === null && promisesToFind(system, failure)) {
      broken.push(to === 'server' ? 'the dead server stayed.' : 'the table was not put right.')
    }
    for (const { client, lostAfter } of rows) {
      if (lostAfter) broken.push(`client "${client}" lost ${lostAfter} queries after the flip.`)
    }
    return broken
  }

  function draw({ startedAt }: Evidence, all: readonly MembersEntry[]): Timeline {
    const start = Math.max(startedAt, since - 1000)
    const relative = (some: readonly Spell[]) =>
      clip(some, start, endedAt).map(
        ([from, to]): Spell => [Math.round(from - failedAt), Math.round(to - failedAt)],
      )
    const each = <T>(make: (protocol: Protocol) => T) => ({ tcp: make('tcp'), udp: make('udp') })
    const bins = Math.ceil((endedAt - start) / binMs)
    const byClient = <T>(make: (client: ClientName) => T) =>
      Object.fromEntries(clientNames.map((client) => [client, make(client)])) as Record<
        ClientName,
        T
      >
    return {
      system,
      failure,
      from: Math.round(start - failedAt),
      to: Math.round(endedAt - failedAt),
      dead: each((protocol) =>
        relative(
          dead.filter((one) => one.protocol === protocol).map(({ from, to }): Spell => [from, to]),
        ),
      ),
      inTable: each((protocol) =>
        relative(spells(all, endedAt, ({ members }) => members[protocol].includes(victim))),
      ),
      ...countFlips(all, since),
      lost: byClient((client) => {
        const counts = Array<number>(bins).fill(0)
        for (const sentAt of lostOf(client)) {
          const bin = Math.floor((sentAt - start) / binMs)
          if (bin >= 0 && bin < bins) counts[bin]!++
        }
        return counts
      }),
      asked: byClient(
        (client) =>
          lastWords(queries).filter((query) => query.client === client && query.sentAt >= failedAt)
            .length,
      ),
    }
  }
}

const protocolOf = (client: ClientName): Protocol => (client === 'TCP' ? 'tcp' : 'udp')

/** When they were sent. What nobody knows of was lost where it may have been the dead server's. */
function lostQueries(
  queries: readonly Query[],
  client: ClientName,
  steal: Steal,
  isWrong: (sentAt: number) => boolean,
): number[] {
  const isLost = (query: Query) => {
    const fate = fateOf(query, steal, patienceMs)
    return fate === 'lost' || (fate === 'unknown' && isWrong(query.sentAt))
  }
  return lastWords(queries)
    .filter((query) => query.client === client && isLost(query))
    .map(({ sentAt }) => sentAt)
}

/** When it held, joined where it went on. */
function spells(
  states: readonly MembersEntry[],
  end: number,
  holds: (state: MembersEntry) => boolean,
): Spell[] {
  const found: [number, number][] = []
  for (const [index, state] of states.entries()) {
    if (!holds(state)) continue
    const to = states[index + 1]?.at ?? end
    const last = found.at(-1)
    if (last?.[1] === state.at) last[1] = to
    else found.push([state.at, to])
  }
  return found
}

/** When TCP and UDP had different servers: from the first look that saw it to the last. */
function splitSpells(states: readonly MembersEntry[], end: number): Spell[] {
  const spells: Spell[] = []
  let from: number | undefined
  for (const { at, before, members } of states) {
    if (isSplit(members)) from ??= at
    else if (from !== undefined) {
      spells.push([from, before])
      from = undefined
    }
  }
  if (from !== undefined) spells.push([from, end])
  return spells
}

const clip = (some: readonly Spell[], from: number, to: number): Spell[] =>
  some.map(([a, b]): Spell => [Math.max(a, from), Math.min(b, to)]).filter(([a, b]) => a < b)

const lengthOf = (some: readonly Spell[], steal: Steal) =>
  some.reduce((sum, [from, to]) => sum + steal.ran(from, to), 0)

/** When the service held the dead server, or no living one. */
function wrongSpells(
  protocol: Protocol,
  states: readonly MembersEntry[],
  { dead, victim, endedAt, failedAt }: Evidence,
): Spell[] {
  const holding = spells(states, endedAt, ({ members }) => members[protocol].includes(victim))
  const while_ = dead
    .filter((one) => one.protocol === protocol)
    .flatMap(({ from, to }) => clip(holding, from, to))
  const empty = spells(states, endedAt, ({ members }) =>
    members[protocol].every((server) => server === victim && isDeadAt(failedAt)),
  )
  return [...while_, ...empty]

  function isDeadAt(time: number): boolean {
    return dead.some((one) => one.protocol === protocol && one.from <= time && time < one.to)
  }
}

/** From the failure until the victim had left one of the services, if it did so before it was back. */
function leftAfter(
  states: readonly MembersEntry[],
  { victim, failedAt, dead }: Evidence,
  steal: Steal,
): number | null {
  const back = Math.min(...dead.map(({ to }) => to))
  const left = states.find(
    ({ at, members }) =>
      at >= failedAt &&
      at < back &&
      protocols.some((protocol) => !members[protocol].includes(victim)),
  )
  return left === undefined ? null : round(steal.ran(failedAt, left.at))
}

/** How long the table was not as it should be, while the failure lasted. */
function wrongFor(
  states: readonly MembersEntry[],
  { victim, failedAt, restoredAt, dead }: Evidence,
  steal: Steal,
): number | null {
  const wrong = spells(states, restoredAt, ({ members }) =>
    protocols.some((protocol) => {
      const isDead = dead.some((one) => one.protocol === protocol && one.from <= failedAt)
      const wanted = servers.filter((server) => !(isDead && server === victim))
      return `${members[protocol]}` !== `${wanted}`
    }),
  )
  const since = clip(wrong, failedAt, restoredAt)
  if (since.at(-1)?.[1] === restoredAt) return null
  return round(lengthOf(since, steal))
}

/** Changes of which servers there are; a split one was seen on one protocol before the other. */
function countFlips(states: readonly MembersEntry[], since: number) {
  let flips = 0
  let splitFlips = 0
  for (const [index, { at, members }] of states.entries()) {
    const before = states[index - 1]?.members
    if (before === undefined || at < since) continue
    const changed = protocols.filter((protocol) => `${before[protocol]}` !== `${members[protocol]}`)
    if (changed.length === 0) continue
    // The second half of a split flip ends it and is none of its own.
    if (isSplit(before) && !isSplit(members)) continue
    flips++
    if (isSplit(members)) splitFlips++
  }
  return { flips, splitFlips }
}

const round = (ms: number) => Math.round(ms * 10) / 10
