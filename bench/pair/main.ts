// npm run bench -- pair: two directors, one of which fails: keepalived doing everything, and `ipvs run` beside keepalived's VRRP.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import {
  busySentence,
  exitStatus,
  flag,
  printJson,
  runCommand,
  text,
  type Values,
} from '../../lab/command.js'
import { isUntold, pickTrials, runTrials, type Trial, trialsOf } from '../trials/trials.js'
import { failures } from './failures.js'
import { formatResult, type PairPlan, type Result, type TrialResult } from './results.js'
import { systemNames } from './systems.js'
import { formatText, renew } from './table.js'
import { mostMissing, worse } from './verdict.js'

const usage = `A pair of directors in one kernel, with three servers and four clients, one of which fails: keepalived doing everything, and
\`ipvs run\` beside a keepalived that does VRRP only (examples/pair), under the same failures, in one boot of the lab.

    npm run bench -- pair [--only TRIAL,TRIAL] [--out FOLDER] [--json] [--list] [--sabotage]

    --only       these trials: a failure (kill-9), a system (ipvs run), or both (ipvs run/kill-9)
    --out        a whole run: write pair.json and the measured part of pair.md there
    --json       the last line of stdout is the result: { rows: [...] }
    --list       the trials, and how long each takes
    --sabotage   keepalived does everything under the name of ipvs run, too: has to be noticed, and to fail

Exit status 0: ours did what it has to, and lost no more than keepalived. 1: it did not, and the last lines say what. 75: this
machine was too busy to tell. docs/pair.md has a run that is kept.
`

const all = trialsOf(failures, systemNames)

const options = { only: text, out: text, json: flag, list: flag, sabotage: flag }

export const benchPair = (args: readonly string[]): Promise<void> =>
  runCommand({ name: 'pair', usage, options, run: compare }, args)

async function compare(values: Values<typeof options>): Promise<number> {
  const { only, out, json, list, sabotage } = values
  const trials = pickTrials(all, only, 'pair')
  if (list) {
    for (const { key, seconds } of trials) process.stdout.write(`${seconds} s  ${key}\n`)
    return exitStatus.held
  }
  if (out !== undefined && (trials.length < all.length || sabotage)) {
    throw new Error('--out is for a whole run: leave out --only and --sabotage.')
  }
  const { result, problems, doubts, missing } = await runAll(trials, {
    keep: out !== undefined,
    sabotage,
  })
  const people = json ? process.stderr : process.stdout
  people.write(`\n${formatText(result)}\n`)
  for (const problem of problems) people.write(`FAILED ${problem}\n`)
  for (const doubt of doubts) people.write(`? ${doubt}\n`)
  const busy = isUntold({ doubts, missing })
  if (busy) people.write(`${busySentence(missing)}\n`)
  if (out !== undefined) {
    if (busy || missing > mostMissing) throw new Error('Nothing was written.')
    const page = path.join(out, 'pair.md')
    writeFileSync(page, renew(readFileSync(page, 'utf8'), result))
  }
  const folder = out ?? built('pair')
  writeFileSync(path.join(folder, 'pair.json'), formatResult(result))
  people.write(`Result: ${path.relative(process.cwd(), path.join(folder, 'pair.json'))}\n`)
  printJson({ rows: result.rows, missing }, json)
  return problems.length > 0 ? exitStatus.failed : busy ? exitStatus.busy : exitStatus.held
}

async function runAll(trials: readonly Trial[], how: Pick<PairPlan, 'keep' | 'sabotage'>) {
  const guest = fileURLToPath(new URL('./guest.js', import.meta.url))
  const { header, results } = await runTrials<TrialResult>('pair', guest, trials, how)
  const missing = Math.max(...results.map((one) => one.missing))
  const result: Result = {
    ...header,
    node: process.version,
    date: new Date().toISOString(),
    missing: Math.round(100 * missing) / 100,
    rows: results.flatMap(({ rows }) => rows),
    trials: results.map(({ seen }) => seen),
  }
  const behind = worse(result.rows, result.trials)
  const isBusy = missing > mostMissing
  return {
    result,
    problems: [...results.flatMap((one) => one.problems), ...(isBusy ? [] : behind)],
    doubts: [...results.flatMap((one) => one.doubts), ...(isBusy ? behind : [])],
    missing,
  }
}
