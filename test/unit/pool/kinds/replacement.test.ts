// Kind 1: a removal that follows an addition waits for its success.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MirroredPool } from '../../../../src/index.js'
import {
  BROADCAST,
  closeAll,
  FRONTS,
  ground,
  ignore,
  LINK_LOCAL,
  pass,
  quiet,
  report,
  row,
  stopTime,
  TCP,
  V4,
  V6,
} from './ground.js'

const BOTH = [V4, 'udp 192.0.2.1:53']

beforeEach(stopTime)
afterEach(closeAll)

describe('a list of servers', () => {
  it.each(['ENOMEM', 'EPERM', 'ENOBUFS', 'EBUSY', 'ENOSPC', 'unknown'])(
    'whose first addition ends with %s never empties a front on its way',
    async (errno) => {
      const world = await ground()
      const pool = await world.open({ servers: ['10.1.0.1'] })
      const fewest = world.fewest(...BOTH)
      world.kernel.fail({ nth: 1, errno })
      await pool.setServers(['10.1.0.7']).catch(ignore)
      await pass(60_000, 5000)
      expect(fewest()).toBe(1)
      expect(world.table()).toEqual({
        [BOTH[0]!]: { '10.1.0.7:53': 1 },
        [BOTH[1]!]: { '10.1.0.7:53': 1 },
      })
    },
  )

  it.each([[[2]], [[1, 3]], [[2, 4, 6]], [[1, 2, 3, 4]]])(
    'whose additions %j are refused for once never empties a front on its way',
    async (refused) => {
      const world = await ground()
      const pool = await world.open()
      const fewest = world.fewest(...BOTH)
      for (const nth of refused) world.kernel.fail({ nth, errno: 'ENOMEM' })
      await pool.setServers(['10.1.0.7', '10.1.0.8']).catch(ignore)
      await pass(60_000, 5000)
      expect(fewest()).toBeGreaterThan(0)
      for (const service of BOTH) {
        expect(world.held(service)).toEqual({ '10.1.0.7:53': 1, '10.1.0.8:53': 1 })
      }
    },
  )

  it('of one server that is refused in one family only leaves the other servers of that family', async () => {
    const world = await ground()
    const pool = await world.open({
      fronts: FRONTS,
      servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }],
    })
    const fewest = world.fewest(V4, V6)
    await pool.setServers([{ address: '10.1.0.7', secondAddress: LINK_LOCAL }]).catch(ignore)
    await pass(120_000, 10_000)
    expect(fewest()).toBe(1)
    expect(world.held(V6)).toEqual({ '[2001:db8::a]:53': 1 })
    expect(world.held(V4)).toHaveProperty('10.1.0.7:53')
  })

  it('with another second address, which is refused, leaves the old one in place', async () => {
    const world = await ground()
    const servers = (second: string) => [{ address: '10.1.0.1', secondAddress: second }]
    const pool = await world.open({ fronts: FRONTS, servers: servers('2001:db8::a') })
    const fewest = world.fewest(V4, V6)
    await pool.setServers(servers(LINK_LOCAL)).catch(ignore)
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
  })

  it('with one that is accepted and one that is refused brings in the first, and empties nothing', async () => {
    const world = await ground()
    const pool = await world.open()
    const fewest = world.fewest(...BOTH)
    await pool.setServers([BROADCAST, '10.1.0.7']).catch(ignore)
    await pass(60_000, 5000)
    expect(fewest()).toBeGreaterThan(0)
    for (const service of BOTH) expect(world.held(service)).toHaveProperty('10.1.0.7:53')
  })

  it('on another port that is refused at first leaves the old port until the new one is there', async () => {
    const world = await ground()
    const pool = await world.open({ servers: ['10.1.0.1:8001'] })
    const fewest = world.fewest(...BOTH)
    for (const nth of [1, 2]) world.kernel.fail({ nth, errno: 'EPERM' })
    await pool.setServers(['10.1.0.1:8002']).catch(ignore)
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
    for (const service of BOTH) expect(world.held(service)).toEqual({ '10.1.0.1:8002': 1 })
  })

  it('that is refused for a while comes when the kernel takes it, and the old servers go then', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], forwarding: 'tunnel' })
    // While it runs, the kernel takes no tunnel to the other family.
    await world.other.startSyncDaemon({ role: 'master', interface: 'eth0', syncId: 1 })
    const fewest = world.fewest(V4)
    await pool.setServers(['2001:db8::7', '2001:db8::8']).catch(ignore)
    for (let look = 0; look < 3; look++) {
      await pass(10_000, 5000)
      await pool.reconcile().catch(ignore)
      expect(Object.keys(world.held(V4)).length).toBeGreaterThan(0)
    }
    await world.other.stopSyncDaemon('master')
    await pass(60_000, 5000)
    expect(fewest()).toBeGreaterThan(0)
    expect(world.held(V4)).toEqual({ '[2001:db8::7]:53': 1, '[2001:db8::8]:53': 1 })
    expect(pool.status().converged).toBe(true)
  })

  it('of refused servers only, given twice and then taken back, changes nothing in the end', async () => {
    const world = await ground()
    const pool = await world.open()
    const before = world.table()
    const fewest = world.fewest(...BOTH)
    await pool.setServers([BROADCAST]).catch(ignore)
    await pool.setServers([`${BROADCAST}:54`, BROADCAST]).catch(ignore)
    await pass(5000, 1000)
    await pool.setServers(['10.1.0.1', '10.1.0.2'])
    await pass(60_000, 5000)
    expect(fewest()).toBeGreaterThan(0)
    expect(world.table()).toEqual(before)
    expect(pool.status().converged).toBe(true)
  })

  it('from a source that follows is no other: a refused one empties nothing', async () => {
    const world = await ground()
    const pool = await world.open()
    const fewest = world.fewest(...BOTH)
    async function* source() {
      yield [BROADCAST]
      await quiet()
      yield [`${BROADCAST}:54`, { address: BROADCAST, weight: 7 }]
    }
    await pool.follow(source())
    await pass(60_000, 5000)
    expect(fewest()).toBeGreaterThan(0)
  })
})

