// Kind 3: what is not declared is part of the book too.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { MirroredPool } from '../../../../src/index.js'
import {
  BROADCAST,
  closeAll,
  FRONTS,
  type Ground,
  ground,
  ignore,
  pass,
  quiet,
  record,
  report,
  stopTime,
  TCP,
  told,
  UDP,
  V4,
  V6,
} from './ground.js'

beforeEach(stopTime)
afterEach(closeAll)

/** How many turns of the event loop there are between the beginning of the sweep and the call. */
const TURNS = Array.from({ length: 10 }, (_, turns) => turns)

const found = (address: string, service = TCP as typeof TCP | typeof UDP, weight = 1) =>
  ({
    op: 'ensure-destination',
    service,
    destination: { address, port: 53, forwarding: 'masquerade', weight },
  }) as const

/** Runs a story with each of these timings. */
async function always(story: (turns: number) => Promise<void>): Promise<void> {
  const wrong: string[] = []
  for (const turns of TURNS) {
    await story(turns).catch((error: Error) => wrong.push(`${turns} turns: ${error.message}`))
  }
  expect(wrong).toEqual([])
}

/** What the pool says of a server's fronts is what they hold. */
function agree(world: Ground, pool: MirroredPool): void {
  for (const { server, fronts } of pool.status().servers) {
    for (const [service, held] of Object.entries(fronts)) {
      if (service.includes('[')) continue
      expect([server, service, world.held(service)[server] ?? 'absent']).toEqual([
        server,
        service,
        held,
      ])
    }
  }
}

async function swept(
  turns: number,
  options: Record<string, unknown>,
  edits: readonly ReturnType<typeof found>[],
  call: (pool: MirroredPool) => Promise<unknown>,
) {
  const world = await ground()
  const pool = await world.open({ protocols: ['tcp'], ...options })
  world.other.applySync(edits)
  const sweep = pool.reconcile()
  await quiet(turns)
  await call(pool).catch(ignore)
  await sweep.catch(ignore)
  await pass(60_000, 20_000)
  return { world, pool }
}

