// Inside the kernel that has IPVS: the old way and ours.
import { playTrials } from '../trials/play.js'
import { isUntold, type Plan } from '../trials/trials.js'
import type { Evidence } from './evidence.js'
import { failures } from './failures.js'
import type { TrialResult } from './results.js'
import { isOurs, systems } from './systems.js'
import { describe } from './table.js'
import { play } from './trial.js'
import { judge } from './verdict.js'

const plan: Plan = JSON.parse(process.argv[2]!)
await playTrials(plan, {
  systems,
  failures,
  async play(system, failure) {
    const sabotaged = plan.sabotage && isOurs(system.name)
    const played = sabotaged ? { ...systems[0]!, name: system.name } : system
    const evidence = await play(played, failure)
    const verdict = judge(evidence)
    const result: TrialResult = {
      system: system.name,
      failure: failure.name,
      ...verdict,
      longestGapMs: longestGap(evidence),
      output: evidence.output,
    }
    return { verdict, result }
  },
  isWorthless: isUntold,
  describe,
})
process.exit()

function longestGap({ tables }: Evidence): number {
  const end = tables.at(-1)
  return end !== undefined && 'longestGapMs' in end ? end.longestGapMs : Number.POSITIVE_INFINITY
}
