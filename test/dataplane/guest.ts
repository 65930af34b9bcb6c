// Inside the kernel that has IPVS: plays the named scenarios one after the other and writes down what came out.
import { writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { now } from '../../lab/traffic/messages.js'
import { play } from './play.js'
import { formatResult, type ScenarioResult } from './results.js'
import { isSupported, scenarios } from './scenarios.js'
import { describe } from './table.js'
import { judge } from './verdict.js'

const [file, pace, sabotage, ...names] = process.argv.slice(2) as [string, string, string, string]

const results: ScenarioResult[] = []
for (const scenario of scenarios.filter(({ name }) => names.includes(name))) {
  process.stderr.write(`\n${scenario.name}: ${scenario.setting}\n`)
  const started = now()
  const evidence = await play(scenario, JSON.parse(pace), sabotage === 'sabotage')
  process.stderr.write(`  ${((now() - started) / 1000).toFixed(1)} s\n`)
  const { rows, refused, problems } = judge(evidence)
  for (const row of rows) process.stderr.write(`  ${describe(row)}\n`)
  if (refused !== undefined) process.stderr.write(`  refused: ${refused}\n`)
  for (const problem of problems) process.stderr.write(`  PROBLEM ${problem}\n`)
  const { name, forwarding, setting, says, losses } = scenario
  const about = { name, forwarding, setting, says, losses, supported: isSupported(scenario) }
  results.push({ ...about, ...(refused !== undefined && { refused }), rows, problems })
}
const head = { kernel: release(), node: process.version, date: new Date().toISOString() }
writeFileSync(file, formatResult({ ...head, scenarios: results }))
process.exit()
