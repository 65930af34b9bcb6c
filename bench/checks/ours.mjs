// node ours.mjs COUNT PORT INTERVAL_MS SECONDS [CHECKS_BEFORE]: a HealthChecker with checks.tcp over the servers of servers.c. Prints one
// line of JSON when it has warmed up (`started`) and one with what it cost at the end.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { checks, HealthChecker } from '../../dist/index.js'

const [count, port, intervalMs, seconds] = process.argv.slice(2).map(Number)
const WARM_UP_MS = 5000

const members = Array.from({ length: count }, (_, i) => {
  const address = `127.1.${i >> 8}.${i & 255}`
  return { key: `${address}:${port}`, address, port }
})
const target = { members: () => members, report() {}, onMembers: () => () => {} }
// Without jitter every deviation from the interval is ours.
const checker = new HealthChecker(target, { check: checks.tcp(), intervalMs, jitter: 0 })
const problems = []
checker.on('warning', ({ code, message }) => problems.push(`${code}: ${message}`))
checker.start()
await checker.ready()
await sleep(WARM_UP_MS)

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)
const delay = monitorEventLoopDelay({ resolution: 1 })
let ended = 0
const outcomes = { success: 0, failure: 0, unknown: 0 }
checker.on('result', ({ outcome }) => {
  ended++
  outcomes[outcome]++
})
say({ started: true })
delay.enable()
const from = performance.now()
const cpu = process.cpuUsage()
await sleep(seconds * 1000)
const used = process.cpuUsage(cpu)
const tookMs = performance.now() - from
delay.disable()
const { rss, heapUsed } = process.memoryUsage()
say({
  checks: ended,
  ...outcomes,
  userUs: used.user / ended,
  systemUs: used.system / ended,
  corePercent: (used.user + used.system) / 10 / tookMs,
  loopP50Ms: delay.percentile(50) / 1e6,
  loopP99Ms: delay.percentile(99) / 1e6,
  loopMaxMs: delay.max / 1e6,
  rssMb: rss / 2 ** 20,
  heapMb: heapUsed / 2 ** 20,
  problems,
})
await checker.stop()
