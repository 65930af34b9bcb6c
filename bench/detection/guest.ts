// Inside the kernel that has IPVS: our program with its fast checks, three dnsmasq, and failures one after the other, or none for a while.
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { endAll, endGroup } from '../../lab/network/namespaces.js'
import { Program } from '../../lab/network/program.js'
import { buildNetwork, type Server, servers } from '../../lab/network/three-servers.js'
import { startDnsmasq } from '../../lab/traffic/dnsmasq.js'
import { now } from '../../lab/traffic/messages.js'
import { membersOf, membersOver, protocols } from '../../lab/witness/members.js'
import { Witness } from '../../lab/witness/witness.js'
import { ours } from '../failover/systems.js'
import { type Kind, kindOf } from './failures.js'
import type { Found, Outcome, Pace } from './verdict.js'

export interface Plan {
  readonly pace: Pace
  readonly failures: number
  /** So long nothing happens, after the failures. */
  readonly minutes: number
  /** Busy loops in the guest. */
  readonly hogs: number
  readonly file: string
}

/** A server that is not back by then, or not out, stays so. */
const patienceMs = 30_000
/** Between two failures: the limits have forgotten the last one. */
const restMs = 1000

const plan: Plan = JSON.parse(process.argv[2]!)
const dnsmasq = new Map<Server, ChildProcess>()
/** When a server was none of ours to blame: from its failure until it was back. */
const excused: { readonly server: Server; readonly from: number; readonly to: number }[] = []

await buildNetwork()
for (const server of servers) dnsmasq.set(server, await startDnsmasq(server))
const cables = new Program('switch', ['ip', '-batch', '-'])
const witness = new Witness('director', { tableMs: 1, tickMs: 1 })
await witness.ready
const program = new Program('director', ours(JSON.stringify(plan.pace)))
const ended = Promise.race([witness.failure, program.failure, cables.failure])
const hogs = Array.from({ length: plan.hogs }, () => spawn('sh', ['-c', 'while :; do :; done']))
try {
  const outcome = await Promise.race([perform(), ended])
  writeFileSync(plan.file, JSON.stringify(outcome))
} finally {
  for (const hog of hogs) hog.kill('SIGKILL')
  endAll()
}
process.exit()

async function perform(): Promise<Outcome> {
  if (!(await witness.until(isFull, 2 * patienceMs))) {
    throw new Error(`The table is not full. Our program has said:\n${program.output}`)
  }
  await witness.time(restMs)
  const from = now()
  const found: Found[] = []
  for (let i = 0; i < plan.failures; i++) {
    found.push(await fail(kindOf(i), servers[i % servers.length]!))
    if ((i + 1) % 20 === 0) process.stderr.write(`  ${i + 1} of ${plan.failures} failures\n`)
  }
  for (let minute = 0; minute < plan.minutes; minute++) {
    await witness.time(60_000)
    if ((minute + 1) % 5 === 0) process.stderr.write(`  ${minute + 1} of ${plan.minutes} minutes\n`)
  }
  const to = now()
  return {
    pace: plan.pace,
    found,
    falseVerdicts: countFalse(from, to),
    minutes: (to - from) / 60_000,
    missing: witness.steal.share(from, to),
    said: program.output,
  }
}

function isFull(): boolean {
  const members = membersOf(witness.table)
  return protocols.every((protocol) => members[protocol].length === servers.length)
}

function isOut(server: Server): boolean {
  const members = membersOf(witness.table)
  return protocols.every((protocol) => !members[protocol].includes(server))
}

async function fail(kind: Kind, server: Server): Promise<Found> {
  // At any moment of an interval.
  await witness.time(restMs + Math.random() * plan.pace.intervalMs)
  const saidBefore = program.output.length
  const from = now()
  strike(kind, server)
  const isFound = await witness.until(() => isOut(server), patienceMs)
  const out = membersOver(witness.tables).find(
    ({ at, members }) =>
      at >= from && protocols.every((protocol) => !members[protocol].includes(server)),
  )
  const ms = isFound && out !== undefined ? witness.steal.ran(from, out.at) : null
  const limit = /no answer within (\d+) ms/.exec(program.output.slice(saidBefore))?.[1]
  await heal(kind, server)
  if (!(await witness.until(isFull, patienceMs))) {
    throw new Error(`${server} does not come back. Our program has said:\n${program.output}`)
  }
  excused.push({ server, from, to: now() })
  return { kind, ms, limitMs: limit === undefined ? undefined : Number(limit) }
}

function strike(kind: Kind, server: Server): void {
  if (kind === 'killed') endGroup(dnsmasq.get(server)!)
  else if (kind === 'hangs') process.kill(-dnsmasq.get(server)!.pid!, 'SIGSTOP')
  else cables.order(`link set ${server} down`)
}

async function heal(kind: Kind, server: Server): Promise<void> {
  if (kind === 'killed') dnsmasq.set(server, await startDnsmasq(server))
  else if (kind === 'hangs') process.kill(-dnsmasq.get(server)!.pid!, 'SIGCONT')
  else cables.order(`link set ${server} up`)
}

/** Servers that left a service and were well. */
function countFalse(from: number, to: number): number {
  let before = membersOf(new Map())
  let count = 0
  for (const { at, members } of membersOver(witness.tables)) {
    for (const server of servers) {
      const left = protocols.some(
        (protocol) => before[protocol].includes(server) && !members[protocol].includes(server),
      )
      const isExcused = excused.some(
        (one) => one.server === server && at >= one.from && at <= one.to,
      )
      if (left && !isExcused && at >= from && at <= to) count++
    }
    before = members
  }
  return count
}
