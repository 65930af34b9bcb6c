// Kind 2: one refused server does not silence the others, and counts for nothing.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  BROADCAST,
  closeAll,
  FRONTS,
  ground,
  ignore,
  LINK_LOCAL,
  memberOf,
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

const REFUSED = `${BROADCAST}:2500`
const GOOD = ['10.1.0.1', '10.1.0.2', '10.1.0.3']

/** A pool of three good servers, and a fourth one that the kernel refuses. */
async function beside(options: Record<string, unknown> = {}, refused: unknown = REFUSED) {
  const world = await ground()
  const pool = await world.open({ servers: GOOD, ...options })
  await pool.add(refused as string).catch(ignore)
  await quiet()
  return { world, pool, events: record(pool) }
}

describe('beside a refused server', () => {
  it('verdicts about healthy ones resolve, and are told before they do', async () => {
    const { pool, events } = await beside({ quorum: { up: 2 } })
    for (const address of GOOD) await report(pool, address, true, { initial: true })
    await report(pool, '10.1.0.1', false)
    expect(told(events, 'up', 'down')).toEqual(['down 10.1.0.1:53'])
    await report(pool, '10.1.0.1', true)
    expect(told(events, 'up', 'down')).toEqual(['down 10.1.0.1:53', 'up 10.1.0.1:53'])
  })

  it.each([
    ['tcp only', { protocols: ['tcp'] }, REFUSED],
    [
      'in the other family only',
      {
        fronts: FRONTS,
        servers: GOOD.map((address, i) => ({ address, secondAddress: `2001:db8::a${i}` })),
      },
      { address: '10.1.0.9', secondAddress: LINK_LOCAL },
    ],
    [
      'with a quorum in weight',
      { quorum: { up: 3, unit: 'weight' } },
      { address: BROADCAST, weight: 90 },
    ],
  ])('the quorum is told when it is lost and regained (%s)', async (_, options, refused) => {
    const { pool, events } = await beside({ quorum: { up: 3 }, ...options }, refused)
    await pool.down('10.1.0.2').catch(ignore)
    expect(told(events, 'quorum')).toEqual(['quorum false'])
    expect(pool.status().quorum).toBe(false)
    await pool.up('10.1.0.2').catch(ignore)
    expect(told(events, 'quorum', 'up', 'down')).toEqual([
      'down 10.1.0.2:53',
      'quorum false',
      'up 10.1.0.2:53',
      'quorum true',
    ])
  })

  it('a drain ends with its event', async () => {
    const { world, pool, events } = await beside({ quorum: { up: 3 }, backup: [`${BROADCAST}:54`] })
    world.kernel.connections(TCP, { address: '10.1.0.1', port: 53 }, { active: 2 })
    const drained = outcome(pool.drain('10.1.0.1', { timeoutMs: 5000 }))
    await pass(30_000, 1000)
    expect(drained.is).not.toBe('pending')
    expect(told(events, 'drained')).toEqual(['drained 10.1.0.1:53'])
    expect(world.held(V4)).not.toHaveProperty('10.1.0.1:53')
  })

  it('weights, thresholds and lists of the others are set, and resolve', async () => {
    const { world, pool } = await beside()
    await pool.setWeight('10.1.0.1', 7)
    await pool.setAdmin('10.1.0.2', 'drain')
    await pool.remove('10.1.0.3')
    await pool.add('10.1.0.4')
    const wanted = { '10.1.0.1:53': 7, '10.1.0.2:53': 0, '10.1.0.4:53': 1 }
    expect(world.table()).toEqual({ [V4]: wanted, 'udp 192.0.2.1:53': wanted })
  })

  it('a server that fails is told although a refused backup is called for', async () => {
    const world = await ground()
    const pool = await world.open({
      servers: ['10.1.0.1', '10.1.0.2'],
      quorum: { up: 2 },
      backup: [REFUSED],
    })
    const events = record(pool)
    await report(pool, '10.1.0.1', false).catch(ignore)
    await pass(2000, 500)
    expect(told(events, 'down', 'quorum')).toEqual(['down 10.1.0.1:53', 'quorum false'])
  })
})

it('a verdict about a healthy server resolves although another one that comes with it is refused', async () => {
  const world = await ground()
  await world.other.startSyncDaemon({ role: 'master', interface: 'eth0', syncId: 1 })
  // Without enough servers none serves; the second one brings both.
  const pool = await world.open({
    protocols: ['tcp'],
    forwarding: 'tunnel',
    servers: ['10.1.0.1', '10.1.0.2', '2001:db8::7'],
    initial: 'down',
    quorum: { up: 2, onLost: 'refuse' },
  })
  const events = record(pool)
  await report(pool, '2001:db8::7', true).catch(ignore)
  await report(pool, '10.1.0.1', true)
  await report(pool, '10.1.0.2', true)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  expect(told(events, 'up')).toEqual(expect.arrayContaining(['up 10.1.0.1:53', 'up 10.1.0.2:53']))
  expect(told(events, 'quorum').at(-1)).toBe('quorum true')
})

