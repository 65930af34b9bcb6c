// npm run chaos: boots a kernel with IPVS, lets the driver loose in it, and judges the raw logs it leaves.
import { createReadStream, existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { built } from '../../lab/checkout.js'
import { runInLab } from '../../lab/guest/host.js'
import type { Plan } from './driver.js'
import type { Delivery, DriverEntry, WitnessEntry } from './logs.js'
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

Exit status 0: all held. 1: something did not, and the last lines say what.
It runs on the lab's kernel; IPVS_LAB_KERNEL=6.12 takes another one. See docs/lab.md.
`

const driver = fileURLToPath(new URL('./driver.js', import.meta.url))

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      kills: { type: 'string', default: '20' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
      sabotage: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const minutes = Number(values.minutes)
  if (!(minutes >= 0.2 && minutes <= 1440)) {
    throw new Error(`--minutes ${values.minutes}: a number from 0.2 to 1440`)
  }
  const folder = built('chaos')
  const plan: Plan = {
    minutes,
    kills: wholeNumber('kills', values.kills, 100_000),
    seed: wholeNumber('seed', values.seed, 2 ** 31 - 1),
    sabotage: values.sabotage,
    folder,
    programs: built('programs'),
  }
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  process.stderr.write(`chaos: booting a kernel with IPVS; seed ${plan.seed}\n`)
  const status = await runInLab([process.execPath, driver, JSON.stringify(plan)], {
    // A guest that is stuck is a finding, too: the logs say how far it came.
    timeout: minutes * 120_000 + 120_000,
    terminal: false,
    // Only the result goes to stdout.
    stdout: process.stderr,
  })

  const logs = {
    driver: await read<DriverEntry>(path.join(folder, 'driver.jsonl')),
    witness: await read<WitnessEntry>(path.join(folder, 'witness.jsonl')),
    deliveries: await read<Delivery>(path.join(folder, 'deliveries.jsonl')),
  }
  const findings = judge(logs)
  const begin = logs.driver.find((entry) => entry.event === 'begin')
  const report = formatReport(findings, begin, path.relative(process.cwd(), folder))
  const people = values.json ? process.stderr : process.stdout
  people.write(`${report}\n`)
  if (status !== 0) people.write(`  FAILED the driver ended with status ${status}\n`)
  const ok = findings.verdict.ok && status === 0
  if (values.json) process.stdout.write(`${JSON.stringify({ ...findings.verdict, ok })}\n`)
  return ok ? 0 : 1
}

function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isInteger(number) && number >= 0 && number <= most) return number
  throw new Error(`--${name} ${text}: a whole number from 0 to ${most}`)
}

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

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`chaos: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 1
}
