// Services that are taken out of the kernel with a lost quorum, and come back.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { StandIn } from './stand-in.js'
import { twoServers } from './two-servers.js'
import { quiet, record } from './watch.js'

const base = {
  ...twoServers,
  forwarding: 'direct',
  quorum: { up: 2, onLost: 'withdraw' },
} as const satisfies MirroredPoolOptions

const pools: MirroredPool[] = []
let kernel: StandIn

async function open(options: Partial<MirroredPoolOptions> = {}) {
  const pool = await MirroredPool.open(kernel, { ...base, ...options } as MirroredPoolOptions)
  pools.push(pool)
  kernel.batches.length = 0
  kernel.reads = 0
  // Events of the opening come first.
  await quiet(1)
  return pool
}

function held(protocol = 'udp'): Record<string, number> {
  const { destinations } = kernel.tables.get(`${protocol} 192.0.2.1:53`) ?? {}
  return Object.fromEntries(
    [...(destinations?.values() ?? [])].map(({ address, weight = 1 }) => [address, weight]).sort(),
  )
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  kernel = new StandIn()
})
afterEach(async () => {
  vi.useRealTimers()
  kernel.fail = undefined
  kernel.failRead = undefined
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

it('is one batch, needs no read, and is tried again', async () => {
  const pool = await open()
  await pool.down('10.1.0.1')
  expect(kernel.reads).toBe(0)
  expect(kernel.batches).toHaveLength(1)
  await pool.up('10.1.0.1')
  expect(kernel.batches).toHaveLength(2)
  let once = true
  kernel.fail = () => {
    if (!once) return undefined
    once = false
    return { error: new Error('busy') }
  }
  await pool.down('10.1.0.1')
  expect(kernel.rules()).toEqual([])
})

it('has been made when the calls meanwhile resolve, and when it is told', async () => {
  const pool = await open()
  const seen: number[] = []
  for (const name of ['quorum', 'down'] as const) {
    pool.on(name, () => seen.push(kernel.rules().length))
  }
  await Promise.all([pool.down('10.1.0.1'), pool.down('10.1.0.2')])
  expect(seen).toEqual([0, 0, 0])
})

it.each(['repair', 'report'] as const)(
  'flips while the services come back are made, and are no drift (drift: %s)',
  async (drift) => {
    const pool = await open({ drift })
    await pool.down('10.1.0.1')
    const events = record(pool)
    await Promise.all([pool.up('10.1.0.1'), pool.setWeight('10.1.0.2', 5)])
    expect(held()).toEqual({ '10.1.0.1': 1, '10.1.0.2': 5 })
    expect(events.filter(({ name }) => name === 'drift')).toEqual([])
  },
)

it('is told after the server that it comes with, and with its cause', async () => {
  const pool = await open()
  const events = record(pool)
  await pool.down('10.1.0.1')
  expect(events.map(({ name, cause }) => [name, cause])).toEqual([
    ['down', 'call'],
    ['quorum', 'call'],
  ])
})

it('that fails does not show servers as absent', async () => {
  const pool = await open()
  kernel.fail = ({ op }) => (op === 'ensure-no-service' ? { error: new Error('no') } : undefined)
  await expect(pool.down('10.1.0.1')).rejects.toThrow()
  expect(held()).toEqual({ '10.1.0.1': 1, '10.1.0.2': 1 })
  expect(pool.status().servers[1]!.fronts).not.toMatchObject({ 'udp 192.0.2.1:53': 'absent' })
})

it('of a server that is down and up again within one turn does not happen, and is not told', async () => {
  const pool = await open()
  const events = record(pool)
  const calls = ['10.1.0.1', '10.1.0.2'].flatMap((server) => [pool.down(server), pool.up(server)])
  await Promise.allSettled(calls)
  await quiet()
  expect(held()).toEqual({ '10.1.0.1': 1, '10.1.0.2': 1 })
  expect(held('tcp')).toEqual(held())
  expect(events).toEqual([])
  expect(kernel.batches).toEqual([])
})

it('is made although the pool is closed in the same turn', async () => {
  const pool = await open()
  const down = pool.down('10.1.0.1')
  down.catch(() => {})
  await pool.close()
  expect(kernel.rules()).toEqual([])
})

it('is made although the kernel cannot be read for long', async () => {
  const pool = await open({ servers: ['10.1.0.1'], quorum: { up: 1, onLost: 'withdraw' } })
  kernel.failRead = () => new Error('busy')
  const down = pool.down('10.1.0.1')
  down.catch(() => {})
  for (let i = 0; i < 5; i++) {
    await vi.advanceTimersByTimeAsync(60_000)
    await quiet()
  }
  expect(kernel.rules()).toEqual([])
})
