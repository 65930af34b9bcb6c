// What came out, as a table and as rows for programs.
import { textTable } from '../../lab/page/table.js'

/** What one client saw of one failure. */
export interface Row {
  readonly system: 'ipvs'
  readonly failure: string
  /** Whom it asked: the address that BGP leads to, or one that leads to one director. */
  readonly client: string
  readonly asked: number
  readonly lost: number
  /** From the failure, or from its end, until all is as it should be. `null`: nothing had to change. */
  readonly takeoverMs: number | null
}

export interface Outcome {
  readonly rows: readonly Row[]
  /** From the writing of a server's weight until the last kernel has it, for each change: milliseconds. */
  readonly changes: {
    readonly quiet: readonly number[]
    readonly compacted: readonly number[]
  }
  /** Flows for which all directors have chosen the same server. */
  readonly maglev: readonly {
    readonly when: string
    readonly flows: number
    readonly same: number
  }[]
  /** Whatever else was looked at, and was not as it has to be. */
  readonly problems: readonly string[]
  /** What `ipvs state --fleet` says at the end, of one pool. */
  readonly fleet: string
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN
}

const ms = (value: number | null) => (value === null ? '–' : `${Math.round(value)} ms`)

/** A line for each failure, with what each client has lost. */
function table(rows: readonly Row[]) {
  const clients = [...new Set(rows.map(({ client }) => client))]
  const failures = [...new Set(rows.map(({ failure }) => failure))]
  const head = ['failure', 'until all is well', 'asked', ...clients.map((one) => `lost: ${one}`)]
  const cells = failures.map((failure) => {
    const own = rows.filter((row) => row.failure === failure)
    const asked = own.reduce((sum, row) => sum + row.asked, 0)
    return [failure, ms(own[0]!.takeoverMs), `${asked}`, ...own.map(({ lost }) => `${lost}`)]
  })
  return { head, cells }
}

export function formatOutcome({ rows, changes, maglev, fleet }: Outcome): string {
  const { head, cells } = table(rows)
  const reach = (name: string, all: readonly number[]) =>
    `${name}: median ${ms(quantile(all, 0.5))}, p99 ${ms(quantile(all, 0.99))}, of ${all.length}`
  return [
    ...textTable(head, cells),
    '',
    'A member change reaches the last of three kernels:',
    `  ${reach('quiet', changes.quiet)}`,
    `  ${reach('while etcd is compacted', changes.compacted)}`,
    '',
    'Flows for which three directors choose the same server:',
    ...maglev.map(({ when, flows, same }) => `  ${when}: ${same} of ${flows}`),
    '',
    fleet,
  ].join('\n')
}
