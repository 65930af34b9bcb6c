// node uplink.mjs ECONNREFUSED|ENETUNREACH: 10,000 members whose checks all fail at once, for that reason. The event loop's delay
// while they do, at its 99th percentile.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { HealthChecker } from '../../dist/index.js'

const MEMBERS = 10_000
const INTERVAL_MS = 2000
const [code] = process.argv.slice(2)

const members = Array.from({ length: MEMBERS }, (_, i) => ({
  key: String(i),
  address: `10.6.${i >> 8}.${i & 255}`,
  port: 53,
  state: 'up',
}))
const error = Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })
let lost = false
const checker = new HealthChecker(
  { members: () => members, report() {}, onMembers: () => () => {} },
  {
    check: async () => {
      if (lost) throw error
    },
    ...{ intervalMs: INTERVAL_MS, retryDelayMs: INTERVAL_MS, fall: 100 },
  },
)
// That all of them have lost their way is what this is about.
checker.on('warning', () => {})
checker.start()
await checker.ready()
lost = true
await sleep(INTERVAL_MS / 2)
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
await sleep(2 * INTERVAL_MS)
delay.disable()
await checker.stop()
process.stdout.write(`${JSON.stringify({ times: [delay.percentile(99) / 1000] })}\n`)
