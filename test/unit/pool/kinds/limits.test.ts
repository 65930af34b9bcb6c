// Kind 7: limits count what moves traffic, and forget.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MirroredPool } from '../../../../src/index.js'
import {
  BROADCAST,
  closeAll,
  type Ground,
  ground,
  ignore,
  pass,
  report,
  row,
  stopTime,
  V4,
} from './ground.js'

beforeEach(stopTime)
afterEach(closeAll)

const FLAPPER = '10.1.0.8'

/** A pool that allows three changes a minute; every server has had its first verdict. */
async function limited(options: Record<string, unknown> = {}) {
  const world = await ground()
  const pool = await world.open({
    protocols: ['tcp'],
    servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3', FLAPPER],
    maxChangesPerMinute: 3,
    ...options,
  })
  for (const member of [...pool.members()]) {
    await pool
      .report(member, { healthy: true, initial: true, reason: 'answered', at: 0 })
      .catch(ignore)
  }
  return { world, pool }
}

async function flap(pool: MirroredPool, address: string, times = 6): Promise<void> {
  for (let i = 0; i < times; i++) {
    await report(pool, address, false).catch(ignore)
    await report(pool, address, true).catch(ignore)
  }
}

/** One goes down and recovers: two changes, for which the budget has to be there. */
async function recovers(world: Ground, pool: MirroredPool): Promise<boolean> {
  await report(pool, '10.1.0.1', false)
  await report(pool, '10.1.0.1', true)
  return '10.1.0.1:53' in world.held(V4)
}

describe('is not used up by', () => {
  it.each<[string, Record<string, unknown>, (pool: MirroredPool) => Promise<unknown>]>([
    [
      'a server that an administrator has put into maintenance',
      {},
      async (pool) => {
        await pool.setAdmin(FLAPPER, 'maintenance')
        await flap(pool, FLAPPER)
      },
    ],
    [
      'several backups that nobody needs',
      { servers: ['10.1.0.1', '10.1.0.2'], backup: [FLAPPER, '10.1.0.7'] },
      async (pool) => {
        await flap(pool, FLAPPER, 2)
        await flap(pool, '10.1.0.7', 2)
      },
    ],
    [
      'a server that the kernel refuses',
      {},
      async (pool) => {
        await pool.add(`${BROADCAST}:2500`).catch(ignore)
        await flap(pool, BROADCAST)
      },
    ],
    [
      'a server that has come as a backup later',
      {},
      async (pool) => {
        await pool.add('10.1.0.7', { backup: true })
        await report(pool, '10.1.0.7', true)
        await flap(pool, '10.1.0.7')
      },
    ],
    [
      'one that has been drained to its end',
      {},
      async (pool) => {
        await pool.drain(FLAPPER, { timeoutMs: 0 })
        await flap(pool, FLAPPER)
      },
    ],
    [
      'calls by hand',
      {},
      async (pool) => {
        for (let i = 0; i < 6; i++) {
          await pool.down(FLAPPER)
          await pool.up(FLAPPER)
        }
      },
    ],
    [
      'the same verdict again and again',
      {},
      async (pool) => {
        for (let i = 0; i < 10; i++) await report(pool, FLAPPER, true)
      },
    ],
    [
      'weights that checks give',
      {},
      async (pool) => {
        for (let i = 0; i < 10; i++) await report(pool, FLAPPER, true, { weightFactor: i / 10 })
      },
    ],
    [
      'weights, words and lists of the administrator',
      {},
      async (pool) => {
        for (let i = 0; i < 4; i++) {
          await pool.setWeight(FLAPPER, 2 + i)
          await pool.setAdmin(FLAPPER, 'drain')
          await pool.setAdmin(FLAPPER, 'ready')
          await pool.remove(FLAPPER)
          await pool.add(FLAPPER)
          await report(pool, FLAPPER, true, { initial: true })
        }
      },
    ],
  ])('%s', async (_, options, act) => {
    const { world, pool } = await limited(options)
    await act(pool)
    expect(await recovers(world, pool)).toBe(true)
  })

  it('servers whose failures a panic does not believe', async () => {
    const { world, pool } = await limited({
      maxChangesPerMinute: 6,
      panic: { minHealthyPercent: 60, action: 'freeze' },
    })
    await report(pool, '10.1.0.2', false)
    await report(pool, '10.1.0.3', false)
    const frozen = world.table()
    await flap(pool, FLAPPER, 10)
    expect(world.table()).toEqual(frozen)
    await report(pool, '10.1.0.3', true)
    await report(pool, '10.1.0.2', true)
    expect(Object.keys(world.held(V4))).toHaveLength(4)
    expect(await recovers(world, pool)).toBe(true)
  })

  it('servers that nobody is sent to while the quorum is lost', async () => {
    const { world, pool } = await limited({
      maxChangesPerMinute: 12,
      quorum: { up: 4, down: 2, onLost: 'refuse' },
    })
    for (const address of ['10.1.0.2', '10.1.0.3', FLAPPER]) await report(pool, address, false)
    expect(world.held(V4)).toEqual({})
    await flap(pool, FLAPPER, 10)
    expect(world.held(V4)).toEqual({})
    for (const address of ['10.1.0.2', '10.1.0.3', FLAPPER]) await report(pool, address, true)
    expect(Object.keys(world.held(V4))).toHaveLength(4)
    expect(await recovers(world, pool)).toBe(true)
  })

  it('what is said and taken back in one turn, of which nothing is sent', async () => {
    const { world, pool } = await limited()
    const tries = world.tries()
    for (let i = 0; i < 4; i++) {
      await Promise.allSettled([report(pool, FLAPPER, false), report(pool, FLAPPER, true)])
    }
    const sent = tries.count
    const back = await recovers(world, pool)
    // Where something was sent, it counts.
    expect(back || sent > 0).toBe(true)
  })
})

describe('is used up by', () => {
  it('servers that leave and come, each time', async () => {
    const { world, pool } = await limited()
    await flap(pool, FLAPPER, 2)
    expect(await recovers(world, pool)).toBe(false)
    expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
    await pass(61_000, 5000)
    expect(world.held(V4)).toHaveProperty('10.1.0.1:53')
  })
})

describe('is forgotten', () => {
  it('a minute later, however much there was', async () => {
    const { world, pool } = await limited()
    for (let i = 0; i < 30; i++) {
      await report(pool, FLAPPER, false)
      await report(pool, FLAPPER, true)
    }
    await pass(61_000, 10_000)
    await pass(61_000, 10_000)
    expect(world.held(V4)).toHaveProperty(`${FLAPPER}:53`)
    expect(await recovers(world, pool)).toBe(true)
  })

  it('in part, as time goes on', async () => {
    const { world, pool } = await limited({ maxChangesPerMinute: 2 })
    await report(pool, FLAPPER, false)
    await pass(30_000, 10_000)
    await report(pool, '10.1.0.2', false)
    await report(pool, '10.1.0.2', true)
    expect(world.held(V4)).not.toHaveProperty('10.1.0.2:53')
    // Half a minute more, and the first change is no longer of this minute.
    await pass(31_000, 1000)
    expect(world.held(V4)).toHaveProperty('10.1.0.2:53')
    expect(row(pool, '10.1.0.2').serves).toBe(true)
  })
})
