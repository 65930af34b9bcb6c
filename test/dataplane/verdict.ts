// What the queries say, counted from their raw log: what was lost in each phase, and whether that is what had to be.
// Knows when the pool's promises resolved, and nothing else about it.
import type { Outcome } from '../../lab/command.js'
import { fateOf, lastWords, mostMissingIfLate, type Query } from '../../lab/traffic/queries.js'
import {
  type Client,
  patienceMs,
  type Stream,
  streams,
  type UdpClient,
  udpClients,
} from './messages.js'
import { type Server, servers } from './network.js'
import type { Evidence, Phase } from './play.js'
import { type Action, isSupported, type Loss, limit, type Scenario } from './scenarios.js'

export interface Count {
  readonly sent: number
  readonly lost: number
  /** When the first and the last of the lost ones were sent, from when the promise had resolved. */
  readonly lostFromMs?: number
  readonly lostToMs?: number
}

export interface StreamFate {
  /** Whether it was on the server that something happened to. */
  readonly onServer: boolean
  /** How often it was broken in this phase. */
  readonly breaks: number
  /** From when the promise had resolved to its first answer; `null`: none in this phase. */
  readonly answersAfterMs: number | null
}

/** Queries from new ports that the server has answered; each is an entry in the kernel for as long as the UDP timeout. */
export interface Limited {
  /** The most that were entries at once. */
  readonly atOnce: number
  /** Those that were sent when all from before the limit were gone. */
  readonly later: number
}

/** One phase of one scenario. */
export interface Row {
  readonly scenario: string
  readonly action: Action
  /** Sent after the promise had resolved. */
  readonly after: Readonly<Record<UdpClient, Count>>
  /** Sent before: the failure until it is noticed, and what the action itself does. */
  readonly before: Readonly<Record<UdpClient, Count>>
  /** Of the answered ones sent after, by who answered. */
  readonly answeredBy: Readonly<Record<UdpClient, Readonly<Record<string, number>>>>
  readonly streams: readonly StreamFate[]
  /** Of a server that has got a limit. */
  readonly limited?: Limited
  readonly tookMs: number
  readonly seconds: number
  readonly warnings: readonly string[]
  readonly note: string
}

export interface Verdict {
  readonly rows: readonly Row[]
  readonly refused?: string
  readonly outcome: Outcome
  /** What did not hold; empty: all held. */
  readonly problems: readonly string[]
  /** What did not hold, or could not be seen, and may be the machine's fault. */
  readonly doubts: readonly string[]
  /** The part of the time that the machine has not given to the guest. */
  readonly missing: number
}

/** With more than this part of a phase's time missing, who was late proves nothing. */
const mostMissing = 0.1

/** `all` of the queries: but for the first ones, which may have found a way. */
const nearlyAll = 0.95
/**
 * A removed server's entry that conntrack knows too drops its packets until the timer that ends it has run: a tick of the
 * kernel's clock, 10 ms at the longest (ip_vs_core.c: ip_vs_in_hook, ip_vs_conn.c: ip_vs_conn_expire_now). And the one CPU
 * has other things to do.
 */
const tickMs = 20
/** A stream on a server that has gone gets its first answer from another one within this. */
const backMs = 2000

export function judge(evidence: Evidence): Verdict {
  const { scenario, phases, refused, sent, steal } = evidence
  const rows = phases.map((phase) => count(phase, evidence))
  const problems: string[] = []
  const problem = (text: string) => problems.push(`${scenario.name}: ${text}`)
  if (scenario.says === 'refuses' && refused === undefined) problem('the pool was not refused.')
  if (scenario.says !== 'refuses' && refused !== undefined) problem(`refused: ${refused}`)
  const doubts: string[] = []
  for (const [index, row] of rows.entries()) {
    const { from, to } = phases[index]!
    const busy =
      steal.share(from, to) > mostMissing ||
      evidence.queries.some(
        (query) =>
          query.sentAt >= from &&
          query.sentAt < to &&
          fateOf(query, steal, patienceMs) === 'unknown',
      )
    const about: Finding = (text, however = false) => {
      const line = `${scenario.name}: ${row.action}: ${text}`
      ;(busy && !however ? doubts : problems).push(line)
    }
    checkCounts(row, scenario, about)
    if (isSupported(scenario)) checkSupported(row, phases[index]!, scenario, about)
  }
  if (scenario.lopsided) checkLopsided(rows, problem)
  if (sent !== undefined && sent.length > 0) {
    problem(`restart: the new controller sent commands ${sent.join(', ')} that change something.`)
  }
  const outcome = problems.length > 0 ? 'failed' : doubts.length > 0 ? 'busy' : 'held'
  const missing = steal.share(phases[0]?.from ?? 0, phases.at(-1)?.to ?? 0)
  return { rows, ...(refused !== undefined && { refused }), outcome, problems, doubts, missing }
}

