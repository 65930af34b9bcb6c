// Inside the kernel that has IPVS: plays the named scenarios one after the other and writes down what came out.
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { now } from '../../lab/traffic/messages.js'
import { type Pace, play } from './play.js'
import { formatResult, type ScenarioResult } from './results.js'
import { isSupported, scenarios } from './scenarios.js'
import { describe } from './table.js'
import { judge } from './verdict.js'

export interface Plan {
  /** Where the result goes. */
  readonly file: string
  readonly pace: Pace
  readonly sabotage: boolean
  readonly names: readonly string[]
}

/** A scenario on a busy machine is played again, so often at most. */
const mostRepeats = 2

const { file, pace, sabotage, names }: Plan = JSON.parse(process.argv[2]!)

const results: ScenarioResult[] = []
for (const scenario of scenarios.filter(({ name }) => names.includes(name))) {
  process.stderr.write(`\n${scenario.name}: ${scenario.setting}\n`)
  const started = now()
  let verdict = judge(await play(scenario, pace, sabotage))
  for (let again = 0; verdict.outcome === 'busy' && again < mostRepeats; again++) {
    for (const doubt of verdict.doubts) process.stderr.write(`  ? ${doubt}\n`)
    const percent = Math.round(100 * verdict.missing)
    process.stderr.write(`  the machine is busy, ${percent} % of the time was missing: once more\n`)
    verdict = judge(await play(scenario, pace, sabotage))
  }
  process.stderr.write(`  ${((now() - started) / 1000).toFixed(1)} s\n`)
  const { rows, refused, problems, doubts, missing } = verdict
  for (const row of rows) process.stderr.write(`  ${describe(row)}\n`)
  if (refused !== undefined) process.stderr.write(`  refused: ${refused}\n`)
  for (const problem of problems) process.stderr.write(`  PROBLEM ${problem}\n`)
  const { name, forwarding, setting, says, losses } = scenario
  const about = { name, forwarding, setting, says, losses, supported: isSupported(scenario) }
  // A page keeps what was seen; who doubts is not kept.
  const busy = doubts.length > 0 && { doubts, missing }
  results.push({ ...about, ...(refused !== undefined && { refused }), rows, problems, ...busy })
}
const head = { kernel: release(), node: process.version, date: new Date().toISOString() }
writeFileSync(file, formatResult({ ...head, scenarios: results }))
process.exit()