describe('a refused server', () => {
  it('does not make the quorum at the opening', async () => {
    const world = await ground()
    const pool = await world.open({ servers: ['10.1.0.1', REFUSED], quorum: { up: 2 } })
    expect(pool.status().quorum).toBe(false)
    expect(row(pool, '10.1.0.1').serves).toBe(true)
  })

  it('has no weight in the quorum', async () => {
    const world = await ground()
    const servers = [
      { address: '10.1.0.1', weight: 10 },
      { address: BROADCAST, weight: 90 },
    ]
    const pool = await world.open({ servers, quorum: { up: 50, unit: 'weight' } })
    expect(pool.status().quorum).toBe(false)
  })

  it('has no weight in the event either', async () => {
    const { pool, events } = await beside(
      { quorum: { up: 3, unit: 'weight' } },
      { address: BROADCAST, weight: 90 },
    )
    await pool.down('10.1.0.1')
    expect(events.filter(({ name }) => name === 'quorum')).toMatchObject([
      { after: false, amount: 2 },
    ])
  })

  it('that its check calls healthy counts no more for it', async () => {
    const { pool, events } = await beside({ quorum: { up: 4 } })
    const server = memberOf(pool, BROADCAST)
    for (let again = 0; again < 3; again++) {
      await pool
        .report(server, { healthy: true, initial: again === 0, reason: 'answered', at: 0 })
        .catch(ignore)
    }
    expect(pool.status().quorum).toBe(false)
    expect(told(events, 'quorum')).not.toContain('quorum true')
  })

  it('does not serve, and so keeps no backup out', async () => {
    const world = await ground()
    const pool = await world.open({ servers: [REFUSED], backup: ['10.1.0.9'] })
    await pass(5000, 1000)
    expect(world.held(V4)).toEqual({ '10.1.0.9:53': 1 })
    expect(row(pool, BROADCAST).serves).toBe(false)
    expect(row(pool, '10.1.0.9').serves).toBe(true)
  })

  it('keeps no backup out of what a quorum asks for', async () => {
    const world = await ground()
    await world.open({ servers: ['10.1.0.1', REFUSED], quorum: { up: 2 }, backup: ['10.1.0.9'] })
    await pass(5000, 1000)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.9:53': 1 })
  })

  it('keeps no backup out when the last good one fails', async () => {
    const world = await ground()
    const pool = await world.open({ servers: ['10.1.0.1'], backup: ['10.1.0.9'] })
    await pool.add(REFUSED).catch(ignore)
    await pool.down('10.1.0.1').catch(ignore)
    await pass(5000, 1000)
    expect(world.held(V4)).toEqual({ '10.1.0.9:53': 1 })
    expect(world.held('udp 192.0.2.1:53')).toEqual({ '10.1.0.9:53': 1 })
  })

  it('counts from the moment at which the kernel takes it', async () => {
    const world = await ground()
    const pool = await world.open({
      protocols: ['tcp'],
      forwarding: 'tunnel',
      servers: ['10.1.0.1'],
      quorum: { up: 2 },
    })
    const events = record(pool)
    await world.other.startSyncDaemon({ role: 'master', interface: 'eth0', syncId: 1 })
    await pool.add('2001:db8::7').catch(ignore)
    await pass(10_000, 1000)
    expect(told(events, 'quorum')).toEqual([])
    await world.other.stopSyncDaemon('master')
    await pass(60_000, 5000)
    expect(told(events, 'quorum')).toEqual(['quorum true'])
    expect(pool.status().quorum).toBe(true)
  })

  it('counts no more once it has been lost and does not come back', async () => {
    const world = await ground()
    const servers = ['10.1.0.1', '2001:db8::7']
    const options = { protocols: ['tcp'], forwarding: 'tunnel', servers, quorum: { up: 2 } }
    const pool = await world.open(options)
    const events = record(pool)
    expect(pool.status().quorum).toBe(true)
    await world.other.removeDestination(TCP, { address: '2001:db8::7', port: 53 })
    await world.other.startSyncDaemon({ role: 'master', interface: 'eth0', syncId: 1 })
    await pool.reconcile().catch(ignore)
    await pass(5000, 1000)
    expect(pool.status().quorum).toBe(false)
    expect(told(events, 'quorum')).toEqual(['quorum false'])
  })

  it('that is missing on both fronts of an address is refused once, and told as an error', async () => {
    const { pool, events } = await beside()
    await pass(1000)
    await pool.reconcile().catch(ignore)
    expect(row(pool, BROADCAST).error).toEqual(expect.any(String))
    const about = events.filter((event) => event.name === 'error')
    expect(about.every((event) => event.server === `${BROADCAST}:2500`)).toBe(true)
  })
})

