// Drains, with a clock of the test's.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DrainOptions, DrainProgress, MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import type { DestinationStatus } from '../../../src/types.js'
import { StandIn } from './stand-in.js'
import { twoServers } from './two-servers.js'
import { quiet, record } from './watch.js'

const base = {
  ...twoServers,
  forwarding: 'direct',
  onePacket: false,
} as const satisfies MirroredPoolOptions

type Counts = Pick<
  DestinationStatus,
  'activeConnections' | 'inactiveConnections' | 'persistentConnections'
>

const pools: MirroredPool[] = []
let kernel: StandIn
/** Of 10.1.0.1, by protocol. */
let counts: Record<'tcp' | 'udp', Partial<Counts>>

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  counts = { tcp: {}, udp: {} }
  kernel = new StandIn()
  const read = kernel.destinations.bind(kernel)
  kernel.destinations = async (id) => {
    const rows = await read(id)
    return rows.map((row) => ({
      ...row,
      activeConnections: 0,
      inactiveConnections: 0,
      persistentConnections: 0,
      ...(row.address === '10.1.0.1' && counts[id.protocol as 'tcp' | 'udp']),
    }))
  }
})

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
  vi.useRealTimers()
})

async function open(options: Partial<MirroredPoolOptions> = {}) {
  const pool = await MirroredPool.open(kernel, { ...base, ...options } as MirroredPoolOptions)
  pools.push(pool)
  await quiet(2)
  return pool
}

const pass = async (ms: number) => {
  await quiet()
  await vi.advanceTimersByTimeAsync(ms)
  await quiet()
}
const weightOf = (): number | undefined =>
  kernel.tables.get('udp 192.0.2.1:53')!.destinations.get('10.1.0.1:53')?.weight

/** A drain, and whether it has ended. */
function drain(pool: MirroredPool, options?: DrainOptions) {
  const state = { ended: false, result: pool.drain('10.1.0.1', options) }
  void state.result.then(() => {
    state.ended = true
  })
  return state
}

it('waits for established TCP and for all of UDP, and takes the server out then', async () => {
  const pool = await open()
  const events = record(pool)
  counts.tcp = { activeConnections: 2, inactiveConnections: 5 }
  counts.udp = { inactiveConnections: 1 }
  const seen: DrainProgress[] = []
  const state = drain(pool, { onProgress: (progress) => seen.push(progress) })
  await quiet()
  expect(weightOf()).toBe(0)
  await pass(2000)
  counts.tcp = { inactiveConnections: 5 }
  await pass(2000)
  expect(state.ended).toBe(false)
  counts.udp = {}
  await pass(2000)
  expect(await state.result).toEqual({
    outcome: 'idle',
    active: 0,
    inactive: 5,
    persistent: 0,
    elapsedMs: 6000,
  })
  expect(weightOf()).toBeUndefined()
  expect(seen).toEqual([
    { active: 2, inactive: 6, persistent: 0, elapsedMs: 0, leftMs: 300_000 },
    { active: 2, inactive: 6, persistent: 0, elapsedMs: 2000, leftMs: 298_000 },
    { active: 0, inactive: 6, persistent: 0, elapsedMs: 4000, leftMs: 296_000 },
  ])
  expect(events).toMatchObject([
    {
      name: 'drained',
      server: '10.1.0.1:53',
      outcome: 'idle',
      before: { admin: 'ready' },
      after: { admin: 'maintenance', effectiveWeight: 0 },
    },
  ])
  await pool.setAdmin('10.1.0.1', 'ready')
  expect(weightOf()).toBe(1)
})

it('ends with the time, whatever is left', async () => {
  const pool = await open()
  counts.udp = { inactiveConnections: 3 }
  const state = drain(pool, { timeoutMs: 5000 })
  await pass(4999)
  expect(weightOf()).toBe(0)
  await pass(1)
  expect(await state.result).toMatchObject({ outcome: 'deadline', inactive: 3, elapsedMs: 5000 })
  expect(weightOf()).toBeUndefined()
})

