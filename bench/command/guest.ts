// Inside the kernel that has IPVS: makes a table, and times programs that show it, from their start to their last line.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { type Change, Ipvs } from 'ipvs'
import { checkout } from '../../lab/checkout.js'

export interface CommandPlan {
  readonly file: string
  readonly rounds: number
  readonly services: number
  readonly destinations: number
}

/** What each round took, in milliseconds, and at most of memory, in kilobytes (0: nobody looked). */
export type CommandTimes = Record<string, { readonly ms: number[]; readonly peakKb: number }>

const plan: CommandPlan = JSON.parse(process.argv[2]!)
await makeTable(plan)
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
writeFileSync(plan.file, JSON.stringify(times))

async function makeTable({ services, destinations }: CommandPlan): Promise<void> {
  spawnSync('ip', ['link', 'set', 'lo', 'up'])
  const changes: Change[] = []
  for (let n = 0; n < services; n++) {
    const place = `${n >> 8}.${n & 255}`
    const service = { protocol: 'udp', address: `192.0.${place}`, port: 53 } as const
    changes.push({ op: 'add-service', service: { ...service, scheduler: 'wrr' } })
    for (let d = 1; d <= destinations; d++) {
      const destination = { address: `10.${place}.${d}`, port: 53, forwarding: 'direct' } as const
      changes.push({ op: 'add-destination', service, destination })
    }
  }
  const ipvs = await Ipvs.open({ deadlineMs: 120_000 })
  await ipvs.apply(changes, { onError: 'throw' })
  await ipvs.close()
}
