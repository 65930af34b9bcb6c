// Kind 10: events ascend, whatever a listener throws or calls, and tell of nothing that has not happened.
import { channel } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { MirroredPool, MirroredPoolEvents } from '../../../../src/index.js'
import {
  type AnyEvent,
  BROADCAST,
  closeAll,
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
  V4,
} from './ground.js'

beforeEach(stopTime)
afterEach(async () => {
  vi.restoreAllMocks()
  await closeAll()
})

function ascend(events: readonly { readonly sequence: number }[], least = 2): void {
  const numbers = events.map(({ sequence }) => sequence)
  expect(numbers.length).toBeGreaterThanOrEqual(least)
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  expect(new Set(numbers).size).toBe(numbers.length)
}

const fault = () => {
  throw new Error('a fault in a listener')
}

/** Something of every kind, by the event that it ends in. */
const OCCASIONS: Readonly<Record<string, (pool: MirroredPool, world: Ground) => Promise<unknown>>> =
  {
    down: (pool) => pool.down('10.1.0.1'),
    up: async (pool) => {
      await pool.down('10.1.0.1')
      await pool.up('10.1.0.1')
    },
    quorum: async (pool) => {
      await pool.down('10.1.0.1')
      await pool.down('10.1.0.2')
    },
    drained: (pool) => pool.drain('10.1.0.1', { timeoutMs: 0 }),
    drift: async (pool, { other }) => {
      await other.removeDestination(TCP, { address: '10.1.0.1', port: 53 })
      await pool.reconcile()
      await pool.down('10.1.0.1')
    },
    warning: async (pool) => {
      const empty = async function* () {
        yield []
      }
      await pool.follow(empty())
      await pool.down('10.1.0.1')
    },
  }

describe('events ascend where a listener', () => {
  it.each(Object.keys(OCCASIONS))('of %s throws', async (name) => {
    const world = await ground()
    const pool = await world.open({ quorum: { up: 1 } })
    pool.on(name as keyof MirroredPoolEvents, fault)
    const events = record(pool)
    const occasion = outcomeOf(OCCASIONS[name]!(pool, world))
    await pass(10_000, 500)
    await occasion
    ascend(events)
    expect(told(events, 'error').length).toBeGreaterThan(0)
  })

  it('of each kind throws, and so does one of error', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(ignore)
    const world = await ground()
    const pool = await world.open({ quorum: { up: 1 } })
    for (const name of ['up', 'down', 'quorum', 'error'] as const) pool.on(name, fault)
    const events = record(pool)
    for (const act of ['down', 'up', 'down'] as const) {
      await Promise.all(['10.1.0.1', '10.1.0.2'].map((server) => pool[act](server)))
    }
    await quiet()
    ascend(events, 10)
    expect(warned).toHaveBeenCalled()
  })

  it('that is called once throws, among others', async () => {
    const world = await ground()
    const pool = await world.open()
    const seen: { sequence: number }[] = []
    pool.once('down', fault)
    pool.on('down', (event) => seen.push(event))
    pool.once('down', fault)
    pool.on('error', (event) => seen.push(event))
    await pool.down('10.1.0.1')
    ascend(seen, 3)
  })

  it('rejects later', async () => {
    const world = await ground()
    const pool = await world.open()
    pool.on('down', async () => fault())
    const events = record(pool)
    await Promise.all([pool.down('10.1.0.1'), pool.down('10.1.0.2')])
    await quiet()
    ascend(events, 4)
  })

  it.each<[string, (pool: MirroredPool) => unknown]>([
    // Persistence brings new connections to a server that is drained: a warning, told at once.
    ['drains a server', (pool) => pool.setAdmin('10.1.0.2', 'drain')],
    ['adds a server, of which a listener of the list cannot hear', (pool) => pool.add('10.1.0.7')],
    ['takes a server out', (pool) => pool.down('10.1.0.2')],
    ['looks at the table', (pool) => pool.reconcile()],
    ['reads the status', (pool) => pool.status()],
    ['closes the pool', (pool) => pool.close()],
    ['removes its server', (pool) => pool.remove('10.1.0.1')],
    ['brings its server back', (pool) => pool.up('10.1.0.1')],
  ])('calls the pool again: %s', async (_, call) => {
    const world = await ground({ sysctls: { expire_quiescent_template: 0 } })
    const pool = await world.open({
      protocols: ['tcp'],
      persistence: { timeoutSeconds: 60 },
      quorum: { up: 2 },
      panic: { minHealthyPercent: 10, action: 'freeze' },
    })
    pool.onMembers(fault)
    let again = true
    pool.on('down', () => {
      if (!again) return
      again = false
      const said = call(pool)
      if (said instanceof Promise) said.catch(ignore)
    })
    const events = record(pool)
    await pool.down('10.1.0.1')
    await pass(5000, 1000)
    ascend(events, 1)
  })

  it('calls again from within error', async () => {
    const world = await ground()
    const pool = await world.open()
    pool.onMembers(fault)
    let left = 2
    pool.on('error', () => {
      if (left-- > 0) void pool.add(`10.1.0.${7 + left}`).catch(ignore)
    })
    const events = record(pool)
    await pool.add('10.1.0.6')
    await quiet()
    ascend(events, 3)
  })

  it('hears of the opening, and throws', async () => {
    const world = await ground({
      sysctls: { expire_nodest_conn: 0 },
      rules: '-A -t 192.0.2.1:53 -s rr\n-a -t 192.0.2.1:53 -r 10.1.0.1:53 -m -w 9',
    })
    const { MirroredPool } = await import('../../../../src/index.js')
    const pool = await MirroredPool.open(world.ipvs, {
      address: '192.0.2.1',
      port: 53,
      scheduler: 'wrr',
      forwarding: 'masquerade',
      servers: ['10.1.0.1'],
      quorum: { up: 1 },
      reconcileIntervalMs: 0,
    })
    pool.on('drift', fault)
    pool.on('warning', fault)
    const events = record(pool)
    const down = pool.down('10.1.0.1')
    await down
    await quiet()
    ascend(events, 6)
    await pool.close()
  })
})