/** Says what is wrong; `however` busy the machine was. */
type Finding = (text: string, however?: boolean) => void

function count(phase: Phase, { scenario, queries: told, breaks, steal }: Evidence): Row {
  const queries = lastWords(told)
  // Of a query that the machine has given no time, nobody knows: it is not counted.
  const of = (client: UdpClient, from: number, to: number) =>
    queries.filter(
      (query) =>
        query.client === client &&
        query.sentAt >= from &&
        query.sentAt < to &&
        fateOf(query, steal, patienceMs) !== 'unknown',
    )
  const answeredInTime = (query: Query) => fateOf(query, steal, patienceMs) === 'answered'
  const counted = (some: readonly Query[]): Count => {
    const lost = some.filter((query) => !answeredInTime(query))
    if (lost.length === 0) return { sent: some.length, lost: 0 }
    const times = lost.map(({ sentAt }) => round(sentAt - phase.resolvedAt))
    const [lostFromMs, lostToMs] = [Math.min(...times), Math.max(...times)]
    return { sent: some.length, lost: lost.length, lostFromMs, lostToMs }
  }
  const each = <T>(make: (client: UdpClient) => T) =>
    Object.fromEntries(udpClients.map((client) => [client, make(client)])) as Record<UdpClient, T>
  return {
    scenario: scenario.name,
    action: phase.action,
    after: each((client) => counted(of(client, phase.resolvedAt, phase.to))),
    before: each((client) => counted(of(client, phase.from, phase.resolvedAt))),
    answeredBy: each((client) => {
      const after = of(client, phase.resolvedAt, phase.to).filter(answeredInTime)
      return Object.fromEntries(
        servers.map((name) => [name, after.filter(({ server }) => server === name).length]),
      )
    }),
    streams: streams.map((stream) => ({
      onServer: phase.server !== undefined && phase.streamsOn[stream] === phase.server,
      breaks: breaks.filter((one) => {
        if (one.client !== stream || one.at < phase.from || one.at >= phase.to) return false
        // The client itself broke it, for want of an answer, while the machine had other things to do.
        const late = one.why.startsWith('no answer for')
        return !(late && steal.share(one.at - 2 * patienceMs, one.at) > mostMissingIfLate)
      }).length,
      answersAfterMs: answersAfter(stream, phase, queries),
    })),
    ...(phase.action === 'limit' && { limited: countLimited(phase, scenario, queries) }),
    tookMs: round(phase.resolvedAt - phase.startedAt),
    seconds: round((phase.to - phase.resolvedAt) / 1000),
    warnings: phase.warnings,
    note: phase.note,
  }
}

function countLimited(
  { server, resolvedAt, to }: Phase,
  { udpTimeoutSeconds = 300 }: Scenario,
  queries: readonly Query<Client>[],
): Limited {
  const timeoutMs = udpTimeoutSeconds * 1000
  const times = queries
    .filter((query) => query.client === 'UDP, new ports' && query.server === server)
    .map(({ sentAt }) => sentAt)
    .filter((at) => at >= resolvedAt && at < to)
    .sort((a, b) => a - b)
  // A tenth less: when a query was sent is not when the kernel has seen it.
  const from = (at: number) => times.filter((one) => one >= at && one < at + 0.9 * timeoutMs).length
  return {
    atOnce: Math.max(0, ...times.map(from)),
    later: times.filter((at) => at >= resolvedAt + timeoutMs).length,
  }
}

function answersAfter(
  stream: Stream,
  { resolvedAt, to }: Phase,
  queries: readonly Query<Client>[],
) {
  const answers = queries.flatMap(({ client, sentAt, endedAt, server }) =>
    client === stream && sentAt >= resolvedAt && server !== undefined && endedAt < to
      ? [endedAt]
      : [],
  )
  return answers.length === 0 ? null : round(Math.min(...answers) - resolvedAt)
}

const round = (value: number) => Math.round(value * 10) / 10

