// npm run bench -- failover: the old way and ours side by side, on a kernel that has IPVS.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { built, compiled } from '../../lab/checkout.js'
import { runInLab } from '../../lab/guest/host.js'
import { keepalivedEnvironment } from '../keepalived.js'
import { failures } from './failures.js'
import type { Header, Plan } from './guest.js'
import { formatResult, type Result, type TrialResult } from './results.js'
import { systemNames } from './systems.js'
import { formatText, renew } from './table.js'
import { timelinePicture } from './timeline.js'

const usage = `The old way and ours side by side: keepalived with notify scripts that fork ipvsadm, keepalived with a virtual server for
UDP, and this library, under the same failures and the same clients, in one boot of the lab.

    npm run bench -- failover [--only TRIAL,TRIAL] [--out FOLDER] [--json] [--list] [--sabotage]

    --only       these trials: a failure (flush), a system (ipvs), or both (ipvs/flush)
    --out        a whole run: write failover.json, the measured part of failover.md and pictures there
    --json       the last line of stdout is the result: { rows: [...] }
    --list       the trials, and how long each takes
    --sabotage   the notify script runs under the name of ipvs: has to be noticed, and to fail

Exit status 0: ours did what it has to. 1: it did not, and the last lines say what. docs/failover.md has a run that is kept.
`

const guest = fileURLToPath(new URL('./guest.js', import.meta.url))

interface Trial {
  readonly key: string
  readonly seconds: number
}

const all: readonly Trial[] = failures.flatMap(({ name, seconds }) =>
  systemNames.map((system) => ({ key: `${system}/${name}`, seconds })),
)

export async function failover(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      out: { type: 'string' },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      sabotage: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const trials = pick(values.only)
  if (values.list) {
    for (const { key, seconds } of trials) process.stdout.write(`${seconds} s  ${key}\n`)
    return 0
  }
  if (values.out !== undefined && (trials.length < all.length || values.sabotage)) {
    throw new Error('--out is for a whole run: leave out --only and --sabotage.')
  }
  const { result, problems } = await runAll(trials, values.sabotage)
  const people = values.json ? process.stderr : process.stdout
  people.write(`\n${formatText(result)}\n`)
  for (const problem of problems) people.write(`FAILED ${problem}\n`)
  const pictures = values.out ?? built('failover')
  write(pictures, result, values.out !== undefined)
  people.write(`Result and pictures: ${path.relative(process.cwd(), pictures) || '.'}\n`)
  if (values.json) process.stdout.write(`${JSON.stringify({ rows: result.rows })}\n`)
  return problems.length === 0 ? 0 : 1
}

function pick(only: string | undefined): readonly Trial[] {
  if (only === undefined) return all
  // A system's name may have a comma in it.
  const words = only.split(/,(?! )/)
  const matches = (word: string) =>
    all.filter(({ key }) => key === word || key.split('/').includes(word))
  for (const word of words) {
    if (matches(word).length > 0) continue
    throw new Error(`There is no trial "${word}". npm run bench -- failover --list shows them.`)
  }
  return all.filter((trial) => words.some((word) => matches(word).includes(trial)))
}

async function runAll(trials: readonly Trial[], sabotage: boolean) {
  const folder = built('failover')
  mkdirSync(folder, { recursive: true })
  const plan: Plan = {
    trials: trials.map(({ key }) => key),
    file: path.join(folder, 'trials.jsonl'),
    witness: compiled('witness'),
    sabotage,
  }
  const seconds = trials.reduce((sum, trial) => sum + trial.seconds, 0)
  const minutes = Math.ceil(seconds / 60)
  process.stderr.write(
    `Booting a kernel with IPVS, then ${trials.length} trials: about ${minutes} min.\n`,
  )
  const status = await runInLab([process.execPath, guest, JSON.stringify(plan)], {
    env: keepalivedEnvironment(),
    timeout: 3 * seconds * 1000 + 60_000,
    terminal: false,
  })
  if (status !== 0) throw new Error(`The guest ended with exit status ${status}.`)
  const [first, ...lines] = readFileSync(plan.file, 'utf8').trim().split('\n')
  const header = JSON.parse(first!) as Header
  const results = lines.map((line) => JSON.parse(line) as TrialResult)
  const result: Result = {
    ...header,
    node: process.version,
    date: new Date().toISOString(),
    longestGapMs: Math.max(...results.map(({ longestGapMs }) => longestGapMs)),
    rows: results.flatMap(({ rows }) => rows),
    timelines: results.map(({ timeline }) => timeline),
  }
  return { result, problems: results.flatMap((one) => one.problems) }
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