describe('a server that was not declared, whenever in its sweep it', () => {
  it('comes with a list, and stays', () =>
    always(async (turns) => {
      const { world, pool } = await swept(turns, {}, [found('10.1.0.7')], (pool) =>
        pool.setServers(['10.1.0.7', { address: '10.1.0.2', weight: 3 }]),
      )
      expect(world.held(V4)).toEqual({ '10.1.0.7:53': 1, '10.1.0.2:53': 3 })
      agree(world, pool)
    }))

  it('is found on one of two fronts, and comes to both', () =>
    always(async (turns) => {
      const { world, pool } = await swept(
        turns,
        { protocols: ['tcp', 'udp'] },
        [found('10.1.0.7', UDP, 5)],
        (pool) => pool.add({ address: '10.1.0.7', weight: 5 }),
      )
      for (const service of [V4, 'udp 192.0.2.1:53']) {
        expect(world.held(service)).toMatchObject({ '10.1.0.7:53': 5 })
      }
      agree(world, pool)
    }))

  it('comes as a backup, and is there when it is needed', () =>
    always(async (turns) => {
      const { world, pool } = await swept(
        turns,
        { servers: ['10.1.0.1'] },
        [found('10.1.0.7')],
        (pool) => pool.add('10.1.0.7', { backup: true }),
      )
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
      await pool.down('10.1.0.1')
      expect(world.held(V4)).toEqual({ '10.1.0.7:53': 1 })
    }))

  it('comes as the second address of another one', () =>
    always(async (turns) => {
      const { world } = await swept(
        turns,
        {
          fronts: FRONTS,
          servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }],
          protocols: undefined,
        },
        [
          {
            op: 'ensure-destination',
            service: { protocol: 'tcp', address: '2001:db8::1', port: 53 },
            destination: { address: '2001:db8::b', port: 53, forwarding: 'masquerade' },
          } as never,
        ],
        (pool) =>
          pool.setServers([
            { address: '10.1.0.1', secondAddress: '2001:db8::a' },
            { address: '10.1.0.2', secondAddress: '2001:db8::b' },
          ]),
      )
      expect(world.held(V6)).toEqual({ '[2001:db8::a]:53': 1, '[2001:db8::b]:53': 1 })
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    }))

  it('comes, goes and comes again', () =>
    always(async (turns) => {
      const { world, pool } = await swept(turns, {}, [found('10.1.0.7')], async (pool) => {
        const all = [pool.add('10.1.0.7'), pool.remove('10.1.0.7'), pool.add('10.1.0.7')]
        await Promise.allSettled(all)
      })
      expect(world.held(V4)).toHaveProperty('10.1.0.7:53')
      agree(world, pool)
    }))

  it('comes and goes, and is gone', () =>
    always(async (turns) => {
      const { world } = await swept(turns, {}, [found('10.1.0.7')], async (pool) => {
        await Promise.allSettled([pool.add('10.1.0.7'), pool.remove('10.1.0.7')])
      })
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    }))

  it('comes although its removal was refused at first', () =>
    always(async (turns) => {
      const world = await ground()
      const pool = await world.open({ protocols: ['tcp'] })
      world.other.applySync([found('10.1.0.7')])
      world.kernel.fail({ nth: 1, errno: 'ENOMEM' })
      const sweep = pool.reconcile()
      await quiet(turns)
      await pool.add({ address: '10.1.0.7', weight: 4 }).catch(ignore)
      await sweep.catch(ignore)
      await pass(60_000, 20_000)
      expect(world.held(V4)).toMatchObject({ '10.1.0.7:53': 4 })
      agree(world, pool)
    }))

  it('comes while the wait of an adopting pool ends with the last verdict', () =>
    always(async (turns) => {
      const rule = (address: string) => `-a -t 192.0.2.1:53 -r ${address}:53 -m -w 1`
      const rules = ['10.1.0.1', '10.1.0.2', '10.1.0.7'].map(rule).join('\n')
      const world = await ground({ rules: `-A -t 192.0.2.1:53 -s wrr\n${rules}` })
      const pool = await world.open({ protocols: ['tcp'], initial: 'adopt' })
      await report(pool, '10.1.0.1', true)
      const last = report(pool, '10.1.0.2', true)
      await quiet(turns)
      await pool.add('10.1.0.7')
      await pool.up('10.1.0.7')
      await last
      await pass(60_000, 20_000)
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1, '10.1.0.7:53': 1 })
      agree(world, pool)
    }))

  it('comes while a server that leaves under the same key is on its way out', () =>
    always(async (turns) => {
      const world = await ground()
      const pool = await world.open({ protocols: ['tcp'] })
      world.other.applySync([found('10.1.0.7')])
      const sweep = pool.reconcile()
      const leaves = pool.setServers(['10.1.0.1'])
      await quiet(turns)
      await pool.setServers(['10.1.0.1', '10.1.0.2', '10.1.0.7']).catch(ignore)
      await Promise.allSettled([sweep, leaves])
      await pass(60_000, 20_000)
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1, '10.1.0.7:53': 1 })
      agree(world, pool)
    }))
})

describe('a server that is not declared', () => {
  it('and left alone, as only reported, is the pool’s own once it is added, and goes with it', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], drift: 'report' })
    world.other.applySync([found('10.1.0.7', TCP, 9)])
    await pool.reconcile()
    expect(world.held(V4)).toMatchObject({ '10.1.0.7:53': 9 })
    await pool.add({ address: '10.1.0.7', weight: 2 })
    expect(world.held(V4)).toMatchObject({ '10.1.0.7:53': 2 })
    await pool.remove('10.1.0.7')
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  })

  it('and gone by itself is added anew, or found missing, although the pool has seen it', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], drift: 'report' })
    world.other.applySync([found('10.1.0.7')])
    await pool.reconcile()
    await world.other.removeDestination(TCP, { address: '10.1.0.7', port: 53 })
    await pool.add('10.1.0.7').catch(ignore)
    await pool.reconcile().catch(ignore)
    await pass(60_000, 5000)
    const said = pool.status().servers.at(-1)!.fronts[V4]
    expect(said).toBe(world.held(V4)['10.1.0.7:53'] ?? 'absent')
  })

  it('whose removal is refused is removed later, without being asked again', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'] })
    world.other.applySync([found('10.1.0.7')])
    for (const nth of [1, 2, 3, 4]) world.kernel.fail({ nth, errno: 'ENOBUFS' })
    await pool.reconcile().catch(ignore)
    await pass(60_000, 5000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    expect(pool.status().converged).toBe(true)
  })

  it('whose removal has an unknown outcome can be added', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'] })
    world.other.applySync([found('10.1.0.7')])
    world.kernel.fail({ nth: 1, errno: 'unknown' })
    const sweep = pool.reconcile()
    await quiet(4)
    await pool.add('10.1.0.7').catch(ignore)
    await sweep.catch(ignore)
    await pass(60_000, 5000)
    expect(world.held(V4)).toHaveProperty('10.1.0.7:53')
    agree(world, pool)
  })

  it('is put back by its writer while it is swept, and goes with the next look', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'] })
    world.other.applySync([found('10.1.0.7')])
    await pool.reconcile()
    world.other.applySync([found('10.1.0.7')])
    await pool.reconcile()
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  })
})

