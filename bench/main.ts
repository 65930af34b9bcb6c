// npm run bench: boots a kernel with IPVS once, runs every driver of every case in it, and prints, plots and saves what came out.
// `npm run bench -- checks`, `command`, `detection`, `failover`, `fleet`, `pair`, `pools` and `reload` are programs of their own, with their own options.
import { mkdirSync, readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { built } from '../lab/checkout.js'
import {
  exitStatus,
  flag,
  printJson,
  runCommand,
  runOnIpvs,
  text,
  type Values,
  whole,
} from '../lab/command.js'
import { benchChecks } from './checks/main.js'
import { CASES, HOST_CASES } from './churn/cases.js'
import { runHere } from './churn/here.js'
import { noiseOf } from './churn/noise.js'
import {
  DEFAULT_ROUNDS,
  findCase,
  type Header,
  type Plan,
  planRuns,
  type Raw,
  type Run,
} from './churn/plan.js'
import { caseTexts, keepReport } from './churn/report.js'
import type { Report } from './churn/results.js'
import { summarise } from './churn/summary.js'
import { formatReport } from './churn/table.js'
import { benchCommand } from './command/main.js'
import { benchDetection } from './detection/main.js'
import { failover } from './failover/main.js'
import { benchFleet } from './fleet/main.js'
import { type Counter, pickCounter } from './host/instructions.js'
import { benchPair } from './pair/main.js'
import { benchPools } from './pools/main.js'
import { benchReload } from './reload/main.js'

const usage = `What the library costs beside C, libnl, ipvsadm and others, on a kernel that has IPVS.

    npm run bench -- [CASE [DRIVER]] [--rounds N] [--memory 1500M] [--out FOLDER] [--json] [--list] [--sabotage]
    npm run bench -- checks [...]      what health checks cost; --help
    npm run bench -- command [...]     the command beside ipvsadm; --help
    npm run bench -- detection [...]   how soon fast checks find a dead server; --help
    npm run bench -- failover [...]    beside keepalived, under the same failures; --help
    npm run bench -- pair [...]        two directors, one of which fails; --help
    npm run bench -- fleet [...]       three directors and one etcd; --help
    npm run bench -- pools [...]       bad news of all servers at once; --help
    npm run bench -- reload [...]      what a reload of the director costs; --help

    --rounds N    how often each driver runs (${DEFAULT_ROUNDS})
    --out FOLDER  for tables and pictures that are to be kept (build/bench/report); not those of a run that was too noisy
    --json        the last line of stdout is the result
    --list        the cases and their drivers
    --sabotage    drivers drop every tenth change: has to be noticed, and to fail

Exit status 0: every driver left the table that it had to. 1: one did not, and the last lines say which. 75: with --out,
the run was too noisy to be kept.
`

const options = {
  rounds: whole(DEFAULT_ROUNDS, 1, 1000),
  json: flag,
  out: text,
  sabotage: flag,
  list: flag,
  memory: text,
}

type Options = Values<typeof options>

const others: Readonly<Record<string, (words: readonly string[]) => Promise<void>>> = {
  checks: benchChecks,
  command: benchCommand,
  detection: benchDetection,
  failover,
  pair: benchPair,
  fleet: benchFleet,
  pools: benchPools,
  reload: benchReload,
}
const [first = '', ...rest] = process.argv.slice(2)
await (others[first]?.(rest) ??
  runCommand({ name: 'bench', usage, options, words: true, run: compare }))

async function compare(options: Options, words: readonly string[]): Promise<number> {
  if (options.list) {
    for (const { name, title, drivers } of [...HOST_CASES, ...CASES]) {
      process.stdout.write(`${name.padEnd(20)} ${title}\n${''.padEnd(21)}${drivers.join(', ')}\n`)
    }
    process.stdout.write(
      `${'checks'.padEnd(21)}What health checks cost: npm run bench -- checks\n` +
        `${'command'.padEnd(21)}The command beside ipvsadm: npm run bench -- command --help\n` +
        `${'detection'.padEnd(21)}How soon fast checks find a dead server: npm run bench -- detection --help\n` +
        `${'failover'.padEnd(21)}Beside keepalived: npm run bench -- failover --help\n` +
        `${'pair'.padEnd(21)}Two directors, one of which fails: npm run bench -- pair --help\n` +
        `${'fleet'.padEnd(21)}Three directors and one etcd: npm run bench -- fleet --help\n` +
        `${'pools'.padEnd(21)}Bad news of all servers at once: npm run bench -- pools --help\n`,
    )
    return exitStatus.held
  }
  const [wanted, driver] = words
  const all = [...HOST_CASES, ...CASES].map(({ name }) => name)
  const cases = all.filter((name) => (wanted ?? name) === name)
  if (cases.length === 0) {
    throw new Error(`There is no case "${wanted}". npm run bench -- --list shows them.`)
  }
  if (driver !== undefined && !findCase(cases[0]!).drivers.includes(driver)) {
    throw new Error(`Case ${wanted} has no driver "${driver}". npm run bench -- --list shows them.`)
  }
  if (options.out !== undefined && options.rounds === 1) {
    throw new Error('--out wants two rounds at least: of one nobody can say how noisy it was.')
  }
  const runs = planRuns(cases, driver, options.rounds)
  const isHere = ({ case: name }: Run) => findCase(name).mode === 'host'
  const here = runs.filter(isHere)
  const counter = here.length > 0 ? pickCounter() : undefined
  const raws = counter ? runHere(here, counter) : []
  const guest = await runInGuest(
    runs.filter((run) => !isHere(run)),
    options,
  )
  return report(guest, [...raws, ...guest.raws], options, counter)
}

async function runInGuest(
  runs: readonly Run[],
  { sabotage, memory = '1500M' }: Options,
): Promise<Header & { raws: Raw[] }> {
  if (runs.length === 0) return { kernel: release(), clockUs: 0, raws: [] }
  const folder = built('bench/run')
  mkdirSync(folder, { recursive: true })
  const plan: Plan = { runs, sabotage, folder }
  process.stderr.write(`${runs.length} runs.\n`)
  const status = await runOnIpvs({
    file: fileURLToPath(new URL('./churn/guest.js', import.meta.url)),
    plan,
    // The slowest takes a minute.
    seconds: runs.length * 60,
    memory,
  })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const [first, ...lines] = readFileSync(path.join(folder, 'raw.jsonl'), 'utf8').trim().split('\n')
  return {
    ...(JSON.parse(first!) as Header),
    raws: lines.map((line) => JSON.parse(line) as Raw),
  }
}

function report(
  { kernel, clockUs }: Header,
  raws: readonly Raw[],
  { out, json }: Options,
  counter: Counter | undefined,
): number {
  const { results, problems } = summarise(raws, clockUs)
  const noise = noiseOf(raws, clockUs)
  const whole: Report = {
    kernel,
    node: process.version,
    machine: `${cpus()[0]?.model ?? 'unknown CPU'}; its user-mode Linux guest on one CPU`,
    date: new Date().toISOString(),
    ...(counter && { counter: counter.name }),
    noise,
    results,
  }
  process.stdout.write(`${formatReport(whole, { cases: caseTexts })}\n`)
  const folders = { usual: built('bench/report'), out }
  const kept = keepReport(whole, folders, (text) => process.stdout.write(text))
  for (const problem of problems) process.stderr.write(`FAILED ${problem}\n`)
  printJson({ kernel, node: process.version, noise, results }, json)
  return problems.length === 0 ? kept : exitStatus.failed
}