it('an event waits for its own places only: a weight of another server that is refused does not hold it', async () => {
  const world = await ground()
  const pool = await world.open({ servers: GOOD, quorum: { up: 3 } })
  const events = record(pool)
  // The same batch: two changes of weight that are refused, and two removals that are not.
  for (const nth of [1, 2]) world.kernel.fail({ nth, errno: 'EPERM' })
  const both = Promise.allSettled([pool.setWeight('10.1.0.1', 9), pool.down('10.1.0.2')])
  await both
  await quiet()
  expect(told(events, 'down', 'quorum')).toEqual(['down 10.1.0.2:53', 'quorum false'])
})

it('a kernel that refuses everything of one server, and then nothing, has told each change once', async () => {
  const { world, pool, events } = await beside()
  await pool.down('10.1.0.3')
  const refused = world.refuseAll('EPERM')
  await pool.up('10.1.0.3').catch(ignore)
  await pass(3000, 1000)
  expect(refused.count).toBeGreaterThan(0)
  expect(told(events, 'up')).toEqual([])
  world.kernel.between(undefined)
  await pass(60_000, 5000)
  expect(told(events, 'up', 'down')).toEqual(['down 10.1.0.3:53', 'up 10.1.0.3:53'])
  expect(world.held(V4)).toHaveProperty('10.1.0.3:53')
})

it('a front whose service is gone and refused does not hold what is told of the other fronts', async () => {
  const world = await ground()
  const pool = await world.open({ servers: GOOD, quorum: { up: 3 } })
  const events = record(pool)
  const { held } = world
  await world.other.removeService(UDP)
  const refused = world.refuseAll('ENOMEM')
  await pool.reconcile().catch(ignore)
  await pass(3000, 1000)
  expect(refused.count).toBeGreaterThan(0)
  world.kernel.between(undefined)
  await pool.down('10.1.0.1').catch(ignore)
  await pass(60_000, 5000)
  expect(told(events, 'down')).toEqual(['down 10.1.0.1:53'])
  expect(held.call(world, 'udp 192.0.2.1:53')).toEqual({ '10.1.0.2:53': 1, '10.1.0.3:53': 1 })
  expect(world.held(V6)).toEqual({})
})

it('a lost quorum that refuses clients takes the healthy ones out although another one is refused', async () => {
  const world = await ground()
  const pool = await world.open({
    servers: ['10.1.0.1', '10.1.0.2', REFUSED],
    quorum: { up: 2, onLost: 'refuse' },
  })
  await report(pool, '10.1.0.2', false)
  expect(world.table()).toEqual({ [V4]: {}, 'udp 192.0.2.1:53': {} })
  await report(pool, '10.1.0.1', true)
  await report(pool, '10.1.0.2', true)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
})

it('a call rejects with what has failed of its server and its services, not with the refusal of another one', async () => {
  const { world, pool } = await beside({ quorum: { up: 3, onLost: 'withdraw' } })
  world.refuseAll('ENOMEM')
  await expect(report(pool, '10.1.0.1', false)).rejects.toMatchObject({ code: 'ERR_IPVS_MEMORY' })
})

it('a call about a backup resolves when a server has come that takes over from it, although another one is refused', async () => {
  const world = await ground()
  const pool = await world.open({ servers: [REFUSED], backup: ['10.1.0.9'] })
  const reported = report(pool, '10.1.0.9', true)
  pool.status()
  const added = pool.add('10.1.0.1')
  await Promise.all([reported, added])
  await quiet()
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
})

it('a backup that was refused for a while, and not needed since, serves when it is needed: its services are not withdrawn', async () => {
  const world = await ground()
  const pool = await world.open({
    servers: ['10.1.0.1'],
    backup: ['10.1.0.9'],
    quorum: { up: 1, onLost: 'withdraw' },
  })
  world.refuseAll('ENOMEM')
  await report(pool, '10.1.0.1', false).catch(ignore)
  await pass(3000, 500)
  world.kernel.between(undefined)
  await report(pool, '10.1.0.1', true).catch(ignore)
  await pass(60_000, 5000)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
  await report(pool, '10.1.0.1', false).catch(ignore)
  await pass(60_000, 5000)
  expect(world.held(V4)).toEqual({ '10.1.0.9:53': 1 })
})
