// Inside the kernel that has IPVS: plays the wanted failures under the wanted systems, one after the other in one boot, and
// writes down what came out.
import { appendFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { run } from '../../lab/network/namespaces.js'
import type { Header, Plan, Told } from './trials.js'

/** A trial on a busy machine is played again, so often at most. */
const mostRepeats = 3

interface Named {
  readonly name: string
}

export interface Played<V extends Told> {
  readonly verdict: V
  /** What is written down. */
  readonly result: object
}

/** How a comparison plays, and what it makes of it. */
export interface Play<System extends Named, Failure extends Named, V extends Told> {
  readonly systems: readonly System[]
  readonly failures: readonly (Failure & { readonly title: string; readonly seconds: number })[]
  readonly play: (system: System, failure: Failure) => Promise<Played<V>>
  /** The machine was too busy for this to be worth anything. */
  readonly isWorthless: (verdict: V) => boolean
  readonly describe: (verdict: V) => readonly string[]
}

export async function playTrials<System extends Named, Failure extends Named, V extends Told>(
  plan: Plan,
  { systems, failures, play, isWorthless, describe }: Play<System, Failure, V>,
): Promise<void> {
  const version = await run('sh', ['-c', 'keepalived --version 2>&1 | head -1'])
  const header: Header = {
    kernel: release(),
    keepalived: /v(\d\S*)/.exec(version)?.[1] ?? 'unknown',
  }
  writeFileSync(plan.file, `${JSON.stringify(header)}\n`)
  const tell = (lines: readonly string[], before = '') => {
    for (const line of lines) process.stderr.write(`  ${before}${line}\n`)
  }

  const trials = failures
    .flatMap((failure) => systems.map((system) => ({ system, failure })))
    .filter(({ system, failure }) => plan.trials.includes(`${system.name}/${failure.name}`))
  for (const [index, { system, failure }] of trials.entries()) {
    const seconds = trials.slice(index).reduce((sum, trial) => sum + trial.failure.seconds, 0)
    process.stderr.write(`\n${failure.title}: ${system.name} (about ${seconds} s left)\n`)
    let { verdict, result } = await play(system, failure)
    // What was found does not go away by looking again.
    for (let again = 0; again < mostRepeats; again++) {
      if (verdict.problems.length > 0 || !isWorthless(verdict)) break
      const percent = Math.round(100 * verdict.missing)
      tell([`the machine is busy, ${percent} % of the time was missing: once more`])
      tell(verdict.doubts, '? ')
      ;({ verdict, result } = await play(system, failure))
    }
    tell(describe(verdict))
    tell(verdict.problems, 'PROBLEM ')
    appendFileSync(plan.file, `${JSON.stringify(result)}\n`)
  }
}