describe('what is not declared, and kept until somebody else serves, goes without being asked again', () => {
  it('when that one comes while it is swept', () =>
    always(async (turns) => {
      const { world, pool } = await swept(
        turns,
        { servers: ['10.1.0.1'] },
        [found('10.1.0.7', TCP, 77)],
        (pool) => pool.setServers(['10.1.0.2']),
      )
      expect(world.held(V4)).toEqual({ '10.1.0.2:53': 1 })
      expect(pool.status().converged).toBe(true)
    }))

  it('when a server that is refused gives way to another one', async () => {
    const rules = '-A -t 192.0.2.1:53 -s wrr\n-a -t 192.0.2.1:53 -r 10.9.9.9:53 -m -w 1'
    const world = await ground({ rules })
    const pool = await world.open({ protocols: ['tcp'], servers: [BROADCAST] })
    expect(world.held(V4)).toEqual({ '10.9.9.9:53': 1 })
    await pool.setServers(['10.1.0.1'])
    await pass(5000, 1000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
    expect(pool.status().converged).toBe(true)
  })
})

describe('a look whose answers are old when they come', () => {
  it.each([1, 2])('does not take for drift what was changed meanwhile (read %i)', (nth) =>
    always(async (turns) => {
      const world = await ground()
      const pool = await world.open({ protocols: ['tcp'] })
      const events = record(pool)
      world.kernel.fail({ of: 'read', nth, errno: 'late' })
      const look = pool.reconcile()
      await quiet(turns)
      await Promise.all([
        pool.setWeight('10.1.0.1', 7),
        pool.down('10.1.0.2'),
        pool.add('10.1.0.7'),
      ])
      expect((await look).changes).toEqual([])
      await quiet()
      expect(told(events, 'drift', 'diverged', 'error')).toEqual([])
      expect(world.held(V4)).toEqual({ '10.1.0.1:53': 7, '10.1.0.7:53': 1 })
    }),
  )
})

it('what a server has left is found out by itself when the answers of a withdrawal are lost', () =>
  always(async (turns) => {
    const world = await ground()
    const pool = await world.open({
      servers: ['10.1.0.1'],
      backup: ['10.1.0.9'],
      quorum: { up: 2, down: 1, onLost: 'withdraw' },
    })
    world.kernel.fail({ nth: 1, errno: 'lost' })
    const look = pool.reconcile()
    await quiet(turns)
    const calls = [pool.remove('10.1.0.9')]
    pool.status()
    calls.push(pool.setServers(['10.1.0.1', '10.1.0.2']))
    await Promise.allSettled([look, ...calls])
    await pass(10_000, 1000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
    expect(pool.status().converged).toBe(true)
  }))

describe('a server that leaves with its services, which cannot be taken away and come back', () => {
  it.each([1, 2])('is gone in the end, whenever others come (change %i is refused)', (nth) =>
    always(async (turns) => {
      const world = await ground()
      const quorum = { up: 1, onLost: 'withdraw' } as const
      const pool = await world.open({ servers: ['10.1.0.2'], quorum })
      world.kernel.fail({ nth, errno: 'ENOMEM' })
      const left = pool.remove('10.1.0.2')
      left.catch(ignore)
      await quiet(turns)
      await pool.setServers(['10.1.0.3', '10.1.0.1'])
      await left
      await pass(60_000, 20_000)
      const both = { '10.1.0.1:53': 1, '10.1.0.3:53': 1 }
      expect(world.table()).toEqual({ [V4]: both, 'udp 192.0.2.1:53': both })
    }),
  )
})
