// Inside the kernel that has IPVS: keepalived doing everything, and ours beside keepalived's VRRP.
import { playTrials } from '../trials/play.js'
import { isUntold } from '../trials/trials.js'
import { failures } from './failures.js'
import type { PairPlan, TrialResult } from './results.js'
import { systems } from './systems.js'
import { describe } from './table.js'
import { play } from './trial.js'
import { judge, mostMissing } from './verdict.js'

const plan: PairPlan = JSON.parse(process.argv[2]!)
await playTrials(plan, {
  systems,
  failures,
  async play(system, failure) {
    const played = plan.sabotage ? { ...systems[0]!, name: system.name } : system
    const evidence = await play(played, failure)
    const verdict = judge(evidence)
    const result: TrialResult = { ...verdict, output: evidence.output }
    return { verdict, result }
  },
  isWorthless: (verdict) => isUntold(verdict) || (plan.keep && verdict.missing > mostMissing),
  describe,
})
process.exit()