it('subscribers of the channels hear events in their order, whatever one of them calls', async () => {
  const world = await ground({ sysctls: { expire_quiescent_template: 0 } })
  const pool = await world.open({ protocols: ['tcp'], persistence: { timeoutSeconds: 60 } })
  const heard: { sequence: number }[] = []
  const calls = () => void pool.setAdmin('10.1.0.2', 'drain').catch(ignore)
  const hears = (event: unknown) => void heard.push(event as { sequence: number })
  const subscriptions = [
    ['ipvs:down', calls],
    ['ipvs:down', hears],
    ['ipvs:warning', hears],
  ] as const
  for (const [name, subscriber] of subscriptions) channel(name).subscribe(subscriber)
  try {
    await pool.down('10.1.0.1')
    await quiet()
  } finally {
    for (const [name, subscriber] of subscriptions) channel(name).unsubscribe(subscriber)
  }
  ascend(heard)
})

describe('nothing is told of', () => {
  it('a refused server that its check calls healthy, then sick', async () => {
    const world = await ground()
    const pool = await world.open({ initial: 'down' })
    const events = record(pool)
    await pool.add(BROADCAST).catch(ignore)
    await report(pool, BROADCAST, true).catch(ignore)
    await report(pool, BROADCAST, false).catch(ignore)
    await pass(60_000, 5000)
    expect(told(events, 'up')).toEqual([])
  })

  it('one that the kernel takes only after it has failed again', async () => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], initial: 'down' })
    const events = record(pool)
    world.refuseAll('EPERM')
    await report(pool, '10.1.0.1', true).catch(ignore)
    await report(pool, '10.1.0.1', false).catch(ignore)
    world.kernel.between(undefined)
    await pass(60_000, 5000)
    expect(told(events, 'up')).toEqual([])
    expect(world.held(V4)).toEqual({})
  })

  it('one that waits for its turn and is removed meanwhile', async () => {
    const { pool, events } = await waits()
    await pool.remove('10.1.0.2')
    await pass(180_000, 10_000)
    expect(told(events, 'up')).toEqual([])
  })

  it('one that waits for its turn, fails, and waits again, until it comes', async () => {
    const { world, pool, events } = await waits()
    for (let i = 0; i < 3; i++) {
      await Promise.allSettled([report(pool, '10.1.0.2', false), report(pool, '10.1.0.2', true)])
      await quiet()
    }
    expect(told(events, 'up', 'down')).toEqual([])
    await pass(180_000, 10_000)
    expect(told(events, 'up', 'down')).toEqual(['up 10.1.0.2:53'])
    expect(world.held(V4)).toHaveProperty('10.1.0.2:53')
  })

  it('one that waits, fails in a later turn, and stays out', async () => {
    const { pool, events } = await waits()
    await report(pool, '10.1.0.2', false)
    await pass(180_000, 10_000)
    expect(told(events, 'up')).toEqual([])
  })

  it.each(['calls', 'verdicts'])('one that is up and down again in one turn, by %s', async (by) => {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], initial: 'down' })
    await report(pool, '10.1.0.2', false)
    const events = record(pool)
    let was = false
    world.before(() => {
      was ||= '10.1.0.2:53' in world.held(V4)
    })
    await Promise.allSettled(
      by === 'calls'
        ? [pool.up('10.1.0.2'), pool.down('10.1.0.2')]
        : [report(pool, '10.1.0.2', true), report(pool, '10.1.0.2', false)],
    )
    await quiet()
    expect(was || told(events, 'up').length === 0).toBe(true)
  })

  /** Two servers, of which the second one is healthy again, and has to wait. */
  async function waits() {
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], maxChangesPerMinute: 1 })
    for (const address of ['10.1.0.1', '10.1.0.2']) await report(pool, address, true)
    await report(pool, '10.1.0.2', false)
    const events = record(pool)
    await report(pool, '10.1.0.2', true)
    expect(told(events, 'up')).toEqual([])
    return { world, pool, events }
  }
})

