// npm run udp-failover: what clients lose when servers fail, drain and come back, on a kernel that has IPVS.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import {
  busySentence,
  exitStatus,
  flag,
  printJson,
  runCommand,
  runOnIpvs,
  text,
} from '../../lab/command.js'
import type { Plan } from './guest.js'
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

Exit status 0: everything was as it has to be. 1: something was not, and the last lines say what. 75: this machine was too
busy to tell.
`

const calm: Pace = { storyMs: 3000, singleMs: 10_000 }
const quick: Pace = { storyMs: 1200, singleMs: 3000 }

await runCommand({
  name: 'udp-failover',
  usage,
  options: { ci: flag, only: text, out: text, sabotage: flag, json: flag, list: flag },
  run: async ({ ci, only, out, sabotage, json, list }) => {
    if (list) {
      for (const { name, setting, actions } of scenarios) {
        process.stdout.write(`${name.padEnd(30)} ${setting}: ${actions.join(', ')}\n`)
      }
      return exitStatus.held
    }
    const names = pick(only?.split(','), ci)
    if (out !== undefined && (names.length < scenarios.length || sabotage)) {
      throw new Error('--out is for a whole run: leave out --ci, --only and --sabotage.')
    }
    const result = await runAll(names, ci ? quick : calm, sabotage)
    const problems = result.scenarios.flatMap((scenario) => scenario.problems)
    const doubts = result.scenarios.flatMap((scenario) => scenario.doubts ?? [])
    process.stdout.write(`\n${names.length} scenarios, ${problems.length} problems\n`)
    for (const problem of problems) process.stdout.write(`FAILED ${problem}\n`)
    for (const doubt of doubts) process.stdout.write(`? ${doubt}\n`)
    const missing = Math.max(...result.scenarios.map((scenario) => scenario.missing ?? 0))
    if (doubts.length > 0) process.stdout.write(`${busySentence(missing)}\n`)
    if (out !== undefined && problems.length + doubts.length === 0) write(out, result)
    printJson(result, json)
    if (problems.length > 0) return exitStatus.failed
    return doubts.length > 0 ? exitStatus.busy : exitStatus.held
  },
})

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
  const plan: Plan = { file, pace, sabotage, names }
  const status = await runOnIpvs({
    file: fileURLToPath(new URL('./guest.js', import.meta.url)),
    plan,
    // Half a minute for a story.
    seconds: names.length * 30,
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
