// node checker.mjs KIND COUNT PORT INTERVAL_MS: a HealthChecker with checks of this kind over the servers of servers.c. Says `ready` after the
// first round; then reads lines: `mark` forgets the past, `watch` begins to look at the event loop (which costs something
// itself), `report` prints one line of JSON, the end of the input ends it.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { checks, HealthChecker } from '../../dist/index.js'

const [kind, ...numbers] = process.argv.slice(2)
const [count, port, intervalMs] = numbers.map(Number)
const check = {
  tcp: () => checks.tcp(),
  http: () => checks.http(),
  dns: () => checks.dns({ name: 'example.org', protocols: ['udp'] }),
}[kind]()
const members = Array.from({ length: count }, (_, i) => {
  const address = `127.1.${i >> 8}.${i & 255}`
  return { key: `${address}:${port}`, address, port }
})
const target = { members: () => members, report() {}, onMembers: () => () => {} }
// Without jitter every deviation from the interval is ours.
const checker = new HealthChecker(target, { check, intervalMs, jitter: 0 })

const delay = monitorEventLoopDelay({ resolution: 1 })
let outcomes = {}
let warnings = 0
checker.on('result', ({ outcome }) => {
  outcomes[outcome]++
})
checker.on('warning', () => warnings++)

checker.start()
await checker.ready()
process.stdout.write('ready\n')
for await (const line of createInterface(process.stdin)) {
  if (line === 'mark') {
    outcomes = { success: 0, failure: 0, unknown: 0 }
    warnings = 0
  } else if (line === 'watch') {
    delay.enable()
  } else {
    delay.disable()
    const loop = {
      loopP50Ms: delay.percentile(50) / 1e6,
      loopP99Ms: delay.percentile(99) / 1e6,
      loopMaxMs: delay.max / 1e6,
    }
    process.stdout.write(`${JSON.stringify({ ...outcomes, warnings, ...loop })}\n`)
  }
}
await checker.stop()
