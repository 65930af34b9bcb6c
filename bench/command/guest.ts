// Inside the kernel that has IPVS: makes a table, and times programs that show it, from their start to their last line.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { checkout } from '../../lab/checkout.js'
import { makeTable } from './table.js'
import { type TopCost, topCost } from './top.js'

export interface CommandPlan {
  readonly file: string
  readonly rounds: number
  readonly services: number
  readonly destinations: number
  /** How long `ipvs top` is watched; 0: not at all. */
  readonly seconds: number
}

/** What each round took, in milliseconds, and at most of memory, in kilobytes (0: nobody looked). */
export type CommandTimes = Record<string, { readonly ms: number[]; readonly peakKb: number }>

export interface CommandReport {
  readonly times: CommandTimes
  readonly top?: TopCost
}

const plan: CommandPlan = JSON.parse(process.argv[2]!)
await makeTable(plan.services, plan.destinations)
const bin = `${checkout}/dist/bin/ipvs.cjs`
const node = [process.execPath, '--require', `${checkout}/bench/command/peak.cjs`]
const programs: Readonly<Record<string, readonly string[]>> = {
  'ipvsadm -Ln': ['ipvsadm', '-Ln'],
  'Node.js alone': [...node, '--eval', '0'],
  'ipvs list': [...node, bin, 'list'],
  'ipvs list --json': [...node, bin, 'list', '--json'],
  'ipvs save': [...node, bin, 'save'],
}
const times: CommandTimes = {}
for (let round = 0; round < plan.rounds; round++) {
  process.stderr.write(`round ${round + 1} of ${plan.rounds}\n`)
  for (const [name, [program, ...words]] of Object.entries(programs)) {
    const started = performance.now()
    const { status, stderr, output } = spawnSync(program!, words, {
      maxBuffer: 64 * 2 ** 20,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
    })
    const ms = performance.now() - started
    if (status !== 0) throw new Error(`${name} ended with status ${status}:\n${stderr}`)
    const before = times[name] ?? { ms: [], peakKb: 0 }
    times[name] = {
      ms: [...before.ms, ms],
      peakKb: Math.max(before.peakKb, Number(output[3])),
    }
  }
}
const report: CommandReport = {
  times,
  ...(plan.seconds > 0 && { top: await topCost(bin, plan.services, plan.seconds) }),
}
writeFileSync(plan.file, JSON.stringify(report))
