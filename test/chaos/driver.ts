// driver.js PLAN: the whole run, inside a kernel that has IPVS. Leaves three raw logs and judges nothing.
//
// Loud times, in which everything happens at once, and quiet ones, at whose end the kernel must hold what is wanted. After
// those nothing may change, even when the controller is killed and comes back, until it gets loud again.
import { closeSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Program } from '../../lab/network/program.js'
import { now } from '../../lab/traffic/messages.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import { Witness } from '../../lab/witness/witness.js'
import { Log } from './log.js'
import type { DriverEntry } from './logs.js'
import { buildNetwork, DIRECTOR } from './network.js'
import {
  type Command,
  candidates,
  INTERVAL_MS,
  POOLS,
  type PoolName,
  QUERIED,
  type State,
  type Wishes,
} from './pools.js'
import { Chance } from './random.js'
import { Supervisor } from './supervisor.js'
import { LOOK_MS } from './verdict.js'
import { firstWishes, nextWish } from './wishes.js'

/** What `main.ts` asks for. */
export interface Plan {
  readonly minutes: number
  readonly kills: number
  readonly seed: number
  readonly sabotage: boolean
  /** For the logs. */
  readonly folder: string
  /** Where the C programs are. */
  readonly programs: string
}

/** A loud time and the quiet one after it. */
const CYCLE_MS = 8000
const QUIET_MS = 4 * INTERVAL_MS
/** Of a loud time. */
const SHORTEST_MS = 2000
const MEDDLE_MS = 500
const QUERIES_PER_SECOND = 100
/** Against hanging only: a busy machine starts a controller slowly. */
const ANSWER_MS = 60_000
/** Between two changes, at most. */
const PAUSE_MS = 400
/** A dead controller stays so at most this long. */
const DEAD_MS = 1000
/** Services that the churn adds and removes. */
const CHURN = 200

const plan = JSON.parse(process.argv[2]!) as Plan
const { minutes, kills, seed, sabotage, folder } = plan
const chance = new Chance(seed)
const log = new Log<DriverEntry>(path.join(folder, 'driver.jsonl'))
const seen = new Log<WitnessEntry>(path.join(folder, 'witness.jsonl'))
const complaints = openSync(path.join(folder, 'controller.log'), 'w')
const stateFile = path.join(tmpdir(), 'chaos-state.json')

let version = 0
let wishes = Object.fromEntries(POOLS.map((pool) => [pool.name, firstWishes(pool)])) as Record<
  PoolName,
  Wishes
>
const counts = { changes: 0, meddled: 0, kills: 0 }
const supervisor = new Supervisor(log, stateFile, complaints)

/** A reader finds the old state or the new one, never a half. */
function writeState(): void {
  const state: State = { version, sabotage, pools: wishes }
  writeFileSync(`${stateFile}.new`, JSON.stringify(state))
  renameSync(`${stateFile}.new`, stateFile)
}

function change(): void {
  const pool = chance.pick(POOLS)
  version++
  const next = nextWish(pool, wishes[pool.name], version, chance)
  want(pool.name, next.wishes, next.command)
}

function want(pool: PoolName, wanted: Wishes, command?: Command): void {
  wishes = { ...wishes, [pool]: wanted }
  log.write({ event: 'wanted', version, pool, wishes: wanted })
  counts.changes++
  writeState()
  if (command !== undefined) supervisor.tell(command)
}

/** Starts one that stays for the whole run; what it tells is what the meddler has done. */
async function startResident(
  namespace: string,
  program: string,
  ...words: (string | number)[]
): Promise<Program> {
  const command = [path.join(plan.programs, program), ...words.map(String)]
  const resident = new Program(namespace, command, (line) => {
    const { at, act, errno } = JSON.parse(line) as { at: number; act: string; errno: number }
    counts.meddled++
    log.add({ event: 'meddled', act, errno, at })
  })
  resident.failure.catch((error: Error) => log.write({ event: 'trouble', what: error.message }))
  await Promise.race([resident.ready, resident.failure])
  return resident
}

