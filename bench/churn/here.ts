// Runs the cases that need no IPVS, on this machine itself.
import { spawnSync } from 'node:child_process'
import { COMMANDS } from './cases.js'
import type { Raw, Run } from './plan.js'

export function runHere(runs: readonly Run[]): Raw[] {
  return runs.map((which) => {
    process.stderr.write(`${which.case}: ${which.driver}\n`)
    const [program, ...words] = COMMANDS[which.driver]!
    const { status, stdout, stderr, error } = spawnSync(program!, words, { encoding: 'utf8' })
    if (error !== undefined || status !== 0) {
      return { ...which, times: [], changes: 0, problem: error?.message ?? stderr.trim() }
    }
    return { ...which, ...(JSON.parse(stdout) as { times: number[] }), changes: 0 }
  })
}
