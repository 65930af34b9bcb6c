// The tables of a result: for a terminal, and for docs/pair.md.
import { markdownTable, renewMeasured, textTable } from '../../lab/page/table.js'
import { clientNames } from './client-names.js'
import { failures } from './failures.js'
import type { Result } from './results.js'
import { systemNames } from './systems.js'
import type { Row, Seen, Verdict } from './verdict.js'

const taken = ({ takeoverMs }: Pick<Row, 'takeoverMs'>) =>
  takeoverMs === null ? '–' : `${(takeoverMs / 1000).toFixed(2)} s`

/** What a director's return has to leave alone. */
const changes = ({ changesAfterwards }: Seen) =>
  changesAfterwards === null ? '–' : `${changesAfterwards}`

/** For people who watch. */
export function describe({ rows, seen, missing }: Verdict): string[] {
  return [
    `taken over after ${taken(rows[0]!)}; both masters for ${(seen.bothMs / 1000).toFixed(1)} s; ` +
      `${seen.cut} connections cut; ${Math.round(100 * missing)} % of the time missing`,
    `changes of the first table afterwards: ${changes(seen)}` +
      (seen.heldDeadMs === null ? '' : `; a dead server was held for ${seen.heldDeadMs} ms`),
    ...rows.map(({ client, lost }) => {
      const afterwards = seen.lostAfterwards[client]
      const when = afterwards > 0 ? `, ${afterwards} of them afterwards` : ''
      return `${client.padEnd(20)} lost ${lost} of ${seen.asked[client]}${when}`
    }),
  ]
}

const head = [
  'system',
  'taken over after',
  ...clientNames.map((client) => `lost: ${client}`),
  'connections cut',
  'table changes at the return',
]

type Figures = Pick<Result, 'rows' | 'trials'>

const linesOf = ({ rows, trials }: Figures, failure: string): string[][] =>
  systemNames.flatMap((system) => {
    const own = rows.filter((row) => row.failure === failure && row.system === system)
    const seen = trials.find((one) => one.failure === failure && one.system === system)
    if (own.length === 0 || seen === undefined) return []
    return [
      [system, taken(own[0]!), ...own.map(({ lost }) => `${lost}`), `${seen.cut}`, changes(seen)],
    ]
  })

/** For a terminal. */
export function formatText(result: Figures): string {
  const played = failures.filter(({ name }) => linesOf(result, name).length > 0)
  const groups = played.map(({ name }) => linesOf(result, name))
  const [first, ...texts] = textTable(head, groups.flat()).map((line) => `  ${line}`)
  const out = [first!]
  for (const [index, { title }] of played.entries()) {
    out.push('', title, ...texts.splice(0, groups[index]!.length))
  }
  return `${out.join('\n')}\n`
}

export const provenance = ({ kernel, node, keepalived, date }: Omit<Result, 'rows' | 'trials'>) =>
  `Linux ${kernel} in the lab · Node ${node} · keepalived ${keepalived} · ${date.slice(0, 10)}`

/** The page with the tables of this result in place of those it has. */
export const renew = (page: string, result: Result): string =>
  renewMeasured(page, 'npm run bench -- pair --out docs', measured(result))

function measured(result: Result): string[] {
  const heldBy = (system: string) =>
    result.trials.find((one) => one.system === system && one.heldDeadMs !== null)?.heldDeadMs
  const roundIn = (system: string, serversToo: boolean) =>
    result.trials
      .filter((one) => one.system === system && (one.failure === 'servers-too') === serversToo)
      .reduce((sum, { doubled }) => sum + doubled, 0)
  const each = (tell: (system: string) => string) =>
    systemNames.map((system) => `${system} ${tell(system)}`).join(', ')
  return [
    `${provenance(result)}; both systems in one boot. Of the time the machine did not give ${Math.round(100 * result.missing)} % in the busiest trial.`,
    '',
    ...failures.flatMap(({ name, title, about }) => [
      `### ${title[0]!.toUpperCase()}${title.slice(1)}`,
      '',
      about,
      '',
      ...markdownTable(head, linesOf(result, name)),
      '',
    ]),
    '### Round, and dead',
    '',
    `Packets that went round, where directors are servers: ${each((system) => `${roundIn(system, true)}`)}; in all other trials: ` +
      `${each((system) => `${roundIn(system, false)}`)}.`,
    '',
    'A server that both directors had taken out as dead was held all the same by the one that came back: ' +
      `${each((system) => `for ${heldBy(system)} ms`)}.`,
    '',
  ]
}
