// What the queries say, counted from their raw log: what was lost in each phase, and whether that is what had to be.
// Knows when the pool's promises resolved, and nothing else about it.
import {
  patienceMs,
  type Query,
  type Stream,
  streams,
  type UdpClient,
  udpClients,
} from './messages.js'
import { type Server, servers } from './network.js'
import type { Evidence, Phase } from './play.js'
import { type Action, isSupported, type Loss, type Scenario } from './scenarios.js'

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
  readonly tookMs: number
  readonly seconds: number
  readonly warnings: readonly string[]
  readonly note: string
}

export interface Verdict {
  readonly rows: readonly Row[]
  readonly refused?: string
  /** What did not hold; empty: all held. */
  readonly problems: readonly string[]
}

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
  const { scenario, phases, refused, sent } = evidence
  const rows = phases.map((phase) => count(phase, evidence))
  const problems: string[] = []
  const problem = (text: string) => problems.push(`${scenario.name}: ${text}`)
  if (scenario.says === 'refuses' && refused === undefined) problem('the pool was not refused.')
  if (scenario.says !== 'refuses' && refused !== undefined) problem(`refused: ${refused}`)
  for (const [index, row] of rows.entries()) {
    const about = (text: string) => problem(`${row.action}: ${text}`)
    checkCounts(row, scenario, about)
    if (isSupported(scenario)) checkSupported(row, phases[index]!, scenario, about)
  }
  if (scenario.lopsided) checkLopsided(rows, problem)
  if (sent !== undefined && sent.length > 0) {
    problem(`restart: the new controller sent commands ${sent.join(', ')} that change something.`)
  }
  return { rows, ...(refused !== undefined && { refused }), problems }
}

const answeredInTime = ({ sentAt, answeredAt }: Query) =>
  answeredAt !== undefined && answeredAt - sentAt <= patienceMs

function count(phase: Phase, { scenario, queries, breaks }: Evidence): Row {
  const of = (client: UdpClient, from: number, to: number) =>
    queries.filter((query) => query.client === client && query.sentAt >= from && query.sentAt < to)
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
      breaks: breaks.filter(
        ({ client, at }) => client === stream && at >= phase.from && at < phase.to,
      ).length,
      answersAfterMs: answersAfter(stream, phase, queries),
    })),
    tookMs: round(phase.resolvedAt - phase.startedAt),
    seconds: round((phase.to - phase.resolvedAt) / 1000),
    warnings: phase.warnings,
    note: phase.note,
  }
}

function answersAfter(stream: Stream, { resolvedAt, to }: Phase, queries: readonly Query[]) {
  const answers = queries.flatMap(({ client, sentAt, answeredAt }) =>
    client === stream && sentAt >= resolvedAt && answeredAt !== undefined && answeredAt < to
      ? [answeredAt]
      : [],
  )
  return answers.length === 0 ? null : round(Math.min(...answers) - resolvedAt)
}

const round = (value: number) => Math.round(value * 10) / 10

/** What was lost after the promise had resolved, and what the pool says. */
function checkCounts(row: Row, { losses, says }: Scenario, about: (text: string) => void): void {
  for (const client of udpClients) {
    const { sent, lost, lostToMs } = row.after[client]
    const wanted = losses[client]
    if (sent === 0) about(`client "${client}" has not asked anything.`)
    else if (!isLoss(wanted, row.after[client])) {
      const last = lost === 0 ? '' : ` (the last after ${lostToMs} ms)`
      about(`client "${client}" lost ${lost} of ${sent} sent after it${last}; should be ${wanted}.`)
    }
  }
  if (`${row.warnings}` !== `${says}`) {
    about(`the pool warns [${row.warnings}]; should be [${says}].`)
  }
}

function isLoss(wanted: Loss, { sent, lost, lostFromMs = 0, lostToMs = 0 }: Count): boolean {
  if (wanted === 'none') return lost === 0
  if (wanted === 'tick') return lostFromMs >= -tickMs && lostToMs <= tickMs
  if (wanted === 'some') return lost > 0 && lost < sent
  return lost >= sent * nearlyAll
}

/** Where nothing may be lost: what happened has really happened, and hurt nobody else. */
function checkSupported(
  row: Row,
  phase: Phase,
  { losses }: Scenario,
  about: (text: string) => void,
): void {
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
  if (server !== undefined) checkServer(row, action, server, about)
  const takesOut = action === 'fail' || action === 'drain'
  for (const { onServer, breaks, answersAfterMs } of row.streams) {
    const mayBreak = onServer && (takesOut || action === 're-add')
    if (breaks > 0 && !mayBreak) about('a TCP stream broke that had no reason to.')
    if (answersAfterMs === null || answersAfterMs > backMs) {
      about(`a TCP stream got no answer within ${backMs} ms.`)
    }
  }
}

function checkServer(
  row: Row,
  action: Action,
  server: Server,
  about: (text: string) => void,
): void {
  const newOnes = row.answeredBy['UDP, new ports'][server]!
  const answers = udpClients.reduce((sum, client) => sum + row.answeredBy[client][server]!, 0)
  if ((action === 'fail' || action === 'drain') && answers > 0) {
    about(`${server} is out, and has answered ${answers} queries.`)
  }
  if (['recover', 'ready', 're-add'].includes(action) && row.after['UDP, new ports'].lost === 0) {
    if (newOnes === 0) about(`${server} is back, and has not answered a query of a new port.`)
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
