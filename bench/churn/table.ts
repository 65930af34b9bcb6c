// A report as text: for a terminal, and as Markdown for docs/performance.md.
import { formatNoise } from './noise.js'
import {
  type CaseText,
  formatCount,
  formatRatio,
  formatSpread,
  formatTime,
  provenance,
  type Report,
  type Result,
} from './results.js'

export interface TableOptions {
  /** Cases in the order to show them; one that is not named here comes last, under its own name. */
  readonly cases: ReadonlyMap<string, CaseText>
}

/** For a terminal: one block of lines per case, columns aligned over the whole report. */
export function formatReport(report: Report, { cases }: TableOptions): string {
  if (report.results.length === 0) return `No results.\n\n${provenance(report)}\n`
  const shared = columnsFor(report.results)
  const blocks = groups(report.results, cases).map(({ text, results }) => {
    const columns = [...shared, ...extraColumns(results)]
    return { text, columns, rows: [columns.map(({ head }) => head), ...cells(results, columns)] }
  })
  const widths = widthsOf(
    blocks.flatMap(({ rows }) => rows.map((row) => row.slice(0, shared.length))),
  )
  return [
    ...blocks.map(({ text, columns, rows }) => {
      const all = [...widths, ...widthsOf(rows).slice(widths.length)]
      const lines = rows.map((row) => `  ${align(row, columns, all).join('  ')}`.trimEnd())
      return [titleOf(text), ...lines, ''].join('\n')
    }),
    ...noiseLines(report),
    `${provenance(report)}\n`,
  ].join('\n')
}

/** The same as Markdown tables, each under a heading; without the columns that a case has no values for. */
export function formatMarkdown(report: Report, { cases }: TableOptions): string {
  if (report.results.length === 0) return `No results.\n\n${escapeMarkdown(provenance(report))}\n`
  return [
    ...groups(report.results, cases).map(({ text, results }) => {
      const columns = [...columnsFor(results), ...extraColumns(results)]
      const table = [columns.map(({ head }) => head), ...cells(results, columns)].map((row) =>
        row.map(escapeMarkdown),
      )
      // Three dashes at least, or it is no table.
      const widths = widthsOf(table).map((width) => Math.max(3, width))
      const rule = widths.map((width, i) =>
        columns[i]!.left ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
      )
      const [head, ...body] = table.map((row) => align(row, columns, widths))
      const lines = [head!, rule, ...body].map((row) => `| ${row.join(' | ')} |`)
      return [`### ${escapeMarkdown(titleOf(text))}`, '', ...lines, ''].join('\n')
    }),
    ...noiseLines(report),
    `${escapeMarkdown(provenance(report))}\n`,
  ].join('\n')
}

function noiseLines({ noise = {} }: Report): string[] {
  if (Object.keys(noise).length === 0) return []
  return [`Noise, by how much two rounds of the floor in C differ: ${formatNoise(noise)}.\n`]
}

interface Column {
  readonly head: string
  readonly left?: boolean
  /** Null where this result has no such value. */
  value(result: Result): string | null
}

function columnsFor(results: readonly Result[]): Column[] {
  // All of one case with or without a decimal, so that the digits stand below each other.
  const fractional = new Set(
    results.filter((r) => !Number.isInteger(r.syscallsPerOp ?? 0)).map((r) => r.case),
  )
  const calls = (n: number, of: string) => (fractional.has(of) ? n.toFixed(1) : formatCount(n))
  const columns: Column[] = [
    { head: 'driver', left: true, value: ({ driver }) => driver },
    { head: 'n', value: ({ n }) => formatCount(n) },
    { head: 'median', value: ({ medianUs }) => time(medianUs) },
    { head: 'p99', value: ({ p99Us }) => time(p99Us) },
    { head: 'spread', value: ({ minUs, maxUs }) => padUnit(formatSpread(minUs, maxUs)) },
    { head: 'per change', value: ({ perChangeUs }) => known(perChangeUs, time) },
    { head: '× floor', value: ({ ratioToFloor }) => known(ratioToFloor, formatRatio) },
    { head: 'system calls', value: (r) => known(r.syscallsPerOp, (n) => calls(n, r.case)) },
    { head: 'instructions', value: (r) => known(r.instructionsPerOp, formatCount) },
  ]
  return columns.filter(({ value }) => results.some((result) => value(result) !== null))
}

function extraColumns(results: readonly Result[]): Column[] {
  const names = new Set(results.flatMap(({ extra }) => Object.keys(extra ?? {})))
  return [...names].map((name) => ({
    head: name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
    value: ({ extra }) => known(extra?.[name], (n) => formatCount(n, 2)),
  }))
}

function known(n: number | null | undefined, format: (n: number) => string): string | null {
  return n === null || n === undefined ? null : format(n)
}

const time = (us: number): string => padUnit(formatTime(us))

// "s" as wide as "µs" and "ms": the digits before it stay in line.
function padUnit(text: string): string {
  return text.endsWith(' s') ? `${text} ` : text
}

interface Group {
  readonly text: CaseText
  /** The fastest first. */
  readonly results: readonly Result[]
}

function groups(results: readonly Result[], cases: ReadonlyMap<string, CaseText>): Group[] {
  const names = new Set([...cases.keys(), ...results.map((result) => result.case)])
  return [...names]
    .map((name) => ({
      text: cases.get(name) ?? { title: name, unit: 'operation' },
      results: results
        .filter((result) => result.case === name)
        .toSorted((a, b) => a.medianUs - b.medianUs),
    }))
    .filter((group) => group.results.length > 0)
}

function titleOf({ title, unit }: CaseText): string {
  return `${title} (per ${unit})`
}

function cells(results: readonly Result[], columns: readonly Column[]): string[][] {
  return results.map((result) => columns.map(({ value }) => value(result) ?? '–'))
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  return (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
}

function align(
  row: readonly string[],
  columns: readonly Column[],
  widths: readonly number[],
): string[] {
  return row.map((cell, i) =>
    columns[i]!.left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!),
  )
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\|<>*_`[\]]/g, '\\$&')
}
