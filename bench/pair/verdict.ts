// What a trial shows, from its raw logs: when the other director took over, what clients lost, and whether anything happened
// that must not. Knows nothing about how a system works.
import { type Director, directors, pair } from '../../lab/network/three-servers.js'
import { patienceMs } from '../../lab/traffic/client-names.js'
import { lastWords, type Query } from '../../lab/traffic/queries.js'
import { stolenTimes } from '../../lab/witness/entries.js'
import { membersOver, protocols } from '../../lab/witness/members.js'
import { Steal } from '../../lab/witness/steal.js'
import type { Told } from '../trials/trials.js'
import { type ClientName, clientNames, perSecond } from './client-names.js'
import type { Evidence } from './evidence.js'
import { type FailureName, failures } from './failures.js'
import { ours, type SystemName } from './systems.js'

/** One client's view of one trial. */
export interface Row {
  readonly system: SystemName
  readonly failure: FailureName
  readonly client: ClientName
  /** Queries without an answer in time, of those sent from the beginning of the failure to the end of the trial. */
  readonly lost: number
  /** From the failure until the other director said that it was the master; `null` where it has not done so. */
  readonly takeoverMs: number | null
}

/** What there is to say of a trial besides. */
export interface Seen {
  readonly system: SystemName
  readonly failure: FailureName
  readonly asked: Readonly<Record<ClientName, number>>
  /** Of the lost ones, those sent when the failure was over: its end has harmed somebody. */
  readonly lostAfterwards: Readonly<Record<ClientName, number>>
  /** Connections of the client that keeps them, which were cut. */
  readonly cut: number
  /** How long both directors said that they were the master. */
  readonly bothMs: number
  /** Changes of the first director's table since the failure was over; `null` where it has to change. */
  readonly changesAfterwards: number | null
  /** How long a director held a server that both had taken out as dead; `null` without such a server. */
  readonly heldDeadMs: number | null
  /** Queries that servers got more often than they were sent, and packets that used up their hops. */
  readonly doubled: number
}

export interface Verdict extends Told {
  readonly rows: readonly Row[]
  readonly seen: Seen
}

/**
 * With more than this part of the time missing, who was late proves nothing, and the figures are not worth keeping. So many programs in
 * one guest are late by themselves: a tenth is missing on a quiet machine.
 */
export const mostMissing = 0.2

/** What was sent so long before a failure may have met it. */
const inFlightMs = 50
/** A master says so once a second; of one that has not for so long, nobody takes it for one. */
const silentMs = 1500

export function judge(evidence: Evidence): Verdict {
  const { system, failure, startedAt, beganAt, failedAt, overAt, endedAt, dead } = evidence
  const { moves, adopts, serversToo } = failures.find(({ name }) => name === failure)!
  const steal = new Steal(stolenTimes(evidence.tables.lb1))
  const since = serversToo ? startedAt : Math.min(beganAt, dead?.from ?? beganAt) - inFlightMs
  const lost = (client: ClientName, from: number, to = endedAt) =>
    sentOf(evidence.queries, client, from, to).filter(isLost).length

  const taken = evidence.adverts.find(
    ({ at, from, priority }) => at >= failedAt && from === pair.lb2 && priority > 0,
  )
  // VRRP's timers run on while the machine does something else.
  const takeoverMs = taken ? Math.round(taken.at - failedAt) : null
  const rows = clientNames.map((client): Row => {
    // Where a server has died first, what that cost is no affair of the directors'.
    const from = dead ? failedAt - inFlightMs : since
    return { system, failure, client, lost: lost(client, from), takeoverMs }
  })
  const seen: Seen = {
    system,
    failure,
    asked: byClient((client) => sentOf(evidence.queries, client, since, endedAt).length),
    lostAfterwards: byClient((client) => lost(client, overAt)),
    cut: evidence.cuts.filter((at) => at >= (dead ? failedAt : since)).length,
    bothMs: Math.round(bothMasters(evidence)),
    changesAfterwards: adopts ? changesOf('lb1', evidence, overAt) : null,
    heldDeadMs: heldDead(evidence),
    doubled: evidence.twice + evidence.hopsExceeded,
  }
  const missing = steal.share(startedAt, endedAt)
  const late = [...worthless(), ...(system === ours ? broken() : [])]
  // No machine is so busy that it brings a dead server back.
  const held =
    system === ours && seen.heldDeadMs
      ? [`a server that both knew to be dead was held for ${seen.heldDeadMs} ms.`]
      : []
  const busy = missing > mostMissing
  return {
    rows,
    seen,
    problems: (busy ? held : [...held, ...late]).map(named),
    doubts: busy ? late.map(named) : [],
    missing,
  }

  function named(text: string): string {
    return `${system}: ${failure}: ${text}`
  }

  function worthless(): string[] {
    const problems: string[] = []
    for (const client of serversToo ? [] : clientNames) {
      if (sentOf(evidence.queries, client, startedAt, since).length === 0)
        problems.push(`client "${client}" had not asked anything before the failure.`)
      const early = lost(client, startedAt, since)
      if (early > 0)
        problems.push(`client "${client}" lost ${early} queries before anything failed.`)
    }
    if (moves && takeoverMs === null) problems.push('the other director has not taken over.')
    if (!moves && takeoverMs !== null) problems.push('the other director took over without need.')
    const masters = directors.filter((director) => isMaster(director, endedAt, evidence))
    if (masters.length !== 1) {
      problems.push(`masters at the end: ${masters.join(', ') || 'none'}; there has to be one.`)
    }
    return problems
  }

  /** What ours has to do, whatever the other one does. */
  function broken(): string[] {
    const { cut, changesAfterwards, heldDeadMs, doubled } = seen
    return [
      ...(cut > 0 && !serversToo ? [`${cut} connections were cut.`] : []),
      ...(changesAfterwards ? [`the first table was changed ${changesAfterwards} times.`] : []),
      ...(heldDeadMs === null && dead ? ['the dead server was never out on both.'] : []),
      ...(doubled > 0 && !serversToo ? [`${doubled} packets went round.`] : []),
    ]
  }
}

