// What a run of `npm run bench -- checks` measures, and its table.

/** One measurement of one system, or the medians of several. */
export interface Figures {
  /** Connections or questions that the servers saw, per second. */
  readonly checksPerSecond: number
  /** Microseconds of processor time per check. */
  readonly userUs: number
  readonly systemUs: number
  /** Of one processor. */
  readonly corePercent: number
  readonly residentMb: number
  /** Seen by the servers: the mean interval of the server that is furthest off, from what it should be. */
  readonly worstDriftPercent: number
  /** The same, how far single intervals are off. */
  readonly deviationP50Ms: number
  readonly deviationP99Ms: number
  /** TIME_WAIT entries towards the servers, at the end. */
  readonly timeWait: number
  /** Ours only. */
  readonly loopP50Ms?: number
  readonly loopP99Ms?: number
  readonly loopMaxMs?: number
  /** Ours only: results that were no success, and warnings. */
  readonly failures?: number
}

export interface Row extends Figures {
  readonly system: string
}

export interface ChecksReport {
  readonly date: string
  readonly node: string
  readonly kernel: string
  readonly machine: string
  readonly keepalived: string | null
  readonly servers: number
  readonly intervalMs: number
  readonly seconds: number
  readonly rounds: number
  readonly rows: readonly Row[]
}

const OURS = 'HealthChecker'

export const oursWith = (kind: string): string => `${OURS}, checks.${kind}`

/** Of each figure by itself. */
export function medians(system: string, rounds: readonly Figures[]): Row {
  const [first] = rounds
  if (first === undefined) throw new Error(`${system}: nothing measured`)
  const middle = Object.keys(first).map((name) => {
    const values = rounds.map((one) => Number(Reflect.get(one, name))).sort((a, b) => a - b)
    return [name, values[Math.floor(values.length / 2)]]
  })
  return { ...first, ...Object.fromEntries(middle), system }
}

/** What issue and docs promise of our rows. */
export function shortcomings({ rows, servers, intervalMs }: ChecksReport): string[] {
  const found: string[] = []
  for (const row of rows.filter(({ system }) => system.startsWith(OURS))) {
    const expect = (what: string, value: number | undefined, limit: number) => {
      if (value === undefined || value <= limit) return
      found.push(`${row.system}: ${what}: ${value}, at most ${limit}`)
    }
    expect('event-loop delay, p99 in ms', row.loopP99Ms, 20)
    expect('drift of the interval in %', row.worstDriftPercent, 5)
    expect('TIME_WAIT', row.timeWait, 0)
    expect('results that were no success, and warnings', row.failures, 0)
    const due = (servers * 1000) / intervalMs
    if (row.checksPerSecond < due * 0.95)
      found.push(`${row.system}: ${row.checksPerSecond} checks a second, ${due} were due`)
  }
  return found
}

const columns: readonly (readonly [string, (row: Row) => string])[] = [
  ['', (row) => row.system],
  ['checks/s', (row) => row.checksPerSecond.toFixed(0)],
  ['user µs per check', (row) => row.userUs.toFixed(1)],
  ['system µs', (row) => row.systemUs.toFixed(1)],
  ['of one core', (row) => `${row.corePercent.toFixed(0)} %`],
  ['memory', (row) => `${row.residentMb.toFixed(0)} MB`],
  ['event-loop delay p50, p99, max', loop],
  ['worst drift', (row) => `${row.worstDriftPercent.toFixed(2)} %`],
  ['an interval is off by p50, p99', (row) => milliseconds(row.deviationP50Ms, row.deviationP99Ms)],
  ['TIME_WAIT', (row) => String(row.timeWait)],
]

function loop({ loopP50Ms, loopP99Ms, loopMaxMs }: Row): string {
  if (loopP50Ms === undefined || loopP99Ms === undefined || loopMaxMs === undefined) return '–'
  return milliseconds(loopP50Ms, loopP99Ms, loopMaxMs)
}

function milliseconds(...values: readonly number[]): string {
  return `${values.map((value) => value.toFixed(1)).join(', ')} ms`
}

export function formatTable({ rows }: ChecksReport): string {
  const lines = [
    columns.map(([head]) => head),
    columns.map(() => '---'),
    ...rows.map((row) => columns.map(([, text]) => text(row))),
  ]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

export function formatChecks(report: ChecksReport): string {
  const { servers, intervalMs, seconds, rounds, node, kernel, machine, keepalived, date } = report
  return [
    '# What checking costs',
    '',
    `${servers.toLocaleString('en')} servers on the loopback, every ${intervalMs} ms, without jitter: ${seconds} s for the`,
    `processor time, ${seconds} s for the rest, medians of ${rounds} rounds. Made by \`npm run bench -- checks\`; beside it as JSON.`,
    '',
    formatTable(report),
    '',
    `Node ${node}, ${keepalived ?? 'without keepalived'}, Linux ${kernel}, ${machine}, ${date.slice(0, 10)}.`,
    '',
  ].join('\n')
}
