// npm run chaos: boots a kernel with IPVS, lets the driver loose in it, and judges the raw logs it leaves.
import { createReadStream, existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import {
  decimal,
  exitStatus,
  flag,
  printJson,
  runCommand,
  runOnIpvs,
  whole,
} from '../../lab/command.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import type { Plan } from './driver.js'
import type { Delivery, DriverEntry } from './logs.js'
import { formatReport } from './report.js'
import { judge } from './verdict.js'

const usage = `A controller with two pools that is killed again and again, while its servers fail and recover, somebody else
changes the same table by hand and another namespace churns. What must hold all the same: docs/testing.md.

    npm run chaos -- [--minutes N] [--kills K] [--seed S] [--sabotage] [--json]

    --minutes N   how long (2); an hour: --minutes 60 --kills 200
    --kills K     how many times the controller is killed (20)
    --seed S      repeats what an earlier run has drawn
    --sabotage    nothing is repaired: has to be noticed, and to fail
    --json        the last line of stdout is the result as one JSON object; the rest goes to stderr

Exit status 0: all held. 1: something did not, and the last lines say what. 75: this machine was too busy to tell.
It runs on the lab's kernel; IPVS_LAB_KERNEL=6.12 takes another one. See docs/lab.md.
`

const driver = fileURLToPath(new URL('./driver.js', import.meta.url))

await runCommand({
  name: 'chaos',
  usage,
  options: {
    minutes: decimal(2, 0.2, 1440),
    kills: whole(20, 0, 100_000),
    seed: whole(Math.floor(Math.random() * 1e9), 0, 2 ** 31 - 1),
    sabotage: flag,
    json: flag,
  },
  run: async ({ json, ...options }) => {
    const folder = built('chaos')
    const plan: Plan = { ...options, folder, programs: built('programs') }
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    process.stderr.write(`chaos: seed ${plan.seed}\n`)
    // A guest that is stuck is a finding, too: the logs say how far it came. Only the result goes to stdout.
    const seconds = options.minutes * 60
    const status = await runOnIpvs({ file: driver, plan, seconds, stdout: process.stderr })

    const logs = {
      driver: await read<DriverEntry>(path.join(folder, 'driver.jsonl')),
      witness: await read<WitnessEntry>(path.join(folder, 'witness.jsonl')),
      deliveries: await read<Delivery>(path.join(folder, 'deliveries.jsonl')),
    }
    const findings = judge(logs)
    const begin = logs.driver.find((entry) => entry.event === 'begin')
    const people = json ? process.stderr : process.stdout
    people.write(`${formatReport(findings, begin, path.relative(process.cwd(), folder))}\n`)
    if (status !== 0) people.write(`  FAILED the driver ended with status ${status}\n`)
    const outcome = status === 0 ? findings.verdict.outcome : 'failed'
    printJson({ ...findings.verdict, outcome, ok: outcome === 'held' }, json)
    return exitStatus[outcome]
  },
})

/** The lines of a log; the last one of a guest that was stopped may be a half. */
async function read<T>(file: string): Promise<T[]> {
  const entries: T[] = []
  if (!existsSync(file)) return entries
  for await (const line of createInterface({ input: createReadStream(file) })) {
    try {
      entries.push(JSON.parse(line) as T)
    } catch {
      break
    }
  }
  return entries
}
