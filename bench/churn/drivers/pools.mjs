// node pools.mjs reconcile|flip|flips own FILE: a thousand pools on one client. FILE is the table they find, and leave.
import { Ipvs, MirroredPool } from '../../../dist/index.js'
import { readWorkload } from './workload.mjs'

const [variant, , file] = process.argv.slice(2)
const samples = Number(process.env.SAMPLES)
const WARM = 3

const ipvs = await Ipvs.open({ deadlineMs: 600_000 })
const servers = new Map()
for (const { words } of readWorkload(file).flat()) {
  const [verb, , vip, , server] = words
  if (!servers.has(vip)) servers.set(vip, new Set())
  if (verb === '-a') servers.get(vip).add(server.split(':')[0])
}
const pools = await Promise.all(
  [...servers].map(([vip, addresses]) =>
    MirroredPool.open(ipvs, {
      address: vip.split(':')[0],
      port: 53,
      scheduler: 'wrr',
      forwarding: 'direct',
      onePacket: false,
      reconcileIntervalMs: 0,
      servers: [...addresses],
    }),
  ),
)
const flip = (pool, i) => pool.setWeight('10.0.0.1', 1 + (Math.abs(i) % 2))

const work = {
  /** Each pool reads its own services; there is nothing to do. */
  reconcile: async () => {
    const results = await Promise.all(pools.map((pool) => pool.reconcile()))
    if (results.some(({ total }) => total > 0)) throw new Error('there was something to do')
  },
  /** One server of one pool after the other. */
  flip: (i) => flip(pools.at(i % pools.length), i < samples - pools.length ? i : 0),
  /** One server of every pool, in one turn of the event loop. */
  flips: (i) => Promise.all(pools.map((pool) => flip(pool, samples - 1 - i))),
}[variant]
if (work === undefined) throw new Error(`there is no variant ${variant}`)

const times = []
for (let i = -WARM; i < samples; i++) {
  globalThis.gc?.({ type: 'minor' })
  const from = process.hrtime.bigint()
  await work(i)
  if (i >= 0) times.push(Number(process.hrtime.bigint() - from) / 1000)
}
await Promise.all(pools.map((pool) => pool.close()))
await ipvs.close()
process.stdout.write(`${JSON.stringify({ times })}\n`)
