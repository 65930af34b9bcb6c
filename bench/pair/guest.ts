// Inside the kernel that has IPVS: plays the wanted failures under both systems, one after the other in one boot, and
// writes down what came out.
import { appendFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { run } from '../../lab/network/namespaces.js'
import { failures } from './failures.js'
import type { Header, TrialResult } from './results.js'
import { systems } from './systems.js'
import { describe } from './table.js'
import { play } from './trial.js'
import { isUntold, judge, mostMissing } from './verdict.js'

export interface Plan {
  /** One trial each: `ipvs run/kill-9`. */
  readonly trials: readonly string[]
  /** Where the results go: the header, then a trial a line. */
  readonly file: string
  /** The figures are to be kept: a trial that lacked too much of its time is played again, too. */
  readonly keep: boolean
  /** keepalived runs under the name of ipvs run. */
  readonly sabotage: boolean
}

/** A trial on a busy machine is played again, so often at most. */
const mostRepeats = 2

const plan: Plan = JSON.parse(process.argv[2]!)
const version = await run('sh', ['-c', 'keepalived --version 2>&1 | head -1'])
const header: Header = {
  kernel: release(),
  keepalived: /v(\d\S*)/.exec(version)?.[1] ?? 'unknown',
}
writeFileSync(plan.file, `${JSON.stringify(header)}\n`)

const trials = failures
  .flatMap((failure) => systems.map((system) => ({ system, failure })))
  .filter(({ system, failure }) => plan.trials.includes(`${system.name}/${failure.name}`))
for (const [index, { system, failure }] of trials.entries()) {
  const seconds = trials.slice(index).reduce((sum, trial) => sum + trial.failure.seconds, 0)
  process.stderr.write(`\n${failure.title}: ${system.name} (about ${seconds} s left)\n`)
  for (let again = 0; ; again++) {
    const played = plan.sabotage ? { ...systems[0]!, name: system.name } : system
    const evidence = await play(played, failure)
    const verdict = judge(evidence)
    // What was found does not go away by looking again.
    const isBusy = isUntold(verdict) || (plan.keep && verdict.missing > mostMissing)
    if (verdict.problems.length === 0 && isBusy && again < mostRepeats) {
      const percent = Math.round(100 * verdict.missing)
      process.stderr.write(`  the machine is busy, ${percent} % of the time was missing: again\n`)
      for (const doubt of verdict.doubts) process.stderr.write(`  ? ${doubt}\n`)
      continue
    }
    for (const line of describe(verdict)) process.stderr.write(`  ${line}\n`)
    for (const problem of verdict.problems) process.stderr.write(`  PROBLEM ${problem}\n`)
    const result: TrialResult = { ...verdict, output: evidence.output }
    appendFileSync(plan.file, `${JSON.stringify(result)}\n`)
    break
  }
}
process.exit()
