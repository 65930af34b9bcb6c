// Kind 11: with `drift: 'report'` and a service that is gone, nothing hangs, nothing spins, and the status tells.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MirroredPool } from '../../../../src/index.js'
import {
  BROADCAST,
  closeAll,
  type Ground,
  ground,
  ignore,
  outcome,
  pass,
  quiet,
  record,
  report,
  stopTime,
  TCP,
  told,
  UDP,
  V4,
} from './ground.js'

beforeEach(stopTime)
afterEach(closeAll)

const V4_UDP = 'udp 192.0.2.1:53'

/** What is gone, and whether the pool has seen it. */
const LOSSES: readonly [string, (world: Ground, pool: MirroredPool) => Promise<unknown>][] = [
  [
    'one of two services',
    async ({ other }, pool) => {
      await other.removeService(TCP)
      await pool.reconcile()
    },
  ],
  [
    'the whole table',
    async ({ other }, pool) => {
      await other.flush()
      await pool.reconcile()
    },
  ],
  ['one of two services, not yet seen', ({ other }) => other.removeService(UDP)],
]

const CALLS: readonly [string, (pool: MirroredPool) => Promise<unknown>][] = [
  ['adding a server', (pool) => pool.add('10.1.0.7')],
  ['adding several', (pool) => pool.setServers(['10.1.0.1', '10.1.0.7', '10.1.0.8'])],
  ['adding a backup', (pool) => pool.add('10.1.0.9', { backup: true })],
  ['removing one', (pool) => pool.remove('10.1.0.2')],
  ['draining one', (pool) => pool.drain('10.1.0.2', { timeoutMs: 5000 })],
  ['a verdict: sick', (pool) => report(pool, '10.1.0.2', false)],
  [
    'a verdict: sick, and well again',
    async (pool) => {
      await report(pool, '10.1.0.2', false).catch(ignore)
      await report(pool, '10.1.0.2', true)
    },
  ],
  ['a verdict with a weight', (pool) => report(pool, '10.1.0.2', true, { weightFactor: 0.5 })],
  ['a weight', (pool) => pool.setWeight('10.1.0.2', 7)],
  ['maintenance', (pool) => pool.setAdmin('10.1.0.2', 'maintenance')],
  ['a look', (pool) => pool.reconcile()],
]

describe.each(LOSSES)('with %s gone', (_, lose) => {
  it.each(CALLS)('%s neither hangs nor spins, and the status tells', async (_, call) => {
    const world = await ground()
    const pool = await world.open({
      servers: [
        { address: '10.1.0.1', weight: 20 },
        { address: '10.1.0.2', weight: 20 },
      ],
      drift: 'report',
    })
    await lose(world, pool)
    const events = record(pool)
    const said = outcome(call(pool))
    await pass(10_000, 500)
    expect(said.is).not.toBe('pending')
    // Again and again for nothing, or now and then: the pauses grow.
    const tries = world.tries()
    await pass(60_000, 500)
    expect(tries.count).toBeLessThanOrEqual(10)
    expect(told(events, 'error').length).toBeLessThanOrEqual(6)

    // What has not been seen cannot be told.
    await pool.reconcile().catch(ignore)
    await quiet()
    const table = world.table()
    const status = pool.status()
    for (const service of [V4, V4_UDP]) {
      if (table[service] !== undefined) continue
      const rows = status.servers.filter(({ serves }) => serves)
      const known =
        rows.some(
          ({ fronts, error }) => typeof fronts[service] !== 'number' || error !== undefined,
        ) ||
        status.warnings.length > 0 ||
        rows.length === 0
      expect([service, known]).toEqual([service, true])
    }
    await pool.close()
  })

  it('what was asked of its servers is neither tried nor looked for by itself, and a look tries nothing', async () => {
    const world = await ground()
    const pool = await world.open({ drift: 'report' })
    await lose(world, pool)
    await pool.add('10.1.0.7').catch(ignore)
    await pool.setWeight('10.1.0.2', 7).catch(ignore)
    await pool.reconcile().catch(ignore)
    await pass(60_000, 5000)
    const reads = world.reads()
    await pass(60_000, 500)
    expect(reads.count).toBe(0)
    expect((await pool.reconcile()).changes).toEqual([])
  })

  it('what is there goes on: verdicts about the other service are programmed', async () => {
    const world = await ground()
    const pool = await world.open({ drift: 'report' })
    await lose(world, pool)
    const left = Object.keys(world.table())
    await report(pool, '10.1.0.2', false).catch(ignore)
    await pass(5000, 500)
    for (const service of left) expect(world.held(service)).toEqual({ '10.1.0.1:53': 1 })
    await report(pool, '10.1.0.2', true).catch(ignore)
    await pool.add('10.1.0.7').catch(ignore)
    await pass(5000, 500)
    const all = { '10.1.0.1:53': 1, '10.1.0.2:53': 1, '10.1.0.7:53': 1 }
    for (const service of left) expect(world.held(service)).toEqual(all)
  })

  it('verdicts that are repeated cost nothing', async () => {
    const world = await ground()
    const pool = await world.open({ drift: 'report' })
    await lose(world, pool)
    await report(pool, '10.1.0.2', false).catch(ignore)
    await pass(5000, 500)
    const tries = world.tries()
    const events = record(pool)
    for (let i = 0; i < 100; i++) {
      void report(pool, '10.1.0.1', true).catch(ignore)
      void report(pool, '10.1.0.2', false).catch(ignore)
      await pass(100, 100)
    }
    expect(tries.count).toBeLessThanOrEqual(50)
    expect(events.length).toBeLessThanOrEqual(10)
  })

  it('closing ends, with and without taking the rest away', async () => {
    for (const withdraw of [false, true]) {
      const world = await ground()
      const pool = await world.open({ drift: 'report' })
      await lose(world, pool)
      void pool.add('10.1.0.7').catch(ignore)
      const closed = outcome(pool.close({ withdraw }))
      await pass(5000, 500)
      expect(closed.is).toBe('resolved')
      if (withdraw) expect(world.table()).toEqual({})
    }
  })
})