it('is over with the second look where nothing is left: the first one may come too early', async () => {
  const pool = await open()
  const state = drain(pool)
  await pass(1999)
  expect(state.ended).toBe(false)
  expect(weightOf()).toBe(0)
  await pass(1)
  expect(await state.result).toMatchObject({ outcome: 'idle', elapsedMs: 2000 })
})

it('aborting gives the weight back', async () => {
  const pool = await open()
  counts.tcp = { activeConnections: 1 }
  const cancel = new AbortController()
  const state = drain(pool, { signal: cancel.signal })
  await pass(2000)
  cancel.abort()
  await quiet()
  expect(await state.result).toMatchObject({ outcome: 'cancelled', active: 1 })
  expect(weightOf()).toBe(1)
})

it.each(['ready', 'maintenance'] as const)('setAdmin %s cancels, and is what holds', async (to) => {
  const pool = await open()
  counts.tcp = { activeConnections: 1 }
  const state = drain(pool)
  await pass(2000)
  await pool.setAdmin('10.1.0.1', to)
  expect(await state.result).toMatchObject({ outcome: 'cancelled' })
  expect(weightOf()).toBe(to === 'ready' ? 1 : undefined)
})

it('a server that fails meanwhile is taken out at once, and stays out', async () => {
  const pool = await open()
  counts.tcp = { activeConnections: 1 }
  const state = drain(pool)
  await pass(2000)
  await pool.down('10.1.0.1')
  expect(weightOf()).toBeUndefined()
  expect(await state.result).toMatchObject({ outcome: 'failed' })
  await pool.up('10.1.0.1')
  expect(weightOf()).toBeUndefined()
})

it.each<[string, (pool: MirroredPool) => Promise<unknown> | undefined]>([
  [
    'another drain',
    (pool) => {
      void pool.drain('10.1.0.1')
      return undefined
    },
  ],
  ['removal', (pool: MirroredPool) => pool.remove('10.1.0.1')],
  ['closing', (pool: MirroredPool) => pool.close()],
])('%s cancels it', async (_, act) => {
  const pool = await open()
  counts.tcp = { activeConnections: 1 }
  const state = drain(pool)
  await pass(2000)
  await act(pool)
  await quiet()
  expect(await state.result).toMatchObject({ outcome: 'cancelled' })
})

it('a look that fails is no end', async () => {
  const pool = await open()
  counts.tcp = { activeConnections: 1 }
  const state = drain(pool, { timeoutMs: 10_000 })
  await pass(2000)
  kernel.failRead = () => new Error('busy')
  await pass(2000)
  expect(state.ended).toBe(false)
  kernel.failRead = undefined
  counts.tcp = {}
  await pass(2000)
  expect(await state.result).toMatchObject({ outcome: 'idle' })
})

it('goes on although onProgress throws, which is told', async () => {
  const pool = await open()
  const events = record(pool)
  counts.tcp = { activeConnections: 1 }
  const state = drain(pool, {
    timeoutMs: 4000,
    onProgress: () => {
      throw new Error('mine')
    },
  })
  await pass(10_000)
  expect(await state.result).toMatchObject({ outcome: 'deadline' })
  expect(weightOf()).toBeUndefined()
  expect(events[0]).toMatchObject({
    name: 'error',
    reason: 'onProgress of a drain has thrown',
    error: { message: 'mine' },
  })
})

describe('refuses', () => {
  it.each([
    [{ timeoutMs: -1 }, /options\.timeoutMs/],
    [{ timeoutMs: '5' }, /options\.timeoutMs/],
    [{ signal: 1 }, /options\.signal/],
    [{ onProgress: 1 }, /options\.onProgress/],
    [{ until: 'idle' }, /options\.until/],
  ])('%j', async (options, message) => {
    const pool = await open()
    await expect(pool.drain('10.1.0.1', options as DrainOptions)).rejects.toThrow(message)
    expect(weightOf()).toBe(1)
  })
})
