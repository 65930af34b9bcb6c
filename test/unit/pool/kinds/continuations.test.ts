// Kind 5: what follows a step follows although it fails at first, and memory does not undo what was said since.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MirroredPool } from '../../../../src/index.js'
import {
  BROADCAST,
  closeAll,
  type Ground,
  ground,
  ignore,
  LINK_LOCAL,
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
} from './ground.js'

beforeEach(stopTime)
afterEach(closeAll)

describe('what an adopting pool keeps until every server has its verdict', () => {
  const rules = ['10.1.0.1', '10.1.0.2', '10.9.9.9']
    .map((address) => `-a -t 192.0.2.1:53 -r ${address}:53 -m -w 1`)
    .join('\n')

  async function adopt(servers: readonly string[] = ['10.1.0.1', '10.1.0.2']) {
    const world = await ground({ rules: `-A -t 192.0.2.1:53 -s wrr\n${rules}` })
    const options = { protocols: ['tcp'], initial: 'adopt', servers }
    const pool = await world.open(options)
    expect(world.held(V4)).toHaveProperty('10.9.9.9:53')
    return { world, pool }
  }

  it.each<[string, (pool: MirroredPool) => Promise<unknown>]>([
    ['up', (pool) => pool.up('10.1.0.2')],
    ['down', (pool) => pool.down('10.1.0.2')],
    ['report', (pool) => report(pool, '10.1.0.2', false)],
  ])('goes although the last verdict (%s) is refused for a while', async (_, last) => {
    const { world, pool } = await adopt(['10.1.0.1', '10.1.0.2'])
    await pool.up('10.1.0.1')
    world.refuseAll('ENOMEM')
    await last(pool).catch(ignore)
    await pass(10_000, 1000)
    world.kernel.between(undefined)
    await pass(60_000, 5000)
    expect(world.held(V4)).not.toHaveProperty('10.9.9.9:53')
    expect(world.held(V4)).toHaveProperty('10.1.0.1:53')
  })

  it('goes although a server is refused for good, and told of by a call', async () => {
    const { world, pool } = await adopt(['10.1.0.1', `${BROADCAST}:54`])
    await pool.up('10.1.0.1').catch(ignore)
    await pool.up(`${BROADCAST}:54`).catch(ignore)
    await pass(60_000, 5000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
  })

  it('goes when the last server without a verdict is removed, and the kernel refuses that at first', async () => {
    const { world, pool } = await adopt(['10.1.0.1', '10.1.0.2'])
    await report(pool, '10.1.0.1', true)
    world.refuseAll('EPERM')
    await pool.remove('10.1.0.2').catch(ignore)
    await pass(3000, 1000)
    world.kernel.between(undefined)
    await pass(60_000, 5000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
  })

  it('goes when a list without the undecided server is set beside a refused one', async () => {
    const { world, pool } = await adopt(['10.1.0.1', '10.1.0.2'])
    await report(pool, '10.1.0.1', true)
    await pool.setServers(['10.1.0.1', BROADCAST]).catch(ignore)
    for (const member of [...pool.members()]) {
      const said = { healthy: true, initial: true, reason: 'answered', at: 0 }
      await pool.report(member, said).catch(ignore)
    }
    await pass(60_000, 5000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
  })

  it('goes although its own removal is refused for a while', async () => {
    const { world, pool } = await adopt()
    await report(pool, '10.1.0.1', true)
    world.refuseAll('ENOBUFS')
    await report(pool, '10.1.0.2', true).catch(ignore)
    await pass(10_000, 1000)
    world.kernel.between(undefined)
    await pass(60_000, 5000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  })

  it.each([1, 2, 3, 4])('goes although the table cannot be read %i times', async (times) => {
    const { world, pool } = await adopt()
    await report(pool, '10.1.0.1', true)
    // One of the reads of each look.
    for (let look = 0; look < times; look++) {
      world.kernel.fail({ of: 'read', nth: 1 + look, errno: 'ENOBUFS' })
    }
    await report(pool, '10.1.0.2', true)
    await pass(60_000, 1000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    expect(pool.status().converged).toBe(true)
  })

  it('goes in both families although a server is refused in one', async () => {
    const six =
      '-A -t [2001:db8::1]:53 -s wrr\n-a -t [2001:db8::1]:53 -r [2001:db8::a]:53 -m -w 1\n-a -t [2001:db8::1]:53 -r [2001:db8::99]:53 -m -w 1'
    const world = await ground({ rules: `-A -t 192.0.2.1:53 -s wrr\n${rules}\n${six}` })
    const pool = await world.open({
      fronts: [
        { address: '192.0.2.1', port: 53, protocols: ['tcp'] },
        { address: '2001:db8::1', port: 53, protocols: ['tcp'] },
      ],
      initial: 'adopt',
      servers: [
        { address: '10.1.0.1', secondAddress: '2001:db8::a' },
        { address: '10.1.0.2', secondAddress: LINK_LOCAL },
      ],
    })
    for (const address of ['10.1.0.1', '10.1.0.2']) await report(pool, address, true).catch(ignore)
    await pass(60_000, 5000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    expect(world.held('tcp [2001:db8::1]:53')).toEqual({ '[2001:db8::a]:53': 1 })
  })
})

describe('a drain', () => {
  async function draining(options: Record<string, unknown> = {}) {
    const world = await ground()
    const pool = await world.open({
      servers: [
        { address: '10.1.0.1', weight: 20 },
        { address: '10.1.0.2', weight: 20 },
      ],
      ...options,
    })
    for (const service of [TCP, UDP]) busy(world, service)
    return { world, pool, events: record(pool) }
  }
  const busy = (world: Ground, service: typeof TCP | typeof UDP, active = 1) =>
    world.kernel.connections(
      service,
      { address: '10.1.0.1', port: 53 },
      { active, inactive: active },
    )

  it.each(['EPERM', 'ENOMEM'])(
    'whose last step is refused for a while (%s) is told once it is done',
    async (errno) => {
      const { world, pool, events } = await draining()
      void pool.drain('10.1.0.1', { timeoutMs: 5000 }).catch(ignore)
      await pass(4000, 1000)
      expect(world.held(V4)['10.1.0.1:53']).toBe(0)
      world.refuseAll(errno)
      await pass(20_000, 1000)
      world.kernel.between(undefined)
      await pass(60_000, 2000)
      expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
      expect(events.filter(({ name }) => name === 'drained')).toMatchObject([
        { outcome: 'deadline' },
      ])
    },
  )

  it('whose server fails, and cannot be taken out at first, is told as failed', async () => {
    const { world, pool, events } = await draining()
    void pool.drain('10.1.0.1').catch(ignore)
    await pass(3000, 1000)
    world.refuseAll('ENOBUFS')
    void report(pool, '10.1.0.1', false).catch(ignore)
    await pass(5000, 1000)
    world.kernel.between(undefined)
    await pass(60_000, 2000)
    expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
    expect(events.filter(({ name }) => name === 'drained')).toMatchObject([{ outcome: 'failed' }])
  })

  it('that is aborted while the kernel refuses gives the weight back later, and is told', async () => {
    const { world, pool, events } = await draining()
    const abort = new AbortController()
    const ended = outcome(pool.drain('10.1.0.1', { signal: abort.signal }))
    await pass(3000, 1000)
    world.refuseAll('EPERM')
    abort.abort()
    await pass(5000, 1000)
    world.kernel.between(undefined)
    await pass(60_000, 2000)
    expect(ended.is).not.toBe('pending')
    expect(world.held(V4)['10.1.0.1:53']).toBe(20)
    expect(row(pool, '10.1.0.1').admin).toBe('ready')
    expect(events.filter(({ name }) => name === 'drained')).toMatchObject([
      { outcome: 'cancelled' },
    ])
  })

  it('whose first step is refused for a while goes on', async () => {
    const { world, pool, events } = await draining()
    world.refuseAll('ENOMEM')
    void pool.drain('10.1.0.1', { timeoutMs: 120_000 }).catch(ignore)
    await pass(5000, 1000)
    world.kernel.between(undefined)
    await pass(60_000, 2000)
    expect(world.held(V4)['10.1.0.1:53']).toBe(0)
    for (const service of [TCP, UDP]) busy(world, service, 0)
    await pass(10_000, 1000)
    expect(told(events, 'drained')).toEqual(['drained 10.1.0.1:53'])
    expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
  })

  it('of one that is taken from the pool in its last step ends', async () => {
    const { world, pool } = await draining()
    const ended = outcome(pool.drain('10.1.0.1', { timeoutMs: 5000 }))
    await pass(4000, 1000)
    world.refuseAll('EPERM')
    await pass(2000, 500)
    await pool.remove('10.1.0.1').catch(ignore)
    world.kernel.between(undefined)
    await pass(60_000, 2000)
    expect(ended.is).not.toBe('pending')
    expect(world.held(V4)).toEqual({ '10.1.0.2:53': 20 })
  })

  describe.each([2, 3, 4])('of a server that is drained %i times', (times) => {
    it('gives the weight back when the last one is aborted', async () => {
      const { world, pool } = await draining()
      const aborts = Array.from({ length: times }, () => new AbortController())
      const drains = []
      for (const { signal } of aborts) {
        drains.push(pool.drain('10.1.0.1', { signal }))
        await pass(2500, 500)
      }
      aborts.at(-1)!.abort()
      await pass(5000, 500)
      expect(world.held(V4)['10.1.0.1:53']).toBe(20)
      expect(row(pool, '10.1.0.1').admin).toBe('ready')
      const ends = await Promise.all(drains)
      expect(ends.map((end) => end.outcome)).toEqual(drains.map(() => 'cancelled'))
    })

    it('goes on when an earlier one is aborted', async () => {
      const { world, pool } = await draining()
      const aborts = Array.from({ length: times }, () => new AbortController())
      const drains = aborts.map(({ signal }) => outcome(pool.drain('10.1.0.1', { signal })))
      await pass(2500, 500)
      for (const abort of aborts.slice(0, -1)) abort.abort()
      await pass(5000, 500)
      expect(world.held(V4)['10.1.0.1:53']).toBe(0)
      expect(row(pool, '10.1.0.1').admin).toBe('drain')
      expect(drains.map(({ is }) => is === 'pending')).toEqual(
        drains.map((_, index) => index === times - 1),
      )
    })
  })

  it('that begins in the turn in which another one is aborted gives the weight back when aborted itself', async () => {
    const { world, pool } = await draining()
    const [first, second] = [new AbortController(), new AbortController()]
    void pool.drain('10.1.0.1', { signal: first.signal }).catch(ignore)
    await pass(2500, 500)
    first.abort()
    void pool.drain('10.1.0.1', { signal: second.signal }).catch(ignore)
    await pass(2500, 500)
    expect(world.held(V4)['10.1.0.1:53']).toBe(0)
    second.abort()
    await pass(5000, 500)
    expect(world.held(V4)['10.1.0.1:53']).toBe(20)
  })

  it('that follows at once on another one, both aborted together, gives the weight back', async () => {
    const { world, pool } = await draining()
    const abort = new AbortController()
    const both = [1, 2].map(() => pool.drain('10.1.0.1', { signal: abort.signal }))
    await pass(2500, 500)
    abort.abort()
    await pass(5000, 500)
    await Promise.allSettled(both)
    expect(world.held(V4)['10.1.0.1:53']).toBe(20)
    expect(row(pool, '10.1.0.1').admin).toBe('ready')
  })

  it('of a server that an administrator drains already leaves that word when it is aborted', async () => {
    const { world, pool } = await draining()
    await pool.setAdmin('10.1.0.1', 'drain')
    const aborts = [new AbortController(), new AbortController()]
    for (const { signal } of aborts) {
      void pool.drain('10.1.0.1', { signal }).catch(ignore)
      await pass(2500, 500)
    }
    aborts[1]!.abort()
    await pass(5000, 500)
    expect(row(pool, '10.1.0.1').admin).toBe('drain')
    expect(world.held(V4)['10.1.0.1:53']).toBe(0)
  })

  it('gives back the weight that was set meanwhile, not the one it found', async () => {
    const { world, pool } = await draining()
    const abort = new AbortController()
    void pool.drain('10.1.0.1', { signal: abort.signal }).catch(ignore)
    await pass(2500, 500)
    await pool.setWeight('10.1.0.1', 7)
    abort.abort()
    await pass(5000, 500)
    expect(world.held(V4)['10.1.0.1:53']).toBe(7)
  })

  it.each(['before', 'after'])(
    'leaves what setAdmin says in the turn of its abort (said %s it)',
    async (when) => {
      const { world, pool } = await draining()
      const abort = new AbortController()
      void pool.drain('10.1.0.1', { signal: abort.signal }).catch(ignore)
      await pass(2500, 500)
      if (when === 'after') abort.abort()
      const said = pool.setAdmin('10.1.0.1', 'maintenance')
      if (when === 'before') abort.abort()
      await said
      await pass(5000, 500)
      expect(row(pool, '10.1.0.1').admin).toBe('maintenance')
      expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
    },
  )

  it.each(['ready', 'maintenance', 'drain'] as const)(
    'leaves what setAdmin (%s) says while its last step is refused',
    async (admin) => {
      const { world, pool } = await draining()
      void pool.drain('10.1.0.1', { timeoutMs: 5000 }).catch(ignore)
      await pass(4500, 500)
      world.refuseAll('EPERM')
      await pass(2000, 500)
      void pool.setAdmin('10.1.0.1', admin).catch(ignore)
      await pass(2000, 500)
      world.kernel.between(undefined)
      await pass(60_000, 5000)
      expect(row(pool, '10.1.0.1').admin).toBe(admin)
      const held = { ready: 20, drain: 0, maintenance: undefined }[admin]
      expect(world.held(V4)['10.1.0.1:53']).toBe(held)
    },
  )

  it('of a server that left and came back says nothing of the new one when it is aborted', async () => {
    const { world, pool } = await draining()
    const abort = new AbortController()
    void pool.drain('10.1.0.1', { signal: abort.signal }).catch(ignore)
    await pass(2500, 500)
    await pool.remove('10.1.0.1')
    await pool.add({ address: '10.1.0.1', weight: 3 })
    await pool.setAdmin('10.1.0.1', 'drain')
    abort.abort()
    await pass(5000, 500)
    expect(row(pool, '10.1.0.1').admin).toBe('drain')
    expect(world.held(V4)['10.1.0.1:53']).toBe(0)
  })

  it('that is refused for its arguments leaves the one that is under way alone', async () => {
    const { world, pool } = await draining()
    const ended = outcome(pool.drain('10.1.0.1'))
    await pass(2500, 500)
    await expect(pool.drain('10.1.0.1', { timeoutMs: Number.NaN })).rejects.toMatchObject({
      code: 'ERR_IPVS_ARGUMENT',
    })
    await quiet()
    expect(ended.is).toBe('pending')
    expect(world.held(V4)['10.1.0.1:53']).toBe(0)
  })
})