describe('a service that somebody puts back', () => {
  it('is used again: what is told of it is programmed', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], drift: 'report' })
    await world.other.removeService(TCP)
    await pool.reconcile()
    await pool.add('10.1.0.7').catch(ignore)
    await pass(5000, 500)
    world.other.applySync([{ op: 'ensure-service', service: { ...TCP, scheduler: 'wrr' } }])
    await pool.reconcile().catch(ignore)
    await pass(60_000, 1000)
    await pool.setWeight('10.1.0.7', 5).catch(ignore)
    await pool.add('10.1.0.8').catch(ignore)
    await pass(5000, 500)
    expect(world.held(V4)).toMatchObject({ '10.1.0.7:53': 5, '10.1.0.8:53': 1 })
  })
})

it('a destination that is gone and reported is put back by the next word about it, once', async () => {
  const world = await ground()
  const pool = await world.open({ protocols: ['tcp'], drift: 'report' })
  await world.other.removeDestination(TCP, { address: '10.1.0.2', port: 53 })
  await pool.reconcile()
  expect(pool.status().servers[1]!.fronts).toEqual({ [V4]: 'absent' })
  const said = outcome(pool.setWeight('10.1.0.2', 3))
  await quiet()
  expect(said.is).toBe('resolved')
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 3 })
})

describe('a server that somebody else has put back', () => {
  it.each(['verdicts', 'the administrator'])(
    'is the pool’s own once it is wanted there, and leaves when it is not (by %s)',
    async (by) => {
      const world = await ground()
      const pool = await world.open({ protocols: ['tcp'], drift: 'report' })
      const say = (healthy: boolean) =>
        by === 'verdicts'
          ? report(pool, '10.1.0.2', healthy)
          : pool.setAdmin('10.1.0.2', healthy ? 'ready' : 'maintenance')
      await say(false)
      const destination = { address: '10.1.0.2', port: 53, forwarding: 'masquerade' } as const
      await world.other.addDestination(TCP, destination)
      await pool.reconcile()
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
      await say(true)
      await say(false)
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
    },
  )
})

it('what the opening has kept for a server that is refused goes when another one is there', async () => {
  const rules = '-A -t 192.0.2.1:53 -s wrr\n-a -t 192.0.2.1:53 -r 10.9.9.9:53 -m -w 1'
  const world = await ground({ rules })
  const pool = await world.open({ protocols: ['tcp'], servers: [BROADCAST], drift: 'report' })
  expect(world.held(V4)).toEqual({ '10.9.9.9:53': 1 })
  await pool.add('10.1.0.1')
  await pass(60_000, 5000)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
})

it('services that somebody puts back while they are withdrawn do not hold back what is told', async () => {
  const world = await ground()
  const pool = await world.open({
    protocols: ['tcp'],
    servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
    drift: 'report',
    quorum: { up: 3, onLost: 'withdraw' },
  })
  await report(pool, '10.1.0.1', false)
  world.other.applySync([{ op: 'ensure-service', service: { ...TCP, scheduler: 'wrr' } }])
  await pool.reconcile()
  const events = record(pool)
  await report(pool, '10.1.0.2', false)
  expect(told(events, 'down')).toEqual(['down 10.1.0.2:53'])
  expect(world.table()).toEqual({ [V4]: {} })
})
