// npm run bench -- checks: thousands of servers on this machine, checked by a HealthChecker and by keepalived in turn: what a check
// costs, and whether the event loop and the interval suffer.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { built } from '../../lab/checkout.js'
import {
  exitStatus,
  flag,
  printJson,
  runCommand,
  text,
  type Values,
  whole,
} from '../../lab/command.js'
import {
  type ChecksReport,
  type Figures,
  formatChecks,
  medians,
  oursWith,
  shortcomings,
} from './figures.js'
import {
  type Checking,
  type Kind,
  keepalivedChecks,
  keepalivedVersion,
  kinds,
  type Load,
  startKeepalived,
  startOurs,
  startServers,
} from './systems.js'

/** Each measurement has a port of its own, from here on. */
const firstPort = 7000

const usage = `What a health check costs: a HealthChecker and keepalived in turn, over servers on this machine.

    npm run bench -- checks [--check tcp,http,dns] [--servers N] [--interval MS] [--seconds S] [--rounds N] [--json] [--out FOLDER]

Exit status 0: ours keeps what it promises. 1: it does not, and the last lines say what.
`

const options = {
  check: text,
  servers: whole(5000, 1, 60_000),
  interval: whole(1000, 10, 3_600_000),
  seconds: whole(20, 1, 3600),
  rounds: whole(3, 1, 100),
  json: flag,
  out: text,
}

type Options = Values<typeof options>

export const benchChecks = (args: readonly string[]): Promise<void> =>
  runCommand({ name: 'checks', usage, options, run: compare }, args)

async function compare(options: Options): Promise<number> {
  const { servers, seconds, rounds, json, out = built('bench/checks') } = options
  const load = { servers, intervalMs: options.interval }
  const asked = kindsOf(options.check)
  const keepalived = keepalivedVersion()
  const systems: System[] = []
  if (keepalived === undefined) {
    process.stderr.write(
      'Without keepalived beside it: apt-get install --no-install-recommends keepalived\n',
    )
  }
  for (const kind of asked) {
    systems.push({ kind, name: oursWith(kind), start: startOurs, rounds: [] })
    if (keepalived === undefined) continue
    const name = `${keepalived}, ${keepalivedChecks[kind].name}`
    systems.push({ kind, name, start: startKeepalived, rounds: [] })
  }
  let port = firstPort
  for (let round = 0; round < rounds; round++) {
    for (const system of round % 2 === 0 ? systems : systems.toReversed()) {
      process.stderr.write(`Round ${round + 1}: ${system.name}\n`)
      system.rounds.push(
        await measure({ ...load, kind: system.kind, port: port++ }, seconds, system.start),
      )
    }
  }
  const report: ChecksReport = {
    date: new Date().toISOString(),
    node: process.version,
    kernel: release(),
    machine: `${cpus().length} processors ${cpus()[0]?.model ?? 'of an unknown model'}`,
    keepalived: keepalived ?? null,
    servers: load.servers,
    intervalMs: load.intervalMs,
    seconds,
    rounds,
    rows: systems.map((system) => medians(system.name, system.rounds)),
  }
  process.stdout.write(formatChecks(report))
  mkdirSync(out, { recursive: true })
  const save = (name: string, text: string) => writeFileSync(path.join(out, name), text)
  save('checks.json', `${JSON.stringify(report, undefined, 2)}\n`)
  save('checks.md', formatChecks(report))
  const failed = shortcomings(report)
  for (const line of failed) process.stderr.write(`FAILED ${line}\n`)
  printJson(report, json)
  return failed.length === 0 ? exitStatus.held : exitStatus.failed
}

interface System {
  readonly kind: Kind
  readonly name: string
  readonly start: (load: Load) => Promise<Checking>
  readonly rounds: Figures[]
}

function kindsOf(text = kinds.join()): Kind[] {
  return text.split(',').map((word) => {
    const kind = kinds.find((one) => one === word)
    if (kind === undefined) throw new Error(`--check ${word}: one of ${kinds.join(', ')}`)
    return kind
  })
}

async function measure(
  load: Load,
  seconds: number,
  start: (load: Load) => Promise<Checking>,
): Promise<Figures> {
  await timeWaitGone()
  const servers = await startServers(load)
  const checking = await start(load)
  try {
    servers.say('mark')
    checking.say('mark')
    const from = performance.now()
    const before = processorUs(checking.pid)
    await sleep(seconds * 1000)
    const after = processorUs(checking.pid)
    const tookMs = performance.now() - from
    const { connections = 0 } = await servers.report()
    if (connections === 0) throw new Error('the servers have seen no connection')
    servers.say('mark')
    checking.say('watch')
    await sleep(seconds * 1000)
    const { worstDriftPercent = 0, deviationP50Ms = 0, deviationP99Ms = 0 } = await servers.report()
    const own = await checking.report()
    const timeWait = countTimeWait(load.port)
    const { success: _, failure, unknown, warnings, ...loop } = own
    return {
      checksPerSecond: (connections * 1000) / tookMs,
      userUs: (after.user - before.user) / connections,
      systemUs: (after.system - before.system) / connections,
      corePercent: (after.user + after.system - before.user - before.system) / tookMs / 10,
      residentMb: residentMb(checking.pid),
      worstDriftPercent,
      deviationP50Ms,
      deviationP99Ms,
      timeWait,
      ...(failure === undefined
        ? {}
        : { ...loop, failures: failure + (unknown ?? 0) + (warnings ?? 0) }),
    }
  } finally {
    await checking.end()
    await servers.end()
  }
}

/** Of all threads, in microseconds; the kernel counts in hundredths of a second. */
function processorUs(pid: number): { user: number; system: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name, in brackets, may contain anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]) * 10_000, system: Number(fields[12]) * 10_000 }
}

function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** What another system has left makes connections dear for everybody: not this one's fault. The kernel keeps it 60 s. */
async function timeWaitGone(): Promise<void> {
  for (let second = 0; second < 70; second++) {
    const [, count] = /^TCP:.* tw (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8')) ?? []
    if (Number(count) < 100) return
    await sleep(1000)
  }
}

function countTimeWait(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1)
  return rows.filter((row) => {
    const [, local = '', remote = '', state] = row.trim().split(/\s+/)
    return state === '06' && (local.endsWith(suffix) || remote.endsWith(suffix))
  }).length
}