describe('opening', () => {
  const found = `-A -t 192.0.2.1:53 -s wrr\n-a -t 192.0.2.1:53 -r 10.9.9.1:53 -m -w 1\n-a -t 192.0.2.1:53 -r 10.9.9.2:53 -m -w 3`

  it.each([
    ['up', {}],
    ['adopt', { initial: 'adopt' }],
    ['with a refused backup too', { backup: [`${BROADCAST}:55`] }],
    ['with a quorum', { quorum: { up: 1 } }],
  ])(
    'on a service that carries traffic with refused servers only leaves it alone (%s)',
    async (_, more) => {
      const world = await ground({ rules: found })
      const fewest = world.fewest(V4)
      const options = { protocols: ['tcp'], servers: [BROADCAST, `${BROADCAST}:54`], ...more }
      // Whether there is a pool then is not the question here.
      const pool = await world.open(options).catch(() => undefined)
      await pass(60_000, 5000)
      expect(fewest()).toBe(2)
      await pool?.close()
    },
  )

  it('goes on with what the kernel takes: a refused server is an error of its row', async () => {
    const world = await ground()
    const pool = await world.open({ servers: ['10.1.0.1', BROADCAST] })
    for (const service of BOTH) expect(world.held(service)).toEqual({ '10.1.0.1:53': 1 })
    expect(row(pool, BROADCAST).error).toEqual(expect.any(String))
    expect(row(pool, '10.1.0.1').error).toBeUndefined()
    expect(pool.status().converged).toBe(false)
  })

  it('goes on with a front where its only server is refused, and the other where it is not', async () => {
    const world = await ground()
    const servers = [{ address: '10.1.0.1', secondAddress: LINK_LOCAL }]
    const pool = await world.open({ fronts: FRONTS, servers })
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
    expect(row(pool, '10.1.0.1').error).toEqual(expect.any(String))
  })

  it('tries a refused server again by itself', async () => {
    const world = await ground()
    await world.other.startSyncDaemon({ role: 'master', interface: 'eth0', syncId: 1 })
    const options = {
      protocols: ['tcp'],
      forwarding: 'tunnel',
      servers: ['10.1.0.1', '2001:db8::7'],
    }
    const pool = await world.open(options)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
    await world.other.stopSyncDaemon('master')
    await pass(60_000, 5000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '[2001:db8::7]:53': 1 })
    expect(row(pool, '2001:db8::7').error).toBeUndefined()
  })

  it('where additions are refused for once never empties a service on its way', async () => {
    const world = await ground({ rules: found })
    const fewest = world.fewest(V4)
    for (const nth of [1, 2]) world.kernel.fail({ nth, errno: 'ENOMEM' })
    await world.open({ protocols: ['tcp'] }).catch(ignore)
    await pass(60_000, 5000)
    expect(fewest()).toBeGreaterThan(0)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  })

  it('rejects where nothing could be made', async () => {
    const world = await ground({ schedulers: ['rr'] })
    await expect(world.open()).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SCHEDULER' })
    expect(world.table()).toEqual({})
  })
})

describe('repairing', () => {
  it('what another writer has replaced leaves his server until ours is back', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], servers: ['10.1.0.1'] })
    await world.other.addDestination(TCP, {
      address: '10.9.9.9',
      port: 53,
      forwarding: 'masquerade',
    })
    await world.other.removeDestination(TCP, { address: '10.1.0.1', port: 53 })
    const fewest = world.fewest(V4)
    world.kernel.fail({ nth: 1, errno: 'ENOMEM' })
    await pool.reconcile().catch(ignore)
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
  })
})

