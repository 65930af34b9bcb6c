// Kind 12: drains that are aborted or look once, panic's freeze, an address in two roles.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  BROADCAST,
  closeAll,
  FRONTS,
  ground,
  ignore,
  outcome,
  pass,
  quiet,
  record,
  report,
  row,
  stopTime,
  TCP,
  told,
  UDP,
  V4,
  V6,
} from './ground.js'

beforeEach(stopTime)
afterEach(closeAll)

describe('a drain whose signal is aborted already', () => {
  it.each<[string, Record<string, unknown>]>([
    ['one service', { protocols: ['tcp'] }],
    ['two', {}],
    [
      'both families',
      { fronts: FRONTS, servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }] },
    ],
    ['quiescing', { onDown: 'quiesce' }],
    ['a quorum and a backup', { quorum: { up: 2 }, backup: ['10.1.0.9'] }],
    ['slow start', { slowStart: { durationMs: 1000 } }],
  ])('writes nothing (%s)', async (_, options) => {
    const world = await ground()
    const pool = await world.open(options)
    const before = world.table()
    const tries = world.tries()
    const events = record(pool)
    const ended = outcome(
      pool.drain('10.1.0.1', { signal: AbortSignal.abort(new Error('enough')) }),
    )
    await pass(10_000, 1000)
    expect(ended.is).not.toBe('pending')
    expect(tries.count).toBe(0)
    expect(world.table()).toEqual(before)
    expect(row(pool, '10.1.0.1').admin).toBe('ready')
    expect(told(events, 'quorum', 'up', 'down', 'error')).toEqual([])
  })

  it.each(['maintenance', 'drain'] as const)('leaves an administrator’s %s', async (admin) => {
    const world = await ground()
    const pool = await world.open()
    await pool.setAdmin('10.1.0.1', admin)
    const tries = world.tries()
    await pool.drain('10.1.0.1', { signal: AbortSignal.abort() }).catch(ignore)
    await pass(5000, 1000)
    expect(tries.count).toBe(0)
    expect(row(pool, '10.1.0.1').admin).toBe(admin)
  })

  it('writes nothing of a server that is down', async () => {
    const world = await ground()
    const pool = await world.open()
    await pool.down('10.1.0.1')
    const tries = world.tries()
    await pool.drain('10.1.0.1', { signal: AbortSignal.abort() }).catch(ignore)
    await pass(5000, 1000)
    expect(tries.count).toBe(0)
    await pool.up('10.1.0.1')
    expect(world.held(V4)).toHaveProperty('10.1.0.1:53')
  })

  it('gives the weight back where it is aborted in the turn in which it began', async () => {
    const world = await ground()
    const pool = await world.open()
    const abort = new AbortController()
    const ended = outcome(pool.drain('10.1.0.1', { signal: abort.signal }))
    abort.abort()
    await pass(5000, 1000)
    expect(ended.is).not.toBe('pending')
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    expect(row(pool, '10.1.0.1').admin).toBe('ready')
  })
})

describe('a drain does not believe its first look alone', () => {
  it.each<[string, typeof TCP | typeof UDP, object]>([
    ['a TCP connection', TCP, { active: 1 }],
    ['a UDP client', UDP, { inactive: 1 }],
  ])('%s that was under way is waited for', async (_, service, open) => {
    const world = await ground()
    const pool = await world.open()
    const destination = { address: '10.1.0.1', port: 53 }
    let looks = 0
    const onProgress = () => {
      looks++
      // A client that was given this server before its weight was 0 is counted only now.
      if (looks === 1) world.kernel.connections(service, destination, open)
    }
    const ended = outcome(pool.drain('10.1.0.1', { onProgress }))
    await pass(20_000, 500)
    expect(ended.is).toBe('pending')
    expect(world.held(V4)['10.1.0.1:53']).toBe(0)
    world.kernel.connections(service, destination, { active: 0, inactive: 0 })
    await pass(10_000, 500)
    expect(ended.is).toBe('resolved')
    expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
  })

  it('it ends idle where nothing is seen twice', async () => {
    const world = await ground()
    const pool = await world.open()
    const drained = pool.drain('10.1.0.1')
    const ended = outcome(drained)
    await pass(10_000, 500)
    expect(ended.is).toBe('resolved')
    expect((await drained).outcome).toBe('idle')
  })

  it('its time is over all the same', async () => {
    const world = await ground()
    const pool = await world.open()
    world.kernel.connections(TCP, { address: '10.1.0.1', port: 53 }, { active: 3 })
    const drained = pool.drain('10.1.0.1', { timeoutMs: 0 })
    const ended = outcome(drained)
    await pass(3000, 500)
    expect(ended.is).toBe('resolved')
    expect((await drained).outcome).toBe('deadline')
  })
})

