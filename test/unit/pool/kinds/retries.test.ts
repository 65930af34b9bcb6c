// Kind 4: one clock for retries, and no more events than there is news.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { MirroredPool } from '../../../../src/index.js'
import {
  BROADCAST,
  closeAll,
  type Ground,
  ground,
  ignore,
  LINK_LOCAL,
  memberOf,
  pass,
  quiet,
  record,
  report,
  stopTime,
  TCP,
  told,
  V4,
  verdict,
} from './ground.js'

beforeEach(stopTime)
afterEach(closeAll)

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => `10.2.${i >> 7}.${1 + (i & 127)}`)

/** For so long, every `everyMs`, does something and does not wait for it. */
async function keepOn(ms: number, everyMs: number, act: (n: number) => unknown): Promise<void> {
  for (let n = 0; n * everyMs < ms; n++) {
    act(n)
    await quiet(12)
    await vi.advanceTimersByTimeAsync(everyMs)
  }
  await quiet()
}

const again = (pool: MirroredPool, address: string, healthy: boolean) =>
  void report(pool, address, healthy).catch(ignore)

describe('verdicts that are repeated about what the kernel refuses', () => {
  it.each([
    ['EPERM', false],
    ['ENOMEM', true],
  ])('are tried some times a second and no more (%s, healthy: %s)', async (errno, healthy) => {
    const servers = many(30)
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], servers, initial: healthy ? 'down' : 'up' })
    const tries = world.refuseAll(errno)
    const members = [...pool.members()]
    const seconds = 6
    await keepOn(seconds * 1000, 100, () => {
      for (const member of members) void pool.report(member, verdict(healthy)).catch(ignore)
    })
    // Five passes a second, and three in a row at the beginning.
    expect(tries.count).toBeLessThanOrEqual((5 * seconds + 3) * servers.length)
    expect(tries.count).toBeGreaterThan(0)
  })

  it.each([
    ['a broadcast address', {}, BROADCAST],
    ['one family', { fronts: [{ address: '2001:db8::1', port: 53 }] }, LINK_LOCAL],
  ])('about one server cost no more (%s)', async (_, options, refused) => {
    const world = await ground()
    const good = refused === BROADCAST ? '10.1.0.1' : '2001:db8::a'
    const pool = await world.open({ ...options, servers: [good], quorum: { up: 1 } })
    await pool.add(refused).catch(ignore)
    const tries = world.tries()
    const events = record(pool)
    await keepOn(10_000, 20, () => again(pool, refused, true))
    expect(tries.count).toBeLessThanOrEqual(2 * 50)
    // The same refusal is news once; where it is told with each try, the tries have their pauses.
    expect(told(events, 'error').length).toBeLessThanOrEqual(10)
  })

  it('read the table no more often either', async () => {
    const world = await ground()
    const reads = world.reads()
    const pool = await world.open({ protocols: ['tcp'], servers: many(20) })
    world.refuseAll('EPERM')
    reads.count = 0
    const members = [...pool.members()]
    await keepOn(6000, 50, (n) => {
      const member = members[n % members.length]!
      void pool.report(member, verdict(false)).catch(ignore)
    })
    // A pass over one service is two reads.
    expect(reads.count).toBeLessThanOrEqual(2 * (5 * 6 + 3))
  })

  it('about 300 servers are told no more often than there is news', async () => {
    const servers = many(300)
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], servers })
    const events = record(pool)
    world.refuseAll('ENOBUFS')
    const members = [...pool.members()]
    await keepOn(5000, 500, () => {
      for (const member of members) void pool.report(member, verdict(false)).catch(ignore)
    })
    expect(told(events, 'down')).toEqual([])
    expect(told(events, 'error').length).toBeLessThanOrEqual(4 * servers.length)
    world.kernel.between(undefined)
    await pass(60_000, 10_000)
    expect(told(events, 'down')).toHaveLength(servers.length)
    expect(world.held(V4)).toEqual({})
  })
})

describe('while something is refused and waits for its next try', () => {
  async function refused(): Promise<{ world: Ground; pool: MirroredPool }> {
    const world = await ground()
    const pool = await world.open({
      protocols: ['tcp'],
      servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
    })
    await pool.add(BROADCAST).catch(ignore)
    // Pauses have grown.
    await pass(120_000, 10_000)
    return { world, pool }
  }

  it('a server that fails goes at once', async () => {
    const { world, pool } = await refused()
    await report(pool, '10.1.0.1', false)
    expect(world.held(V4)).toEqual({ '10.1.0.2:53': 1, '10.1.0.3:53': 1 })
    await report(pool, '10.1.0.1', true)
    expect(world.held(V4)).toHaveProperty('10.1.0.1:53')
  })

  it('a look that is asked for looks at once', async () => {
    const { world, pool } = await refused()
    await world.other.removeDestination(TCP, { address: '10.1.0.2', port: 53 })
    await pool.reconcile().catch(ignore)
    expect(world.held(V4)).toHaveProperty('10.1.0.2:53')
  })

  it('another server of the list comes at once', async () => {
    const { world, pool } = await refused()
    await pool.setServers(['10.1.0.1', BROADCAST, '10.1.0.4']).catch(ignore)
    expect(world.held(V4)).toHaveProperty('10.1.0.4:53')
  })

  it('nothing is tried that is not refused', async () => {
    const { world } = await refused()
    const tries = world.tries()
    await pass(60_000, 5000)
    expect(tries.count).toBeLessThanOrEqual(60)
  })
})

it.each(['EPERM', 'ENOMEM', 'ENOBUFS'])(
  'when a kernel that has refused for minutes (%s) takes changes again, all is there within a minute',
  async (errno) => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], servers: many(10) })
    world.refuseAll(errno)
    for (const member of [...pool.members()].slice(0, 5)) {
      void pool.report(member, verdict(false)).catch(ignore)
    }
    await pass(300_000, 10_000)
    world.kernel.between(undefined)
    await pass(60_000, 5000)
    expect(Object.keys(world.held(V4))).toHaveLength(5)
    expect(pool.status().converged).toBe(true)
  },
)

it('a verdict that is repeated about what is there already sends nothing and tells nothing', async () => {
  const world = await ground()
  const pool = await world.open({ servers: many(20), quorum: { up: 5 } })
  const members = [...pool.members()]
  for (const member of members) await pool.report(member, verdict(true))
  const tries = world.tries()
  const events = record(pool)
  await keepOn(3000, 100, () => {
    for (const member of members) void pool.report(member, verdict(true))
  })
  expect(tries.count).toBe(0)
  expect(events).toEqual([])
  expect(memberOf(pool, '10.2.0.1').state).toBe('up')
})
