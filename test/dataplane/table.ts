// The tables of docs/udp-failover.md, from a run's result.
import { renewMeasured, markdownTable as table } from '../../lab/page/table.js'
import { type UdpClient, udpClients } from './messages.js'
import type { Result, ScenarioResult } from './results.js'
import type { Action } from './scenarios.js'
import type { Row } from './verdict.js'

/** In the order of the columns. */
const titles: readonly (readonly [Action, string])[] = [
  ['fail', 'a server fails'],
  ['recover', 'it is back'],
  ['drain', '`drain`'],
  ['ready', 'ready again'],
  ['quiesce', 'weight 0'],
  ['re-add', '`remove`, `add`'],
  ['weight', 'another weight'],
  ['limit', 'a limit'],
  ['restart', 'controller restarts'],
]

/** The page with the tables of this result in place of those it has. */
export const renew = (page: string, result: Result): string =>
  renewMeasured(page, 'npm run udp-failover -- --out docs', tables(result))

function tables(result: Result): string[] {
  const { kernel, node, date, scenarios } = result
  const good = scenarios.filter(({ supported }) => supported)
  const seconds = (some: readonly ScenarioResult[]) => {
    const all = some.flatMap(({ rows }) => rows.map((row) => Math.round(row.seconds)))
    const bounds = new Set([Math.min(...all), Math.max(...all)])
    return `${[...bounds].join(' to ')} s`
  }
  const others = scenarios.filter(({ supported }) => !supported)
  return [
    `Linux ${kernel} in the lab, Node ${node}, ${date.slice(0, 10)}. Counted are queries that were sent after the promise of the`,
    `call had resolved, for ${seconds(good)} and, in the second table, ${seconds(others)}; *lost* is one without an answer within 500 ms.`,
    '',
    '### Where nothing is lost',
    '',
    ...goodTable(good),
    '',
    '### What goes wrong, and what the pool says',
    '',
    ...badTable(others),
    '',
    '### Long streams under it',
    '',
    'TCP, or SCTP where the setting says so.',
    '',
    'A stream on the server that something happens to, and how long after the call had resolved it (or the one that the client opened',
    'in its place) was answered. Streams on the other server went on in every case.',
    '',
    ...streamTable(good),
    '',
  ]
}

function goodTable(scenarios: readonly ScenarioResult[]): string[] {
  const columns = titles.filter(([action]) => scenarios.some((one) => rowOf(one, action)))
  return table(
    ['setting', 'client', ...columns.map(([, title]) => title), 'the pool says'],
    scenarios.flatMap((one) =>
      udpClients.map((client) => [
        one.setting,
        client,
        ...columns.map(([action]) => cell(rowOf(one, action), client)),
        says(one),
      ]),
    ),
  )
}

function badTable(scenarios: readonly ScenarioResult[]): string[] {
  const lines = scenarios.flatMap((one) => {
    const [row] = one.rows
    if (row === undefined) return [[one.setting, '', '', '', '', '', says(one)]]
    return udpClients.map((client) => {
      const { sent, lost, lostToMs = 0 } = row.after[client]
      const last =
        lost === 0 ? '' : lost === sent ? 'to the end' : `${(lostToMs / 1000).toFixed(1)} s`
      const title = titles.find(([action]) => action === row.action)?.[1] ?? whoAnswers(row)
      return [one.setting, title, client, `${sent}`, `${lost}`, last, says(one)]
    })
  })
  return table(
    ['setting', 'what happens', 'client', 'sent after it', 'lost', 'for', 'the pool says'],
    lines,
  )
}

/** Nothing happens: what there is to see is who answers. */
function whoAnswers({ answeredBy }: Row): string {
  const totals: Record<string, number> = {}
  for (const counts of Object.values(answeredBy)) {
    for (const [server, answers] of Object.entries(counts)) {
      totals[server] = (totals[server] ?? 0) + answers
    }
  }
  return `nothing; the two servers answer ${Object.values(totals).join(' and ')}`
}

function streamTable(scenarios: readonly ScenarioResult[]): string[] {
  const stories = scenarios.filter(({ rows }) => rows.length > 3)
  const columns = titles.filter(([action]) => stories.some((one) => rowOf(one, action)))
  return table(
    ['setting', ...columns.map(([, title]) => title)],
    stories.map((one) => [
      one.setting,
      ...columns.map(([action]) => streamCell(rowOf(one, action), action)),
    ]),
  )
}

function streamCell(row: Row | undefined, action: Action): string {
  const about = row?.streams.filter(({ onServer }) => onServer || action === 'restart') ?? []
  if (about.length === 0) return '–'
  if (about.every(({ breaks }) => breaks === 0)) return 'goes on'
  const times = about.map(({ answersAfterMs }) => answersAfterMs)
  if (times.includes(null)) return 'broken, no answer'
  return `broken; ${Math.round(Math.max(...times.map(Number)))} ms`
}

const rowOf = ({ rows }: ScenarioResult, action: Action) =>
  rows.find((row) => row.action === action)

function cell(row: Row | undefined, client: UdpClient): string {
  if (row === undefined) return '–'
  const { lost, sent } = row.after[client]
  const { atOnce = 0 } = row.limited ?? {}
  const counted = `${lost} of ${sent}`
  if (row.limited === undefined || client !== 'UDP, new ports') return counted
  const { [client]: answers } = row.answeredBy
  return `${counted}; the servers answer ${Object.values(answers).join(' and ')}, the limited one at most ${atOnce} in a second`
}

function says({ rows, refused }: ScenarioResult): string {
  if (refused !== undefined) return `refuses: ${refused.split(':')[0]}`
  const codes = new Set(rows.flatMap(({ warnings }) => warnings))
  return codes.size === 0 ? 'ok' : `warns ${[...codes].map((code) => `\`${code}\``).join(', ')}`
}

/** One line for each client of a row, for people who watch. */
export function describe(row: Row): string {
  const parts = udpClients.map((client: UdpClient) => {
    const { sent, lost } = row.after[client]
    const { lost: earlier } = row.before[client]
    return `${client} lost ${lost} of ${sent}${earlier > 0 ? ` (before: ${earlier})` : ''}`
  })
  const tcp = row.streams.map(({ onServer, breaks, answersAfterMs }) => {
    return `${onServer ? 'on it' : 'other'}: ${breaks} breaks, ${answersAfterMs} ms`
  })
  return `${row.action.padEnd(8)} ${parts.join('; ')}; streams ${tcp.join(', ')} ${row.note}`
}