/** What was lost after the promise had resolved, and what the pool says. */
function checkCounts(row: Row, { losses, says }: Scenario, about: Finding): void {
  for (const client of udpClients) {
    const { sent, lost, lostToMs } = row.after[client]
    const wanted = losses[client]
    if (sent === 0) about(`client "${client}" has not asked anything.`)
    else if (!isLoss(wanted, row.after[client])) {
      const last = lost === 0 ? '' : ` (the last after ${lostToMs} ms)`
      const text = `client "${client}" lost ${lost} of ${sent} sent after it${last}; should be ${wanted}.`
      // Some may be late on a busy machine; not every second one.
      about(text, lost * 2 >= sent)
    }
  }
  if (`${row.warnings}` !== `${says}`) {
    about(`the pool warns [${row.warnings}]; should be [${says}].`, true)
  }
}

function isLoss(wanted: Loss, { sent, lost, lostFromMs = 0, lostToMs = 0 }: Count): boolean {
  if (wanted === 'none') return lost === 0
  if (wanted === 'tick') return lostFromMs >= -tickMs && lostToMs <= tickMs
  if (wanted === 'some') return lost > 0 && lost < sent
  return lost >= sent * nearlyAll
}

/** Where nothing may be lost: what happened has really happened, and hurt nobody else. */
function checkSupported(row: Row, phase: Phase, scenario: Scenario, about: Finding): void {
  const { losses } = scenario
  const { action, server } = phase
  const before = udpClients.reduce((sum, client) => sum + row.before[client].lost, 0)
  if (action === 'fail') {
    if (before === 0) about('nothing was lost before it: the server had not really failed.')
  } else {
    for (const client of udpClients) {
      const { sent, lost } = row.before[client]
      if (isLoss(losses[client], row.before[client])) continue
      about(`client "${client}" lost ${lost} of ${sent} sent meanwhile, and nothing had failed.`)
    }
  }
  if (server !== undefined) checkServer(row, action, server, scenario, about)
  const takesOut = action === 'fail' || action === 'drain'
  for (const { onServer, breaks, answersAfterMs } of row.streams) {
    const mayBreak = onServer && (takesOut || action === 're-add')
    if (breaks > 0 && !mayBreak) about('a stream broke that had no reason to.')
    if (answersAfterMs === null || answersAfterMs > backMs) {
      about(`a stream got no answer within ${backMs} ms.`)
    }
  }
}

function checkServer(
  row: Row,
  action: Action,
  server: Server,
  { byClient }: Scenario,
  about: Finding,
): void {
  const newOnes = row.answeredBy['UDP, new ports'][server]!
  const answers = udpClients.reduce((sum, client) => sum + row.answeredBy[client][server]!, 0)
  if ((action === 'fail' || action === 'drain') && answers > 0) {
    about(`${server} is out, and has answered ${answers} queries.`)
  }
  if (['recover', 'ready', 're-add'].includes(action) && row.after['UDP, new ports'].lost === 0) {
    if (newOnes === 0 && !byClient)
      about(`${server} is back, and has not answered a query of a new port.`)
  }
  if (row.limited !== undefined) {
    const { atOnce, later } = row.limited
    if (atOnce > limit.upperThreshold) {
      about(`${server} may have ${limit.upperThreshold} entries, and has got ${atOnce}.`)
    }
    if (later === 0) about(`${server} has got nothing more when its entries were gone.`)
  }
  if (action === 'weight' && shareOf(server, row) <= 0.5) {
    about(`${server} has three quarters of the weight, and not even half of what is scheduled.`)
  }
}

/** A server's share of the queries; those of the one port only if they are scheduled one by one. */
function shareOf(server: Server, { answeredBy }: Row): number {
  const spread = Object.values(answeredBy['UDP, one port']).every((answers) => answers > 0)
  const scheduled = udpClients.filter((client) => spread || client === 'UDP, new ports')
  const sum = (name: Server) =>
    scheduled.reduce((total, client) => total + answeredBy[client][name]!, 0)
  return sum(server) / servers.reduce((total, name) => total + sum(name), 0)
}

function checkLopsided(rows: readonly Row[], problem: (text: string) => void): void {
  for (const { answeredBy } of rows) {
    const used = servers.filter((server) =>
      udpClients.some((client) => answeredBy[client][server]! > 0),
    )
    if (used.length > 1) problem('both servers have answered; all should have gone to one.')
  }
}
