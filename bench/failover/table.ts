// The tables of a result: for a terminal, and for docs/failover.md.
import { markdownTable, renewMeasured, textTable } from '../../lab/page/table.js'
import { clientNames } from '../../lab/traffic/client-names.js'
import { type Failure, failures } from './failures.js'
import type { Result } from './results.js'
import { isOurs, systemNames } from './systems.js'
import type { Row, Verdict } from './verdict.js'

/** Ours that checks as often as the others. */
const ours = 'ipvs'
const theirs = systemNames.filter((system) => !isOurs(system))

/** The failed server was found, or the table right again, after so long. */
export const found = ({ detectMs }: Pick<Row, 'detectMs'>) =>
  detectMs === null ? 'never' : detectMs === 0 ? 'never wrong' : seconds(detectMs)

/** Lost before and after. */
export const counts = ({ lostBefore, lostAfter }: Row) => `${lostBefore} / ${lostAfter ?? '–'}`

const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`
const apart = ({ skewMs }: Row) =>
  skewMs === 0 ? '0' : skewMs < 1000 ? `${Math.round(skewMs)} ms` : seconds(skewMs)

export const provenance = ({ kernel, node, keepalived, date }: Omit<Result, 'rows'>) =>
  `Linux ${kernel} in the lab · Node ${node} · keepalived ${keepalived} · ${date.slice(0, 10)}`

/** A line for each client of a trial, for people who watch. */
export function describe({ rows, timeline }: Verdict): string[] {
  const first = rows[0]!
  const { splitFlips, flips, asked } = timeline
  return [
    `${found(first)}; ${splitFlips} of ${flips} flips split, ${apart(first)} in all`,
    ...rows.map((row) => `${row.client.padEnd(14)} lost ${counts(row)} of ${asked[row.client]}`),
  ]
}

interface Line {
  readonly failure: Failure
  readonly cells: readonly string[]
}

const head = [
  'system',
  'found after',
  'TCP and UDP apart',
  'flips seen split',
  ...clientNames.map((client) => `lost: ${client}`),
]

function linesOf({ rows, timelines }: Omit<Result, 'date'>): Line[] {
  return failures.flatMap((failure) =>
    systemNames.flatMap((system) => {
      const own = rows.filter((row) => row.failure === failure.name && row.system === system)
      const timeline = timelines.find(
        (one) => one.failure === failure.name && one.system === system,
      )
      if (own.length === 0 || timeline === undefined) return []
      const cells = [
        system,
        found(own[0]!),
        apart(own[0]!),
        `${timeline.splitFlips} of ${timeline.flips}`,
        ...own.map(counts),
      ]
      return [{ failure, cells }]
    }),
  )
}

/** For a terminal. */
export function formatText(result: Omit<Result, 'date'>): string {
  const lines = linesOf(result)
  const rows = lines.map(({ cells }) => cells)
  const [first, ...texts] = textTable(head, rows).map((line) => `  ${line}`)
  const out = [first!]
  let last: Failure | undefined
  for (const [index, { failure }] of lines.entries()) {
    if (failure !== last) out.push('', failure.title)
    last = failure
    out.push(texts[index]!)
  }
  return `${out.join('\n')}\n`
}

/** The page with the tables and pictures of this result in place of those it has. */
export const renew = (page: string, result: Result): string =>
  renewMeasured(page, 'npm run bench -- failover --out docs', measured(result))

function measured(result: Result): string[] {
  const lines = linesOf(result)
  const sections = failures.flatMap((failure) => {
    const own = lines.filter((line) => line.failure === failure)
    if (own.length === 0) return []
    return [
      `### ${failure.title[0]!.toUpperCase()}${failure.title.slice(1)}`,
      '',
      failure.about,
      '',
      ...markdownTable(
        head,
        own.map(({ cells }) => cells),
      ),
      '',
      `![${failure.title}](failover/${failure.name}.svg)`,
      '',
    ]
  })
  const gap = result.longestGapMs.toFixed(1)
  return [
    `${provenance(result)}; all systems in one boot. The longest time between two looks at the table, in any trial: ${gap} ms.`,
    '',
    ...sections,
    '### Rows in which ours is not ahead',
    '',
    ...notAhead(result),
    '',
  ]
}

/** What was measured of a row, and how a person reads it. */
const columns: readonly {
  readonly name: string
  readonly value: (row: Row) => number
  readonly show: (row: Row) => string
}[] = [
  { name: 'found after', value: (row) => row.detectMs ?? Number.POSITIVE_INFINITY, show: found },
  { name: 'TCP and UDP apart', value: (row) => row.skewMs, show: apart },
  { name: 'lost before', value: (row) => row.lostBefore, show: (row) => `${row.lostBefore}` },
  {
    name: 'lost after',
    value: (row) => row.lostAfter ?? 0,
    show: (row) => `${row.lostAfter ?? '–'}`,
  },
]

export interface Behind {
  readonly failure: Failure
  readonly what: string
  readonly ours: string
  readonly other: string
}

/** Everything in which ours has a worse figure than one of the others, by however little it shows. */
export function behind({ rows }: Pick<Result, 'rows'>): Behind[] {
  return failures.flatMap((failure) =>
    clientNames.flatMap((client, index) => {
      const row = (system: Row['system']) =>
        rows.find(
          (one) => one.system === system && one.failure === failure.name && one.client === client,
        )
      const own = row(ours)
      if (own === undefined) return []
      return columns.flatMap(({ name, value, show }) => {
        // The first two are the same for every client.
        const ofTrial = name === 'found after' || name === 'TCP and UDP apart'
        if (ofTrial && index > 0) return []
        const better = theirs.filter((system) => {
          const other = row(system)
          return other !== undefined && value(other) < value(own) && show(other) !== show(own)
        })
        if (better.length === 0) return []
        const what = ofTrial ? name : `${name}: ${client}`
        const other = better.map((system) => `${system}: ${show(row(system)!)}`).join('; ')
        return [{ failure, what, ours: show(own), other }]
      })
    }),
  )
}

/** Failures in which ours is better than neither of the others in any figure. */
export function even({ rows }: Pick<Result, 'rows'>): Failure[] {
  return failures.filter(({ name }) => {
    const own = rows.filter((row) => row.failure === name && row.system === ours)
    const others = rows.filter((row) => row.failure === name && theirs.includes(row.system))
    return (
      own.length > 0 &&
      others.every((other) => {
        const twin = own.find(({ client }) => client === other.client)
        return twin !== undefined && columns.every(({ value }) => value(other) <= value(twin))
      })
    )
  })
}

function notAhead(result: Result): string[] {
  const worse = behind(result)
  const same = even(result)
  return [
    ...(worse.length === 0
      ? ['Ours has no worse figure in any row.']
      : markdownTable(
          ['failure', 'figure', 'ours', 'better'],
          worse.map(({ failure, what, ours, other }) => [failure.title, what, ours, other]),
        )),
    ...(same.length === 0
      ? []
      : ['', `Even, in every figure: ${same.map(({ title }) => title).join('; ')}.`]),
  ]
}
