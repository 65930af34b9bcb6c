// npm run bench [-- CASE [DRIVER]] [--rounds N] [--json] [--out FOLDER] [--sabotage] [--list]
// npm run bench -- checks [...] is bench/checks/main.ts.
// npm run bench -- failover [...] is failover/main.ts.
// Boots a kernel with IPVS once, runs every driver of every case in it, and prints, plots and saves what came out.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { built } from '../lab/checkout.js'
import { runInLab } from '../lab/guest/host.js'
import { barChart, lineChart } from '../lab/page/plot.js'
import { benchChecks } from './checks/main.js'
import { CASES, FAMILIES, type Family, HOST_CASES } from './churn/cases.js'
import { runHere } from './churn/here.js'
import {
  DEFAULT_ROUNDS,
  findCase,
  type Header,
  type Plan,
  planRuns,
  type Raw,
  type Run,
} from './churn/plan.js'
import { provenance, type Report } from './churn/results.js'
import { summarise } from './churn/summary.js'
import { formatMarkdown, formatReport } from './churn/table.js'
import { failover } from './failover/main.js'

const guestProgram = fileURLToPath(new URL('./churn/guest.js', import.meta.url))
const HOURS = 3_600_000

// Programs of their own, with their own options.
const others: Readonly<Record<string, (words: string[]) => Promise<number>>> = {
  checks: benchChecks,
  failover,
}
const other = others[process.argv[2] ?? '']

const { values: options, positionals } = parseArgs({
  args: other === undefined ? process.argv.slice(2) : [],
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
    json: { type: 'boolean', default: false },
    out: { type: 'string', default: built('bench/report') },
    sabotage: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    memory: { type: 'string', default: '1500M' },
  },
})

async function main(): Promise<number> {
  if (other !== undefined) return other(process.argv.slice(3))
  if (options.list) {
    for (const { name, title, drivers } of [...HOST_CASES, ...CASES]) {
      process.stdout.write(`${name.padEnd(20)} ${title}\n${''.padEnd(21)}${drivers.join(', ')}\n`)
    }
    process.stdout.write(
      `${'checks'.padEnd(21)}What health checks cost: npm run bench -- checks\n` +
        `${'failover'.padEnd(21)}Beside keepalived: npm run bench -- failover --help\n`,
    )
    return 0
  }
  const [wanted, driver] = positionals
  const all = [...HOST_CASES, ...CASES].map(({ name }) => name)
  const cases = all.filter((name) => (wanted ?? name) === name)
  if (cases.length === 0) {
    throw new Error(`There is no case "${wanted}". npm run bench -- --list shows them.`)
  }
  if (driver !== undefined && !findCase(cases[0]!).drivers.includes(driver)) {
    throw new Error(`Case ${wanted} has no driver "${driver}". npm run bench -- --list shows them.`)
  }
  const rounds = Number(options.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds ${options.rounds}: a whole number, 1 or more`)
  }
  const runs = planRuns(cases, driver, rounds)
  const isHere = ({ case: name }: Run) => findCase(name).mode === 'host'
  const raws = runHere(runs.filter(isHere))
  const guest = await runInGuest(runs.filter((run) => !isHere(run)))
  return report(guest, [...raws, ...guest.raws])
}

async function runInGuest(runs: readonly Run[]): Promise<Header & { raws: Raw[] }> {
  if (runs.length === 0) return { kernel: release(), clockUs: 0, raws: [] }
  const folder = built('bench/run')
  mkdirSync(folder, { recursive: true })
  const plan: Plan = { runs, sabotage: options.sabotage, folder }
  writeFileSync(path.join(folder, 'plan.json'), JSON.stringify(plan))
  process.stderr.write(`Booting a kernel with IPVS, then ${runs.length} runs.\n`)
  const command = [process.execPath, guestProgram, path.join(folder, 'plan.json')]
  const status = await runInLab(command, { timeout: 3 * HOURS, memory: options.memory })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const [first, ...lines] = readFileSync(path.join(folder, 'raw.jsonl'), 'utf8').trim().split('\n')
  return {
    ...(JSON.parse(first!) as Header),
    raws: lines.map((line) => JSON.parse(line) as Raw),
  }
}

function report({ kernel, clockUs }: Header, raws: readonly Raw[]): number {
  const { results, problems } = summarise(raws, clockUs)
  const machine = `${cpus()[0]?.model ?? 'unknown CPU'}; its user-mode Linux guest on one CPU`
  const whole: Report = {
    kernel,
    node: process.version,
    machine,
    date: new Date().toISOString(),
    results,
  }
  const titles = new Map(
    [...HOST_CASES, ...CASES].map(({ name, title, unit }) => [name, { title, unit }]),
  )
  process.stdout.write(`${formatReport(whole, { cases: titles })}\n`)

  mkdirSync(options.out, { recursive: true })
  const save = (name: string, text: string) => writeFileSync(path.join(options.out, name), text)
  save('results.json', `${JSON.stringify(whole, undefined, 2)}\n`)
  save('results.md', formatMarkdown(whole, { cases: titles }))
  for (const name of new Set(results.map((result) => result.case))) {
    const { title, unit } = findCase(name)
    save(`${name}.svg`, barChart(whole, { case: name, title, unit }))
  }
  for (const family of FAMILIES) {
    const picture = familyChart(family, whole)
    if (picture !== undefined) save(`${family.name}.svg`, picture)
  }
  process.stdout.write(`\nTables and pictures: ${path.relative(process.cwd(), options.out)}\n`)
  for (const problem of problems) process.stderr.write(`FAILED ${problem}\n`)
  if (options.json)
    process.stdout.write(`${JSON.stringify({ kernel, node: process.version, results })}\n`)
  return problems.length === 0 ? 0 : 1
}

/** `undefined` unless all of its cases were run. */
function familyChart(family: Family, whole: Report): string | undefined {
  const { name, title, label, numbers, per, drivers } = family
  const of = (driver: string, number: number) => {
    const found = whole.results.find(
      (it) => it.case === `${name}-${number}` && it.driver === driver,
    )
    return (per === 'change' ? found?.perChangeUs : found?.medianUs) ?? null
  }
  const series = drivers.map((driver) => ({
    name: driver,
    values: numbers.map((number) => of(driver, number)),
  }))
  if (series.some(({ values }) => values.includes(null))) return undefined
  const x = { label, values: numbers, log: true }
  return lineChart({ title, x, y: { label: `µs per ${per}` }, series, note: provenance(whole) })
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
