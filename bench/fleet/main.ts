// npm run bench -- fleet: three directors, one etcd, and what fails between them.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { built } from '../../lab/checkout.js'
import {
  exitStatus,
  flag,
  printJson,
  runCommand,
  runOnIpvs,
  type Values,
  whole,
} from '../../lab/command.js'
import { withFetched } from '../../lab/fetched.js'
import { textTable } from '../../lab/page/table.js'
import type { Plan } from './guest.js'
import { simulate } from './simulate.js'
import { formatOutcome, type Outcome, quantile } from './verdict.js'

const usage = `Three directors with a hundred pools of twenty servers in one etcd, on a kernel that has IPVS: how soon a change is in every kernel,
what is lost while etcd is stopped, restarted or compacted, or a director is cut off from it, whether maglev agrees, and how a virtual
address is announced and withdrawn by BIRD.

    npm run bench -- fleet [--json]
    npm run bench -- fleet --simulation [--directors N] [--pools N] [--json]

    --simulation   in one process, on kernels in memory: what passes between etcd and very many directors, and when all agree
    --directors N  of the simulation (200)
    --pools N      of the simulation, with two servers each (10000)

Exit status 0: it came out as docs/fleet.md says. 1: it did not, and the last lines say where.
`

export const benchFleet = (args: readonly string[]): Promise<void> =>
  runCommand(
    {
      name: 'fleet',
      usage,
      options,
      run: (values) => (values.simulation ? simulated(values) : measure(values)),
    },
    args,
  )

const options = {
  json: flag,
  simulation: flag,
  directors: whole(200, 1, 2000),
  pools: whole(10_000, 20, 100_000),
}

type Options = Values<typeof options>

async function simulated({ directors, pools, json }: Options): Promise<number> {
  const size = { directors, pools, serversPerPool: 2, programmed: 1 }
  const steps = await simulate(size, (text) => process.stderr.write(`${text}\n`))
  const people = json ? process.stderr : process.stdout
  const head = [
    'step',
    'requests',
    'messages',
    'etcd sends',
    'of each director',
    'until all agree',
    'processor time',
  ]
  const cells = steps.map(({ what, requests, messages, sentBytes, ms, cpuMs }) => [
    what,
    `${requests}`,
    `${messages}`,
    bytes(sentBytes),
    bytes(sentBytes / directors),
    `${(ms / 1000).toFixed(2)} s`,
    `${(cpuMs / 1000).toFixed(2)} s`,
  ])
  people.write(`${textTable(head, cells).join('\n')}\n`)
  printJson({ size, steps }, json)
  return exitStatus.held
}

const bytes = (count: number) =>
  count < 10_000 ? `${Math.round(count)} B` : `${(count / 1e6).toFixed(count < 1e6 ? 2 : 1)} MB`

async function measure({ json }: Options): Promise<number> {
  const file = built(`fleet-${process.pid}.json`)
  const logs = built('fleet')
  mkdirSync(logs, { recursive: true })
  const plan: Plan = { file, logs }
  const status = await runOnIpvs({
    file: fileURLToPath(new URL('./guest.js', import.meta.url)),
    plan,
    seconds: 300,
    memory: '3072M',
    env: withFetched('fleet'),
  })
  if (status !== 0) throw new Error(`The guest ended with status ${status}.`)
  const outcome = JSON.parse(readFileSync(file, 'utf8')) as Outcome
  rmSync(file)
  const people = json ? process.stderr : process.stdout
  people.write(`\n${formatOutcome(outcome)}\n`)
  for (const problem of outcome.problems) people.write(`FAILED ${problem}\n`)
  const { rows, changes, maglev } = outcome
  const reach = (all: readonly number[]) => ({
    count: all.length,
    medianMs: quantile(all, 0.5),
    p99Ms: quantile(all, 0.99),
  })
  printJson(
    { rows, changes: { quiet: reach(changes.quiet), compacted: reach(changes.compacted) }, maglev },
    json,
  )
  return outcome.problems.length === 0 ? exitStatus.held : exitStatus.failed
}
