// Runs the cases that need no IPVS, on this machine itself.
import { spawnSync } from 'node:child_process'
import { type Counter, countInstructions } from '../host/instructions.js'
import { COMMANDS } from './cases.js'
import type { Raw, Run } from './plan.js'

/** @param counter of the instructions of what is compiled; once for each, for they are the same in every round */
export function runHere(runs: readonly Run[], counter: Counter): Raw[] {
  const counted = new Set<string>()
  return runs.map((which) => {
    process.stderr.write(`${which.case}: ${which.driver}\n`)
    const command = COMMANDS[which.driver]!
    try {
      const raw = { ...which, times: measure(command), changes: 0 }
      if (command[0] === process.execPath || counted.has(which.driver)) return raw
      counted.add(which.driver)
      return { ...raw, instructionsPerOp: countInstructions(counter, command) }
    } catch (error) {
      return { ...which, times: [], changes: 0, problem: (error as Error).message }
    }
  })
}

function measure([program, ...words]: readonly string[]): number[] {
  const { status, stdout, stderr, error } = spawnSync(program!, words, { encoding: 'utf8' })
  if (error !== undefined || status !== 0) throw error ?? new Error(stderr.trim())
  return (JSON.parse(stdout) as { times: number[] }).times
}
