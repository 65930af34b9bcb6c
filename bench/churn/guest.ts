// Runs a plan inside a kernel that has IPVS: each driver in a process and a namespace of its own, the table checked
// after it. Raw figures go to a file, line by line, so that an interrupted run is not lost.
import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import path from 'node:path'
import { type Case, COMMANDS } from './cases.js'
import { findCase, type Header, type Plan, type Raw, type Run } from './plan.js'
import { asText, countChanges, finalTable, type Operation } from './workload.js'

const plan = JSON.parse(process.argv[2]!) as Plan
const output = path.join(plan.folder, 'raw.jsonl')
/** Drivers whose system calls are worth counting: few, and all of them their own. */
const COUNTED = ['c-floor', 'c-ack', 'apply', 'applySync', 'pool', 'libnl']
/** Nothing of theirs gets faster by doing it twice. */
const SLOW = ['ipvsadm', 'ipvsadm-restore']
const COUNTED_OPERATIONS = [20, 120] as const

function run(command: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const [program, ...args] = command
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, env: { ...process.env, ...env } } as const
  const { status, stdout, stderr, error } = spawnSync(program!, args, options)
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command.slice(0, 3).join(' ')}: ${stderr.trim()}`)
  return stdout
}

let namespaces = 0

/** A new namespace with the case's table in it; what `work` returns, once the table it leaves has been checked. */
function inNamespace<T>(
  { workload, mode }: Case,
  operations: readonly Operation[],
  work: (exec: readonly string[], file: string) => T,
): T {
  const name = `bench-${++namespaces}`
  const exec = ['ip', 'netns', 'exec', name]
  const setup = path.join(plan.folder, 'setup.txt')
  const file = path.join(plan.folder, 'operations.txt')
  writeFileSync(setup, asText(workload.setup))
  // Drivers of whole cases are told the table they start from, too.
  writeFileSync(
    file,
    mode === 'own' ? asText([...workload.setup, ...operations]) : asText(operations),
  )
  run(['sh', '-c', `ip netns add ${name} && ip -n ${name} link set lo up`])
  try {
    if (workload.setup.length > 0) run([...exec, ...COMMANDS['c-floor']!, 'load', setup])
    const result = work(exec, file)
    const left = run([...exec, 'ipvsadm', '-Sn'])
      .trim()
      .split('\n')
      .filter(Boolean)
      .sort()
    checkTable(left, finalTable({ setup: workload.setup, operations }))
    return result
  } finally {
    run(['ip', 'netns', 'del', name])
  }
}

function checkTable(left: readonly string[], wanted: readonly string[]): void {
  const at = wanted.findIndex((line, index) => left[index]?.trim() !== line)
  if (at === -1 && left.length === wanted.length) return
  const place = at === -1 ? wanted.length : at
  throw new Error(
    `the table is wrong after it: ${left.length} lines, not ${wanted.length}; ` +
      `at ${place} "${left[place] ?? ''}", not "${wanted[place] ?? ''}"`,
  )
}

function command(one: Case, { driver }: Run, file: string): string[] {
  return [...COMMANDS[driver]!, one.mode, file]
}

function environment(one: Case): NodeJS.ProcessEnv {
  return {
    READS: '10',
    SAMPLES: String(one.samples ?? 0),
    SETUP: path.join(plan.folder, 'setup.txt'),
    ...(plan.sabotage && { BENCH_SABOTAGE: '1' }),
  }
}

function measure(one: Case, which: Run): Raw {
  const few = one.fewer?.[which.driver]
  const operations = one.workload.operations.slice(0, few)
  const printed = inNamespace(one, operations, (exec, file) =>
    run([...exec, ...command(one, which, file)], {
      ...environment(one),
      ...(!SLOW.includes(which.driver) && { WARM: '1' }),
    }),
  )
  const { times, extra } = JSON.parse(printed.trim().split('\n').at(-1)!) as Raw
  if (times.length === 0) throw new Error('it printed no times')
  return { ...which, times, changes: countChanges(operations), ...(extra && { extra }) }
}

/** Network system calls per operation: what more operations cost more. */
function countSystemCalls(one: Case, which: Run): number {
  const calls = COUNTED_OPERATIONS.map((count) => {
    const whole = one.workload.operations
    // Of a bulk case the list is the operation: a half of it and the whole.
    const operations =
      one.mode === 'bulk'
        ? whole.slice(0, count === COUNTED_OPERATIONS[0] ? whole.length / 2 : undefined)
        : whole.slice(0, count)
    const file = path.join(plan.folder, 'strace.txt')
    inNamespace(one, operations, (exec, workload) => {
      const strace = ['strace', '-f', '-c', '-e', 'trace=%network', '-o', file]
      run([...exec, ...strace, ...command(one, which, workload)], environment(one))
    })
    const total = readFileSync(file, 'utf8').trim().split('\n').at(-1)!.trim().split(/\s+/)
    return Number(total[3])
  })
  const more = calls[1]! - calls[0]!
  return one.mode === 'bulk' ? more * 2 : more / (COUNTED_OPERATIONS[1] - COUNTED_OPERATIONS[0])
}

const started = Date.now()
function progress(done: number, which: Run): void {
  const left =
    done === 0
      ? ''
      : `, about ${Math.ceil((((Date.now() - started) / done) * (plan.runs.length - done)) / 60_000)} min left`
  const line = `${done + 1}/${plan.runs.length}  ${which.case}: ${which.driver}${left}`
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`)
}

/** What reading the clock costs: a system call in the lab. Every sample of one operation has one in it. */
function clockCost(): number {
  const readings = Array.from({ length: 1000 }, () => process.hrtime.bigint())
  const gaps = readings.slice(1).map((reading, i) => Number(reading - readings[i]!) / 1000)
  return gaps.sort((a, b) => a - b)[gaps.length >> 1]!
}

const header: Header = { kernel: release(), clockUs: clockCost() }
writeFileSync(output, `${JSON.stringify(header)}\n`)
const counted = new Set<string>()
for (const [index, which] of plan.runs.entries()) {
  progress(index, which)
  const one = findCase(which.case)
  const key = `${which.case} ${which.driver}`
  let raw: Raw
  try {
    raw = measure(one, which)
    if (
      !counted.has(key) &&
      COUNTED.includes(which.driver) &&
      (one.mode === 'each' || one.mode === 'bulk')
    ) {
      counted.add(key)
      raw = { ...raw, syscallsPerOp: countSystemCalls(one, which) }
    }
  } catch (error) {
    raw = { ...which, times: [], changes: 0, problem: (error as Error).message }
  }
  appendFileSync(output, `${JSON.stringify(raw)}\n`)
}
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
