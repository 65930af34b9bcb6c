// The controller: a pool, and nothing else, that does what it is told. Runs in the director's namespace; its flag is the
// pool's options. All of it is the library's public API.
import { Ipvs, MirroredPool, type MirroredPoolOptions, type PoolServer } from 'ipvs'
import { now, onOrders, tell, tellReady } from '../../lab/traffic/messages.js'
import type { Message } from './messages.js'

const ipvs = await Ipvs.open()
const options: MirroredPoolOptions = JSON.parse(process.argv[2]!)
const pool = await open(options)

async function open(options: MirroredPoolOptions): Promise<MirroredPool | undefined> {
  try {
    return await MirroredPool.open(ipvs, options)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    tell<Message>({ type: 'refused', text: error.message })
    return undefined
  }
}

async function obey(order: string, act: (pool: MirroredPool) => Promise<unknown>): Promise<void> {
  if (pool === undefined) throw new Error(`${order}: there is no pool`)
  const startedAt = now()
  const result = await act(pool)
  const resolvedAt = now()
  const warnings = pool.status().warnings.map(({ code }) => code)
  const note = typeof result === 'string' ? result : ''
  tell<Message>({ type: 'done', order, startedAt, resolvedAt, warnings, note })
}

onOrders({
  look: () => obey('look', async () => ''),
  down: (server) => obey('down', (pool) => pool.down(server!)),
  up: (server) => obey('up', (pool) => pool.up(server!)),
  drain: (server, timeoutMs) =>
    obey('drain', async (pool) => {
      const { outcome } = await pool.drain(server!, { timeoutMs: Number(timeoutMs) })
      return outcome
    }),
  ready: (server) => obey('ready', (pool) => pool.setAdmin(server!, 'ready')),
  quiesce: (server) => obey('quiesce', (pool) => pool.setAdmin(server!, 'drain')),
  weight: (server, weight) => obey('weight', (pool) => pool.setWeight(server!, Number(weight))),
  limit: (server, upper, lower) =>
    obey('limit', (pool) => {
      const thresholds = { upperThreshold: Number(upper), lowerThreshold: Number(lower) }
      const servers = options.servers as readonly PoolServer[]
      return pool.setServers(
        servers.map((one) => (one.address === server ? { ...one, ...thresholds } : one)),
      )
    }),
  readd: (server) =>
    obey('readd', async (pool) => {
      await pool.remove(server!)
      await pool.add(server!)
    }),
  reconcile: () =>
    obey('reconcile', async (pool) => {
      const { changes } = await pool.reconcile()
      return `${changes.length} changes`
    }),
  stop: async () => {
    // The kernel goes on with what it holds.
    await pool?.close()
    await ipvs.close()
    process.exit()
  },
})
tellReady()
