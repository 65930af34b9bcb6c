// npm run udp-failover: what clients lose when servers fail, drain and come back, on a kernel that has IPVS.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { built } from '../../lab/checkout.js'
import { runInLab } from '../../lab/guest/host.js'
import type { Pace } from './play.js'
import { formatResult, type Result } from './results.js'
import { scenarios } from './scenarios.js'
import { renew } from './table.js'

const usage = `Real packets through real IPVS: which queries are lost, and which are not.

    npm run udp-failover [-- --ci] [--only NAME,NAME] [--out FOLDER] [--sabotage] [--json] [--list]

    --ci         a part of it, at a quicker pace: under two minutes
    --only       these scenarios
    --out        all of it went well: write udp-failover.json there, and the tables of udp-failover.md
    --sabotage   what the pool has set in the kernel is taken back: has to be noticed, and to fail
    --json       the last line of stdout is the result

Exit status 0: everything was as it has to be. 1: something was not, and the last lines say what.
`

const calm: Pace = { storyMs: 3000, singleMs: 10_000 }
const quick: Pace = { storyMs: 1200, singleMs: 3000 }

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      ci: { type: 'boolean', default: false },
      only: { type: 'string' },
      out: { type: 'string' },
      sabotage: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  if (values.list) {
    for (const { name, setting, actions } of scenarios) {
      process.stdout.write(`${name.padEnd(30)} ${setting}: ${actions.join(', ')}\n`)
    }
    return 0
  }
  const names = pick(values.only?.split(','), values.ci)
  if (values.out !== undefined && (names.length < scenarios.length || values.sabotage)) {
    throw new Error('--out is for a whole run: leave out --ci, --only and --sabotage.')
  }
  const result = await runAll(names, values.ci ? quick : calm, values.sabotage)
  const problems = result.scenarios.flatMap((scenario) => scenario.problems)
  process.stdout.write(`\n${names.length} scenarios, ${problems.length} problems\n`)
  for (const problem of problems) process.stdout.write(`FAILED ${problem}\n`)
  if (values.out !== undefined && problems.length === 0) write(values.out, result)
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`)
  return problems.length === 0 ? 0 : 1
}

function pick(only: readonly string[] | undefined, ci: boolean): string[] {
  const known = scenarios.map(({ name }) => name)
  const unknown = only?.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new Error(`There is no scenario "${unknown}". --list shows those that there are.`)
  }
  if (only !== undefined) return [...only]
  return ci ? scenarios.filter((one) => one.ci).map(({ name }) => name) : known
}

async function runAll(names: readonly string[], pace: Pace, sabotage: boolean): Promise<Result> {
  const folder = built('dataplane')
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, `result-${process.pid}.json`)
  const guest = fileURLToPath(new URL('./guest.js', import.meta.url))
  const flags = [file, JSON.stringify(pace), sabotage ? 'sabotage' : '', ...names]
  const status = await runInLab([process.execPath, guest, ...flags], {
    // A minute for a story, and half a minute to boot.
    timeout: names.length * 60_000 + 30_000,
    terminal: false,
  })
  if (status !== 0) throw new Error(`It ended with exit status ${status}.`)
  const result = JSON.parse(readFileSync(file, 'utf8')) as Result
  rmSync(file)
  return result
}

function write(folder: string, result: Result): void {
  const page = path.join(folder, 'udp-failover.md')
  const renewed = renew(readFileSync(page, 'utf8'), result)
  writeFileSync(path.join(folder, 'udp-failover.json'), formatResult(result))
  writeFileSync(page, renewed)
  process.stdout.write(`Written: ${page}\n`)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`udp-failover: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
