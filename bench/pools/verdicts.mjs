// node verdicts.mjs each|quorum SAMPLES: a checker's verdicts about all 4,000 servers of one service, in one turn of the event loop, and how
// long that stands still at most. With `quorum` the pool judges its servers together, with `each` every one by itself.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ipvs, MirroredPool } from '../../dist/index.js'

const [variant, samples] = process.argv.slice(2)
const SERVERS = 4000

const ipvs = await Ipvs.open({ deadlineMs: 600_000 })
const pool = await MirroredPool.open(ipvs, {
  ...{ address: '192.0.2.9', port: 53, protocols: ['tcp'], scheduler: 'wrr', forwarding: 'direct' },
  reconcileIntervalMs: 0,
  ...(variant === 'quorum' && { quorum: { up: 10, unit: 'weight' } }),
  servers: Array.from({ length: SERVERS }, (_, i) => `10.4.${i >> 7}.${(i & 127) + 1}`),
})
// One stays, so that the service is not without servers.
const [, ...members] = pool.members()
const times = []
for (let i = 0; i < Number(samples); i++) {
  const verdict = { healthy: i % 2 === 1, initial: false, reason: 'bench', at: Date.now() }
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await sleep(20)
  delay.reset()
  await Promise.all(members.map((member) => pool.report(member, verdict)))
  await sleep(20)
  delay.disable()
  times.push(delay.max / 1000)
}
await pool.close()
await ipvs.flush()
await ipvs.close()
process.stdout.write(`${JSON.stringify({ times })}\n`)