describe('a panic that freezes follows a server', () => {
  /** Two servers that serve on although their checks fail. */
  async function frozen(first: Record<string, unknown>, options: Record<string, unknown> = {}) {
    const world = await ground()
    const other = { address: '10.1.0.2', secondAddress: '2001:db8::b' }
    const pool = await world.open({
      fronts: FRONTS,
      servers: [first, other],
      panic: { minHealthyPercent: 80, action: 'freeze' },
      ...options,
    })
    const addresses = [first.address as string, '10.1.0.2']
    for (const address of addresses) await report(pool, address, true)
    for (const address of addresses) await report(pool, address, false)
    const set = (server: Record<string, unknown>) => pool.setServers([server as never, other])
    return { world, pool, set }
  }

  it('whose second address and weight change together', async () => {
    const { world, set } = await frozen({ address: '10.1.0.1', secondAddress: '2001:db8::a' })
    const fewest = world.fewest(V4, V6)
    await set({ address: '10.1.0.1', secondAddress: '2001:db8::aa', weight: 9 })
    await quiet()
    expect(fewest()).toBe(2)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 9, '10.1.0.2:53': 1 })
    expect(world.held(V6)).toEqual({ '[2001:db8::aa]:53': 9, '[2001:db8::b]:53': 1 })
  })

  it('whose second address is the IPv4 one', async () => {
    const { world, set } = await frozen({ address: '2001:db8::a', secondAddress: '10.1.0.1' })
    await set({ address: '2001:db8::a', secondAddress: '10.1.0.11' })
    await quiet()
    expect(world.held(V4)).toEqual({ '10.1.0.11:53': 1, '10.1.0.2:53': 1 })
    expect(world.held(V6)).toEqual({ '[2001:db8::a]:53': 1, '[2001:db8::b]:53': 1 })
  })

  it('whose second address changes twice, and back', async () => {
    const { world, set } = await frozen({ address: '10.1.0.1', secondAddress: '2001:db8::a' })
    for (const secondAddress of ['2001:db8::aa', '2001:db8::aaa', '2001:db8::a']) {
      await set({ address: '10.1.0.1', secondAddress })
      await quiet()
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
      expect(world.held(V6)).toEqual({ [`[${secondAddress}]:53`]: 1, '[2001:db8::b]:53': 1 })
    }
  })

  it('whose second address a source changes', async () => {
    const { world, pool } = await frozen({ address: '10.1.0.1', secondAddress: '2001:db8::a' })
    async function* source() {
      yield [
        { address: '10.1.0.1', secondAddress: '2001:db8::aa' },
        { address: '10.1.0.2', secondAddress: '2001:db8::bb' },
      ]
    }
    await pool.follow(source())
    await quiet()
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    expect(world.held(V6)).toEqual({ '[2001:db8::aa]:53': 1, '[2001:db8::bb]:53': 1 })
  })

  it('and lets one go that was out before, and changes its second address', async () => {
    const world = await ground()
    const server = (last: string) => ({ address: '10.1.0.1', secondAddress: `2001:db8::${last}` })
    const others = ['10.1.0.2', '10.1.0.3'].map((address, i) => ({
      address,
      secondAddress: `2001:db8::b${i}`,
    }))
    const pool = await world.open({
      fronts: FRONTS,
      servers: [server('a'), ...others],
      panic: { minHealthyPercent: 50, action: 'freeze' },
    })
    for (const address of ['10.1.0.1', '10.1.0.2', '10.1.0.3']) await report(pool, address, true)
    for (const address of ['10.1.0.1', '10.1.0.2', '10.1.0.3']) await report(pool, address, false)
    const all = { '10.1.0.2:53': 1, '10.1.0.3:53': 1 }
    expect(world.held(V4)).toEqual(all)
    await pool.setServers([server('aa'), ...others])
    await quiet()
    expect(world.held(V4)).toEqual(all)
    expect(Object.keys(world.held(V6))).toHaveLength(2)
  })
})