describe('a flip', () => {
  it.each([[[1, 2]], [[2]], [[1, 3]]])(
    'whose changes %j are refused for once leaves the healthy one that goes until the other is there',
    async (refused) => {
      const world = await ground()
      const pool = await world.open()
      await pool.setAdmin('10.1.0.2', 'maintenance')
      const fewest = world.fewest(...BOTH)
      for (const nth of refused) world.kernel.fail({ nth, errno: 'ENOMEM' })
      await Promise.allSettled([
        pool.setAdmin('10.1.0.2', 'ready'),
        pool.setAdmin('10.1.0.1', 'maintenance'),
      ])
      await pass(60_000, 5000)
      expect(fewest()).toBe(1)
      for (const service of BOTH) expect(world.held(service)).toEqual({ '10.1.0.2:53': 1 })
    },
  )

  it('to a server that is refused leaves the healthy one that it follows, and ends when it is taken', async () => {
    const world = await ground()
    const servers = ['10.1.0.1', '2001:db8::7']
    const pool = await world.open({ protocols: ['tcp'], forwarding: 'tunnel', servers })
    await pool.setAdmin('2001:db8::7', 'maintenance')
    await world.other.startSyncDaemon({ role: 'master', interface: 'eth0', syncId: 1 })
    const fewest = world.fewest(V4)
    await Promise.allSettled([
      pool.setAdmin('2001:db8::7', 'ready'),
      pool.setAdmin('10.1.0.1', 'maintenance'),
    ])
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
    await world.other.stopSyncDaemon('master')
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
    expect(world.held(V4)).toEqual({ '[2001:db8::7]:53': 1 })
  })

  it('by which a new server takes over from one that is removed in the same turn waits for it', async () => {
    const world = await ground()
    const pool = await world.open({ servers: ['10.1.0.1'] })
    const fewest = world.fewest(...BOTH)
    for (const nth of [1, 2]) world.kernel.fail({ nth, errno: 'ENOBUFS' })
    await Promise.allSettled([pool.add('10.1.0.7'), pool.remove('10.1.0.1')])
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
    for (const service of BOTH) expect(world.held(service)).toEqual({ '10.1.0.7:53': 1 })
  })
})

describe('a backup', () => {
  it.each<[string, (pool: MirroredPool) => Promise<unknown>]>([
    ['maintenance', (pool) => pool.setAdmin('10.1.0.1', 'maintenance')],
    ['drained', (pool) => pool.setAdmin('10.1.0.1', 'drain')],
    ['given weight 0', (pool) => pool.setWeight('10.1.0.1', 0)],
    ['removed', (pool) => pool.remove('10.1.0.1')],
    ['replaced by nobody', (pool) => pool.setServers([])],
  ])(
    'that is refused for once is there before the last healthy server has left (%s)',
    async (_, act) => {
      const world = await ground()
      const pool = await world.open({ servers: ['10.1.0.1'], backup: ['10.1.0.9'] })
      const fewest = world.fewest(...BOTH)
      for (const nth of [1, 2]) world.kernel.fail({ nth, errno: 'ENOMEM' })
      await act(pool).catch(ignore)
      await pass(60_000, 5000)
      expect(fewest()).toBe(1)
      for (const service of BOTH) expect(world.held(service)).toMatchObject({ '10.1.0.9:53': 1 })
    },
  )

  it.each(['call', 'verdict'])(
    'that is refused for once is there soon after the last server has failed (by a %s)',
    async (by) => {
      const world = await ground()
      const pool = await world.open({ servers: ['10.1.0.1'], backup: ['10.1.0.9'] })
      for (const nth of [1, 2]) world.kernel.fail({ nth, errno: 'ENOMEM' })
      // Whether one that has failed waits for it is left open here.
      await (by === 'call' ? pool.down('10.1.0.1') : report(pool, '10.1.0.1', false)).catch(ignore)
      await pass(5000, 1000)
      for (const service of BOTH) expect(world.held(service)).toEqual({ '10.1.0.9:53': 1 })
    },
  )

  it('that is not needed any more leaves when the server that is back has been taken', async () => {
    const world = await ground()
    const pool = await world.open({ servers: ['10.1.0.1'], backup: ['10.1.0.9'] })
    await pool.down('10.1.0.1')
    const fewest = world.fewest(...BOTH)
    for (const nth of [1, 2]) world.kernel.fail({ nth, errno: 'EPERM' })
    await pool.up('10.1.0.1').catch(ignore)
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
    for (const service of BOTH) expect(world.held(service)).toEqual({ '10.1.0.1:53': 1 })
  })

  it('serves on while the servers that come in place of the failed one are refused', async () => {
    const world = await ground()
    const pool = await world.open({ servers: ['10.1.0.1'], backup: ['10.1.0.9'] })
    await pool.down('10.1.0.1')
    const fewest = world.fewest(...BOTH)
    await pool.setServers([BROADCAST]).catch(ignore)
    await pass(60_000, 5000)
    expect(fewest()).toBe(1)
    for (const service of BOTH) expect(world.held(service)).toHaveProperty('10.1.0.9:53')
  })
})
