// npm run bench -- failover: the old way and ours side by side, on a kernel that has IPVS.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
import { formatResult, type Result, type TrialResult } from './results.js'
import { systemNames } from './systems.js'
import { formatText, renew } from './table.js'
import { timelinePicture } from './timeline.js'
import { mostMissing } from './verdict.js'

const usage = `The old way and ours side by side: keepalived with notify scripts that fork ipvsadm, keepalived with a virtual server for
UDP, and this library, under the same failures and the same clients, in one boot of the lab.

    npm run bench -- failover [--only TRIAL,TRIAL] [--out FOLDER] [--json] [--list] [--sabotage]

    --only       these trials: a failure (flush), a system (ipvs), or both (ipvs/flush)
    --out        a whole run: write failover.json, the measured part of failover.md and pictures there
    --json       the last line of stdout is the result: { rows: [...] }
    --list       the trials, and how long each takes
    --sabotage   the notify script runs under the name of ipvs: has to be noticed, and to fail

Exit status 0: ours did what it has to. 1: it did not, and the last lines say what. 75: this machine was too busy to tell. docs/failover.md has a run that is kept.
`

const all = trialsOf(failures, systemNames)

const options = { only: text, out: text, json: flag, list: flag, sabotage: flag }

export const failover = (args: readonly string[]): Promise<void> =>
  runCommand({ name: 'failover', usage, options, run: compare }, args)

async function compare({ only, out, json, list, sabotage }: Options): Promise<number> {
  const trials = pickTrials(all, only, 'failover')
  if (list) {
    for (const { key, seconds } of trials) process.stdout.write(`${seconds} s  ${key}\n`)
    return exitStatus.held
  }
  if (out !== undefined && (trials.length < all.length || sabotage)) {
    throw new Error('--out is for a whole run: leave out --only and --sabotage.')
  }
  const { result, problems, doubts, missing } = await runAll(trials, sabotage)
  const people = json ? process.stderr : process.stdout
  people.write(`\n${formatText(result)}\n`)
  for (const problem of problems) people.write(`FAILED ${problem}\n`)
  for (const doubt of doubts) people.write(`? ${doubt}\n`)
  const busy = isUntold({ doubts, missing })
  if ((busy || missing > mostMissing) && out !== undefined)
    throw new Error(`${busySentence(missing)} Nothing was written.`)
  const pictures = out ?? built('failover')
  write(pictures, result, out !== undefined)
  people.write(`Result and pictures: ${path.relative(process.cwd(), pictures) || '.'}\n`)
  if (busy) people.write(`${busySentence(missing)}\n`)
  printJson({ rows: result.rows, missing }, json)
  return problems.length > 0 ? exitStatus.failed : busy ? exitStatus.busy : exitStatus.held
}

type Options = Values<typeof options>

async function runAll(trials: readonly Trial[], sabotage: boolean) {
  const guest = fileURLToPath(new URL('./guest.js', import.meta.url))
  const { header, results } = await runTrials<TrialResult>('failover', guest, trials, { sabotage })
  const result: Result = {
    ...header,
    node: process.version,
    date: new Date().toISOString(),
    longestGapMs: Math.max(...results.map(({ longestGapMs }) => longestGapMs)),
    rows: results.flatMap(({ rows }) => rows),
    timelines: results.map(({ timeline }) => timeline),
  }
  return {
    result,
    problems: results.flatMap((one) => one.problems),
    doubts: results.flatMap((one) => one.doubts),
    missing: Math.max(...results.map((one) => one.missing)),
  }
}

function write(folder: string, result: Result, keep: boolean): void {
  const pictures = path.join(folder, 'failover')
  mkdirSync(pictures, { recursive: true })
  for (const name of new Set(result.timelines.map(({ failure }) => failure))) {
    writeFileSync(path.join(pictures, `${name}.svg`), timelinePicture(name, result))
  }
  writeFileSync(path.join(folder, 'failover.json'), formatResult(result))
  if (!keep) return
  const page = path.join(folder, 'failover.md')
  writeFileSync(page, renew(readFileSync(page, 'utf8'), result))
}
