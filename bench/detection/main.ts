// npm run bench -- detection: how soon fast checks find a dead server, and whether they call a healthy one dead.
import { readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import {
  busySentence,
  exitStatus,
  flag,
  printJson,
  runCommand,
  runOnIpvs,
  type Values,
  whole,
} from '../../lab/command.js'
import { fastChecks, guestSlowness } from '../failover/systems.js'
import type { Plan } from './guest.js'
import { formatOutcome, type Outcome, problems } from './verdict.js'

const usage = `How soon the fast profile of docs/health.md finds a dead server, on a kernel that has IPVS, and whether it calls a healthy one dead.

    npm run bench -- detection [--failures N] [--minutes M] [--hogs N] [--slowness N] [--json]

    --failures N   servers that are killed, hang or are unplugged, one after the other (200)
    --minutes M    after them, so long nothing happens (0)
    --hogs N       busy loops in the guest (0); what else runs on this machine is yours to choose
    --slowness N   the profile's times are multiplied by it (${guestSlowness})

Exit status 0: found in time, and no false verdict. 1: not so, and the last lines say what. 75: with failures, when this machine was too busy to tell.
`

const options = {
  failures: whole(200, 0, 100_000),
  minutes: whole(0, 0, 10_000),
  hogs: whole(0, 0, 100),
  slowness: whole(guestSlowness, 1, 100),
  json: flag,
}

type Options = Values<typeof options>

/** With more than this part of the time missing, who was late proves nothing. */
const mostMissing = 0.1

export const benchDetection = (args: readonly string[]): Promise<void> =>
  runCommand({ name: 'detection', usage, options, run: measure }, args)

async function measure({ failures, minutes, hogs, slowness, json }: Options): Promise<number> {
  const file = built(`detection-${process.pid}.json`)
  const plan: Plan = {
    pace: fastChecks(slowness),
    failures,
    minutes,
    hogs,
    file,
  }
  const status = await runOnIpvs({
    file: fileURLToPath(new URL('./guest.js', import.meta.url)),
    plan,
    seconds: 30 + 3 * failures + 60 * minutes,
  })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const outcome = JSON.parse(readFileSync(file, 'utf8')) as Outcome
  rmSync(file)
  const people = json ? process.stderr : process.stdout
  people.write(`\n${formatOutcome(outcome)}`)
  const found = problems(outcome)
  if (outcome.falseVerdicts > 0) people.write(`Our program has said:\n${outcome.said}`)
  for (const problem of found) people.write(`FAILED ${problem}\n`)
  printJson(outcome, json)
  if (failures > 0 && outcome.missing > mostMissing) {
    people.write(`${busySentence(outcome.missing)}\n`)
    return exitStatus.busy
  }
  return found.length === 0 ? exitStatus.held : exitStatus.failed
}