describe('an address in two roles is supported, or refused with a reason', () => {
  const shared = '2001:db8::a'

  it.each<[string, Record<string, unknown>]>([
    [
      'second address of a server, and backup',
      {
        servers: [{ address: '10.1.0.1', secondAddress: shared }],
        backup: [{ address: shared, secondAddress: '10.1.0.9' }],
      },
    ],
    [
      'second address of a backup, and server',
      {
        servers: [{ address: shared, secondAddress: '10.1.0.1' }],
        backup: [{ address: '10.1.0.9', secondAddress: shared }],
      },
    ],
    [
      'the same in both roles',
      {
        servers: [{ address: '10.1.0.1', secondAddress: shared }],
        backup: [{ address: '10.1.0.1', secondAddress: shared }],
      },
    ],
    [
      'second address of two backups',
      {
        servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::b' }],
        backup: [
          { address: '10.1.0.8', secondAddress: shared },
          { address: '10.1.0.9', secondAddress: shared },
        ],
      },
    ],
    [
      'second address of two servers',
      {
        servers: [
          { address: '10.1.0.1', secondAddress: shared },
          { address: '10.1.0.2', secondAddress: shared },
        ],
      },
    ],
  ])('%s', async (_, options) => {
    const world = await ground()
    const said = await world.open({ fronts: FRONTS, ...options }).then(
      (pool) => pool,
      (error: Error & { code?: string }) => error,
    )
    if (said instanceof Error) {
      expect(said.code).toBe('ERR_IPVS_ARGUMENT')
      expect(said.message).toMatch(/servers|backup/)
      expect(world.table()).toEqual({})
      return
    }
    // Whoever fails, clients are sent to the other one.
    for (const { server, backup } of said.status().servers) {
      if (!backup) await said.down(server)
    }
    await quiet()
    expect(Object.keys(world.held(V6)).length).toBeGreaterThan(0)
    expect(Object.keys(world.held(V4)).length).toBeGreaterThan(0)
  })

  it.each<[string, (pool: Awaited<ReturnType<typeof open>>['pool']) => Promise<unknown>]>([
    [
      'a backup is added that is a server',
      (pool) => pool.add({ address: '10.1.0.1', secondAddress: shared }, { backup: true }),
    ],
    [
      'a backup is added that is a server’s second address',
      (pool) => pool.add({ address: shared, secondAddress: '10.1.0.7' }, { backup: true }),
    ],
    [
      'a list names a backup',
      (pool) => pool.setServers([{ address: '10.1.0.9', secondAddress: '2001:db8::99' }]),
    ],
    [
      'a list names a backup as second address',
      (pool) => pool.setServers([{ address: '10.1.0.1', secondAddress: '2001:db8::99' }]),
    ],
  ])('%s', async (_, call) => {
    const { world, pool } = await open()
    const before = world.table()
    const said = await call(pool).then(
      () => undefined,
      (error: Error & { code?: string }) => error,
    )
    await pass(10_000, 1000)
    if (said === undefined) {
      expect(pool.status().converged).toBe(true)
    } else {
      expect(said.code).toBe('ERR_IPVS_ARGUMENT')
      expect(world.table()).toEqual(before)
    }
    // Either way, a list without it is taken, and the roles are clear again.
    await pool.setServers([{ address: '10.1.0.5', secondAddress: '2001:db8::5' }])
    await pass(10_000, 1000)
    expect(world.held(V4)).toEqual({ '10.1.0.5:53': 1 })
    expect(world.held(V6)).toEqual({ '[2001:db8::5]:53': 1 })
    await pool.down('10.1.0.5')
    expect(world.held(V6)).toMatchObject({ '[2001:db8::99]:53': 1 })
  })

  async function open() {
    const world = await ground()
    const pool = await world.open({
      fronts: FRONTS,
      servers: [{ address: '10.1.0.1', secondAddress: shared }],
      backup: [{ address: '10.1.0.9', secondAddress: '2001:db8::99' }],
    })
    return { world, pool }
  }
})

it('a refused server that is drained is done with at once, and is told', async () => {
  const world = await ground()
  const pool = await world.open()
  await pool.add(BROADCAST).catch(ignore)
  const events = record(pool)
  const ended = outcome(pool.drain(BROADCAST, { timeoutMs: 5000 }))
  await pass(20_000, 500)
  expect(ended.is).not.toBe('pending')
  expect(told(events, 'drained')).toEqual([`drained ${BROADCAST}:53`])
})
