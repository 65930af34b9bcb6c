// Trials: each system under each failure, in one boot of the lab. What is the same for all comparisons of that kind, on this side.
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { built } from '../../lab/checkout.js'
import { runOnIpvs } from '../../lab/command.js'
import { keepalivedEnvironment } from '../../lab/keepalived.js'

export interface Trial {
  /** `ipvs/flush` */
  readonly key: string
  readonly seconds: number
}

/** For the guest. */
export interface Plan {
  /** Keys of trials. */
  readonly trials: readonly string[]
  /** Where the results go: the header, then a trial a line. */
  readonly file: string
  /** A system that cannot keep our promises runs under our name. */
  readonly sabotage: boolean
}

/** The first line of the file. */
export interface Header {
  readonly kernel: string
  readonly keepalived: string
}

/** What every verdict on a trial says. */
export interface Told {
  /** What makes the trial worthless, and what ours has promised and not kept; empty: all held. */
  readonly problems: readonly string[]
  /** The same, where the machine may be to blame. */
  readonly doubts: readonly string[]
  /** The part of the time that the machine has not given to the guest. */
  readonly missing: number
}

/** With more than this part of the time missing, a trial is worth nothing: checks time out for no fault of a server's. */
const mostMissingAtAll = 0.3

/** Nobody can tell whether it held. */
export const isUntold = ({ doubts, missing }: Pick<Told, 'doubts' | 'missing'>): boolean =>
  doubts.length > 0 || missing > mostMissingAtAll

export function trialsOf(
  failures: readonly { readonly name: string; readonly seconds: number }[],
  systems: readonly string[],
): Trial[] {
  return failures.flatMap(({ name, seconds }) =>
    systems.map((system) => ({ key: `${system}/${name}`, seconds })),
  )
}

/** Those that `--only` names: by a failure, a system, or both. */
export function pickTrials(
  all: readonly Trial[],
  only: string | undefined,
  bench: string,
): readonly Trial[] {
  if (only === undefined) return all
  // A system's name may have a comma in it.
  const words = only.split(/,(?! )/)
  const matches = (word: string) =>
    all.filter(({ key }) => key === word || key.split('/').includes(word))
  for (const word of words) {
    if (matches(word).length > 0) continue
    throw new Error(`There is no trial "${word}". npm run bench -- ${bench} --list shows them.`)
  }
  return all.filter((trial) => words.some((word) => matches(word).includes(trial)))
}

/** Has the guest play them. */
export async function runTrials<Result>(
  bench: string,
  guest: string,
  trials: readonly Trial[],
  how: Omit<Plan, 'trials' | 'file'>,
): Promise<{ readonly header: Header; readonly results: Result[] }> {
  const folder = built(bench)
  mkdirSync(folder, { recursive: true })
  const plan: Plan = {
    ...how,
    trials: trials.map(({ key }) => key),
    file: path.join(folder, 'trials.jsonl'),
  }
  const seconds = trials.reduce((sum, trial) => sum + trial.seconds, 0)
  process.stderr.write(`${trials.length} trials: about ${Math.ceil(seconds / 60)} min.\n`)
  const env = keepalivedEnvironment()
  const status = await runOnIpvs({ file: guest, plan, seconds, env })
  if (status !== 0) throw new Error(`The guest ended with exit status ${status}.`)
  const [first, ...lines] = readFileSync(plan.file, 'utf8').trim().split('\n')
  return {
    header: JSON.parse(first!) as Header,
    results: lines.map((line) => JSON.parse(line) as Result),
  }
}