it.each([1, 2, 3, 4])(
  'up and down alternate for each server, and end as it is (seed %i)',
  async (seed) => {
    let state = seed * 2_654_435_761
    const draw = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const world = await ground()
    const pool = await world.open({ protocols: ['tcp'], quorum: { up: 2 } })
    const events = record(pool)
    for (let step = 0; step < 80; step++) {
      const address = `10.1.0.${1 + draw(2)}`
      if (draw(4) === 0) world.kernel.fail({ nth: 1 + draw(3), errno: 'ENOMEM' })
      void report(pool, address, draw(2) === 0).catch(ignore)
      if (draw(3) === 0) await quiet(draw(6))
    }
    await pass(120_000, 5000)
    ascend(events)
    for (const { server, health } of pool.status().servers) {
      const own: AnyEvent[] = events.filter((event) => event.server === server)
      const names = own.map(({ name }) => name).filter((name) => name === 'up' || name === 'down')
      expect(names).toEqual(names.map((_, index) => (index % 2 === 0 ? 'down' : 'up')))
      expect(names.at(-1) ?? 'up').toBe(health)
      expect(server in world.held(V4)).toBe(health === 'up')
    }
  },
)

async function outcomeOf(promise: Promise<unknown>): Promise<void> {
  await promise.catch(ignore)
}

it('the quorum is told as it was judged last, whatever order the answers come in', async () => {
  const world = await ground()
  const pool = await world.open({ servers: ['10.1.0.1'], backup: ['10.1.0.9'] })
  const events = record(pool)
  const listed = pool.setServers(['10.1.0.2'])
  pool.status()
  // The list is answered after this: the old server leaves when the new one is there.
  const out = pool.setAdmin('10.1.0.2', 'maintenance')
  await Promise.allSettled([listed, out])
  await quiet()
  expect(pool.status().quorum).toBe(false)
  expect(told(events, 'quorum')).toEqual(['quorum false'])
  expect(world.held(V4)).toEqual({ '10.1.0.9:53': 1 })
})