/** Changes, often several at once, until the time is over; kills at the moments given. */
async function loud(until: number, moments: readonly number[]): Promise<void> {
  const due = [...moments]
  const dying: Promise<void>[] = []
  while (now() < until) {
    for (let left = chance.from(1, 3); left > 0; left--) change()
    if (due.length > 0 && now() >= due[0]! && supervisor.alive) {
      due.shift()
      // In the middle of what it has just been told, or a moment after.
      await sleep(chance.pick([0, 0, 1, 2, 5, 20]))
      dying.push(dieAndRise())
    }
    const next = due.find((moment) => moment > now()) ?? until
    await sleep(chance.from(0, Math.max(1, Math.min(PAUSE_MS, next - now()))))
  }
  await Promise.all(dying)
  for (const _ of due) await dieAndRise()
}

async function dieAndRise(): Promise<void> {
  counts.kills++
  await supervisor.kill()
  await sleep(chance.from(0, DEAD_MS))
  supervisor.start()
}

function progress(started: number, cycle: number, cycles: number): void {
  const passed = Math.round((now() - started) / 1000)
  const { changes, meddled } = counts
  process.stderr.write(
    `${String(passed).padStart(5)} s of ${Math.round(minutes * 60)}  loud time ${cycle} of ${cycles}  ` +
      `${changes} changes  ${meddled} by the meddler  ${counts.kills} of ${kills} kills\n`,
  )
}

await buildNetwork()
log.write({ event: 'begin', minutes, kills, seed, kernel: release() })
for (const { name } of POOLS) want(name, wishes[name])
const witness = new Witness(DIRECTOR, { tableMs: LOOK_MS, tickMs: LOOK_MS / 2 }, (entry) =>
  seen.add(entry),
)
witness.failure.catch((error: Error) => log.write({ event: 'trouble', what: error.message }))
await Promise.race([witness.ready, witness.failure])
supervisor.start()
await supervisor.settle(witness, ANSWER_MS)

const churn = await startResident('noise', 'churn', CHURN)
const { address, port } = QUERIED
const deliveries = path.join(folder, 'deliveries.jsonl')
const servers = await startResident('servers', 'servers', deliveries, port, ...candidates(QUERIED))
const queries = await startResident('clients', 'queries', address, port, QUERIES_PER_SECOND)
const targets = POOLS.map((it) => `${it.address}:${it.port}:${it.forwarding}:${it.prefix}`)
const meddler = await startResident(DIRECTOR, 'meddler', seed, MEDDLE_MS, ...targets)

const started = now()
const total = minutes * 60_000
const cycles = Math.max(1, Math.round(total / CYCLE_MS))
/** The kills of each loud time, as parts of it. Some times have several: then one hits a controller that is opening. */
const moments = Array.from({ length: cycles }, (): number[] => [])
/** Kills after a quiet time, while nobody changes anything: a restart must not be seen. */
const inStillness = moments.map(() => 0)
for (let left = kills; left > 0; left--) {
  const cycle = chance.from(0, cycles - 1)
  if (left % 3 === 0) inStillness[cycle]!++
  else moments[cycle]!.push(chance.next())
}

for (const [cycle, parts] of moments.entries()) {
  const begun = now()
  // Waiting for a controller takes its time: what comes after is the shorter.
  const loudMs = Math.max(SHORTEST_MS, started + ((cycle + 1) * total) / cycles - QUIET_MS - begun)
  const times = parts.sort((a, b) => a - b).map((part) => begun + part * loudMs)
  await meddler.ask('go')
  await loud(begun + loudMs, times)
  await meddler.ask('pause')
  await supervisor.settle(witness, ANSWER_MS)
  log.write({ event: 'quiet' })
  await witness.time(QUIET_MS)
  log.write({ event: 'still' })
  for (let left = inStillness[cycle]!; left > 0; left--) {
    await dieAndRise()
    await supervisor.settle(witness, ANSWER_MS)
  }
  log.write({ event: 'loud' })
  log.flush()
  seen.flush()
  progress(started, cycle + 1, cycles)
}

const sent = queries.hear()
await queries.end()
for (const resident of [meddler, servers, churn]) await resident.end()
log.write({ event: 'end', queries: Number(await sent) })
await witness.stop()
seen.close()
await supervisor.end()
log.close()
closeSync(complaints)
