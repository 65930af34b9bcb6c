// Where a run is written: its results as JSON, its tables and its pictures.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { exitStatus } from '../../lab/command.js'
import { CASES, FAMILIES, type Family, HOST_CASES } from './cases.js'
import { barChart, lineChart } from './charts.js'
import { formatNoise, mostNoise, tooNoisy } from './noise.js'
import { findCase } from './plan.js'
import { type CaseText, provenance, type Report } from './results.js'
import { formatMarkdown } from './table.js'

export const caseTexts: ReadonlyMap<string, CaseText> = new Map(
  [...HOST_CASES, ...CASES].map(({ name, title, unit }) => [name, { title, unit }]),
)

export interface Folders {
  /** Where every run is written. */
  readonly usual: string
  /** Where this one shall be kept. */
  readonly out: string | undefined
}

/** Writes the report; one that is too noisy into the usual folder only. Says what it did, and returns the exit status. */
export function keepReport(
  report: Report,
  { usual, out }: Folders,
  say: (text: string) => unknown,
): number {
  const loud = out === undefined ? {} : tooNoisy(report.noise ?? {})
  const refused = Object.keys(loud).length > 0
  const folder = refused ? usual : (out ?? usual)
  writeReport(report, folder)
  say(`Tables and pictures: ${path.relative(process.cwd(), folder)}\n`)
  if (!refused) return exitStatus.held
  say(
    `This run is too noisy to be kept: two rounds of the floor in C may differ by ${100 * mostNoise} %, and do in ` +
      `${formatNoise(loud)}. Nothing was written to ${out}; try again.\n`,
  )
  return exitStatus.busy
}

function writeReport(report: Report, folder: string): void {
  mkdirSync(folder, { recursive: true })
  const save = (name: string, text: string) => writeFileSync(path.join(folder, name), text)
  save('results.json', `${JSON.stringify(report, undefined, 2)}\n`)
  save('results.md', formatMarkdown(report, { cases: caseTexts }))
  for (const [name, picture] of picturesOf(report)) save(`${name}.svg`, picture)
}

/** By the names of their files. */
export function picturesOf(report: Report): Map<string, string> {
  const names = [...new Set(report.results.map((result) => result.case))]
  const bars = names.map((name) => {
    const { title, unit } = findCase(name)
    return [name, barChart(report, { case: name, title, unit })] as const
  })
  const lines = FAMILIES.flatMap((family) => {
    const picture = familyChart(family, report)
    return picture === undefined ? [] : [[family.name, picture] as const]
  })
  return new Map([...bars, ...lines])
}

/** `undefined` unless all of its cases were run. */
function familyChart(family: Family, report: Report): string | undefined {
  const { name, title, label, numbers, per, drivers } = family
  const of = (driver: string, number: number) => {
    const found = report.results.find(
      (it) => it.case === `${name}-${number}` && it.driver === driver,
    )
    return (per === 'change' ? found?.perChangeUs : found?.medianUs) ?? Number.NaN
  }
  const series = drivers.map((driver) => ({
    name: driver,
    values: numbers.map((number) => of(driver, number)),
  }))
  if (series.some(({ values }) => values.some(Number.isNaN))) return undefined
  const x = { label, values: numbers }
  return lineChart({ title, x, y: { label: `µs per ${per}` }, series, note: provenance(report) })
}
