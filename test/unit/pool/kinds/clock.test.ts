// Kind 9: time is monotonic wherever it decides; the wall clock, which can be set, is for people.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HealthChecker, type HealthMember, Inconclusive } from '../../../../src/index.js'
import {
  BROADCAST,
  closeAll,
  ground,
  ignore,
  outcome,
  pass,
  record,
  report,
  stopTime,
  TCP,
  told,
  V4,
} from './ground.js'

const closers: (() => Promise<unknown>)[] = []
beforeEach(stopTime)
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  await closeAll()
})

const YEAR = 365 * 86_400_000

describe.each([
  ['ahead by a year', YEAR],
  ['back by a year', -YEAR],
  ['back by a second', -1000],
])('a clock that is set %s', (_, jump) => {
  const set = () => vi.setSystemTime(Date.now() + jump)

  it('neither ends a slow start nor holds it up', async () => {
    const world = await ground()
    const pool = await world.open({
      protocols: ['tcp'],
      servers: [{ address: '10.1.0.1', weight: 100 }, '10.1.0.2'],
      slowStart: { durationMs: 10_000, steps: 10 },
      initial: 'down',
    })
    await pool.up('10.1.0.1')
    set()
    await pass(5000, 500)
    const half = world.held(V4)['10.1.0.1:53']!
    expect(half).toBeGreaterThanOrEqual(30)
    expect(half).toBeLessThanOrEqual(70)
    set()
    await pass(5500, 500)
    expect(world.held(V4)['10.1.0.1:53']).toBe(100)
  })

  it('neither ends a drain nor holds it up, nor is told as its time', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'] })
    world.kernel.connections(TCP, { address: '10.1.0.1', port: 53 }, { active: 1 })
    const seen: number[] = []
    const drained = pool.drain('10.1.0.1', {
      timeoutMs: 10_000,
      onProgress: ({ elapsedMs, leftMs }) => seen.push(elapsedMs, leftMs),
    })
    const state = outcome(drained)
    await pass(3000, 500)
    set()
    await pass(6000, 500)
    expect(state.is).toBe('pending')
    await pass(2000, 500)
    expect(state.is).toBe('resolved')
    const { elapsedMs } = await drained
    expect(elapsedMs).toBeGreaterThanOrEqual(10_000)
    expect(elapsedMs).toBeLessThanOrEqual(11_000)
    for (const ms of seen) expect(ms >= 0 && ms <= 10_000).toBe(true)
  })

  it('neither fills nor empties what maxChangesPerMinute allows', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], maxChangesPerMinute: 1 })
    for (const address of ['10.1.0.1', '10.1.0.2']) await report(pool, address, true)
    await report(pool, '10.1.0.1', false)
    set()
    await report(pool, '10.1.0.1', true)
    await pass(50_000, 5000)
    expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
    await pass(12_000, 1000)
    expect(world.held(V4)).toHaveProperty('10.1.0.1:53')
  })

  it('does not change who has waited longest when time lets one of them come', async () => {
    const world = await ground()
    const servers = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4']
    const pool = await world.open({ protocols: ['tcp'], servers, maxChangesPerMinute: 1 })
    for (const address of servers) await report(pool, address, true)
    for (const address of servers.slice(0, 3)) await report(pool, address, false)
    const events = record(pool)
    for (const address of ['10.1.0.3', '10.1.0.1', '10.1.0.2']) {
      await report(pool, address, true)
      set()
    }
    await pass(240_000, 5000)
    expect(told(events, 'up')).toEqual(['up 10.1.0.3:53', 'up 10.1.0.1:53', 'up 10.1.0.2:53'])
  })

  it('does not change when what was refused is tried again', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'] })
    await pool.add(BROADCAST).catch(ignore)
    set()
    const tries = world.tries()
    await pass(60_000, 2000)
    expect(tries.count).toBeGreaterThan(0)
    expect(tries.count).toBeLessThan(60)
  })

  it('does not change when the table is read', async () => {
    const world = await ground()
    await world.open({ protocols: ['tcp'], reconcileIntervalMs: 10_000 })
    set()
    await world.other.removeDestination(TCP, { address: '10.1.0.2', port: 53 })
    await pass(8000, 1000)
    expect(world.held(V4)).not.toHaveProperty('10.1.0.2:53')
    await pass(4000, 1000)
    expect(world.held(V4)).toHaveProperty('10.1.0.2:53')
  })

  it('nor does the time of a verdict decide anything', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'] })
    await report(pool, '10.1.0.1', false, { at: Date.now() })
    await report(pool, '10.1.0.1', true, { at: Date.now() + jump })
    expect(world.held(V4)).toHaveProperty('10.1.0.1:53')
    await report(pool, '10.1.0.1', false, { at: Date.now() - jump })
    expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
  })

  it('is told as it is', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'] })
    const events = record(pool)
    set()
    const now = Date.now()
    await pool.down('10.1.0.1')
    expect(events).toMatchObject([{ name: 'down', time: now }])
    expect(pool.status().servers[0]!.since).toBe(now)
  })

  it('neither ends nor prolongs how long a server that flaps is held down', async () => {
    const members: HealthMember[] = [1, 2, 3].map((n) => ({
      key: `${n}`,
      address: `10.1.0.${n}`,
      port: 53,
      state: 'up',
    }))
    let sick = false
    const checker = new HealthChecker(
      { members: () => members, report() {}, onMembers: () => () => {} },
      {
        check: async ({ key }) => {
          if (key === '1' && sick) throw new Error('sick')
        },
        intervalMs: 500,
        timeoutMs: 100,
        rise: 1,
        fall: 1,
        jitter: 0,
        holdDown: { flaps: 2, windowMs: 60_000, firstMs: 10_000 },
      },
    )
    closers.push(() => checker.stop())
    const state = () => checker.status()[0]!.state
    checker.on('warning', ignore)
    checker.start()
    for (const sickness of [false, true, false, true, false]) {
      sick = sickness
      await pass(1500, 100)
    }
    expect(state()).toBe('down')
    set()
    await pass(5000, 500)
    expect(state()).toBe('down')
    await pass(6000, 500)
    expect(state()).toBe('up')
  })

  it('does not decide since when nothing is known about a server', async () => {
    const members: HealthMember[] = [{ key: '1', address: '10.1.0.1', port: 53, state: 'up' }]
    const checker = new HealthChecker(
      { members: () => members, report() {}, onMembers: () => () => {} },
      {
        check: async () => {
          throw new Inconclusive('no files left')
        },
        intervalMs: 500,
        timeoutMs: 100,
        unknownLimitMs: 20_000,
      },
    )
    closers.push(() => checker.stop())
    const codes: string[] = []
    checker.on('warning', ({ code }) => {
      if (code === 'unknown') codes.push(code)
    })
    checker.start()
    await pass(3000, 500)
    set()
    await pass(10_000, 500)
    expect(codes).toEqual([])
    await pass(10_000, 500)
    expect(codes).toEqual(['unknown'])
  })
})

it('of servers that wait for their turn the first comes first when the last one that serves fails', async () => {
  const world = await ground()
  const servers = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4']
  const pool = await world.open({
    protocols: ['tcp'],
    servers,
    maxChangesPerMinute: 3,
    quorum: { up: 1 },
  })
  for (const address of servers) await report(pool, address, true)
  for (const address of servers.slice(0, 3)) await report(pool, address, false)
  const events = record(pool)
  for (const address of ['10.1.0.3', '10.1.0.1', '10.1.0.2']) {
    await report(pool, address, true)
    // The next one seems to have begun an hour before.
    vi.setSystemTime(Date.now() - 3_600_000)
  }
  await report(pool, '10.1.0.4', false)
  expect(told(events, 'up')).toEqual(['up 10.1.0.3:53'])
})