/** So much may be chance: VRRP's timers run out a little later on one day than on another. */
const chanceMs = 300

/** Everything in which ours has a worse figure than keepalived, beyond what chance does. */
export function worse(
  rows: readonly Row[],
  trials: readonly Pick<Seen, 'system' | 'failure' | 'cut' | 'doubled'>[],
): string[] {
  const found: string[] = []
  for (const { name, serversToo } of failures) {
    const of = <T extends { readonly system: SystemName; readonly failure: FailureName }>(
      some: readonly T[],
      system: SystemName,
    ) => some.filter((one) => one.system === system && one.failure === name)
    for (const own of of(rows, ours)) {
      const other = of(rows, 'keepalived').find(({ client }) => client === own.client)
      if (other === undefined) continue
      const chance = Math.ceil((perSecond[own.client] * chanceMs) / 1000)
      if (own.lost > other.lost + chance)
        found.push(
          `${name}: client "${own.client}" lost ${own.lost}, with keepalived ${other.lost}.`,
        )
      if (own.client !== clientNames[0] || own.takeoverMs === null || other.takeoverMs === null)
        continue
      if (own.takeoverMs > other.takeoverMs + chanceMs)
        found.push(
          `${name}: taken over after ${own.takeoverMs} ms, with keepalived ${other.takeoverMs}.`,
        )
    }
    const [own, other] = [of(trials, ours)[0], of(trials, 'keepalived')[0]]
    if (own === undefined || other === undefined) continue
    if (own.doubled > other.doubled)
      found.push(`${name}: ${own.doubled} packets went round, with keepalived ${other.doubled}.`)
    if (own.cut > other.cut && !serversToo)
      found.push(`${name}: ${own.cut} connections cut, with keepalived ${other.cut}.`)
  }
  return found
}

/** No answer, or a late one: TCP's, which sends again what a takeover has swallowed. Its timers run on as VRRP's do. */
const isLost = ({ server, sentAt, endedAt }: Query) =>
  server === undefined || endedAt - sentAt > patienceMs

const byClient = <T>(make: (client: ClientName) => T) =>
  Object.fromEntries(clientNames.map((client) => [client, make(client)])) as Record<ClientName, T>

const sentOf = (
  queries: readonly Query<ClientName>[],
  client: ClientName,
  from: number,
  to: number,
) =>
  lastWords(queries).filter(
    (query) => query.client === client && query.sentAt >= from && query.sentAt < to,
  )

/** When a director said that it was the master: from each advertisement to the next, or as long as one is good for. */
function mastership(director: Director, { adverts, endedAt }: Evidence): [number, number][] {
  const own = adverts.filter(({ from }) => from === pair[director])
  return own.flatMap(({ at, priority }, index): [number, number][] => {
    if (priority === 0) return []
    const next = own[index + 1]?.at ?? endedAt
    return [[at, next - at > silentMs ? at : next]]
  })
}

function bothMasters(evidence: Evidence): number {
  const [first, second] = directors.map((director) => mastership(director, evidence))
  let sum = 0
  for (const [from, to] of first!) {
    for (const [a, b] of second!) sum += Math.max(0, Math.min(to, b) - Math.max(from, a))
  }
  return sum
}

const isMaster = (director: Director, at: number, { adverts }: Evidence): boolean => {
  const last = adverts.findLast((advert) => advert.from === pair[director] && advert.at <= at)
  return last !== undefined && last.priority > 0 && at - last.at <= silentMs
}

/** The table's lines differ from those before. */
const changesOf = (director: Director, { tables, endedAt }: Evidence, since: number): number =>
  tables[director].filter((entry) => 'table' in entry && entry.at >= since && entry.at <= endedAt)
    .length

function heldDead(evidence: Evidence): number | null {
  const { dead, endedAt } = evidence
  if (dead === undefined) return null
  const states = directors.map((director) => membersOver(evidence.tables[director]))
  const holds = ({ members }: (typeof states)[number][number]) =>
    protocols.some((protocol) => members[protocol].includes(dead.server))
  const outAt = states.map((all) => all.find((one) => one.at >= dead.from && !holds(one))?.at)
  if (outAt.includes(undefined)) return null
  const known = Math.max(...outAt.map(Number))
  let sum = 0
  for (const all of states) {
    for (const [index, state] of all.entries()) {
      const from = Math.max(state.at, known)
      const to = Math.min(all[index + 1]?.at ?? endedAt, endedAt)
      if (holds(state)) sum += Math.max(0, to - from)
    }
  }
  return Math.round(sum)
}
