// The pool under a real health checker.
import { afterEach, expect, it } from 'vitest'
import { HealthChecker } from '../../../src/health/index.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { closeAll, ground, record } from './kinds/ground.js'

let cleanup: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of cleanup.splice(0)) await end()
  await closeAll()
})

it('adopts, checks, and after ready() holds exactly what answers', async () => {
  const found = ['10.1.0.1 1', '10.1.0.2 1', '10.1.0.3 0', '10.9.9.9 1'].map((row) => {
    const [address, weight] = row.split(' ')
    return `-a -u 192.0.2.1:53 -r ${address}:53 -g -w ${weight}`
  })
  const world = await ground({ rules: ['-A -u 192.0.2.1:53 -s rr', ...found].join('\n') })
  const tries = world.tries()
  const pool = await MirroredPool.open(world.ipvs, {
    address: '192.0.2.1',
    port: 53,
    protocols: ['udp'],
    scheduler: 'rr',
    forwarding: 'direct',
    servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4'],
    initial: 'adopt',
  })
  expect(tries.count).toBe(0)
  const events = record(pool)

  const dead = new Set(['10.1.0.2', '10.1.0.4'])
  const checker = new HealthChecker(pool, {
    check: async ({ address }) => {
      if (dead.has(address)) throw new Error(`${address} is dead`)
      return address === '10.1.0.3' ? { weightFactor: 0.5 } : {}
    },
    intervalMs: 10,
    retryDelayMs: 1,
    timeoutMs: 60_000,
  })
  const warnings: unknown[] = []
  checker.on('warning', (warning) => warnings.push(warning))
  cleanup = [() => checker.stop(), () => pool.close()]
  checker.start()
  await checker.ready()
  expect(world.held('udp 192.0.2.1:53')).toEqual({ '10.1.0.1:53': 1, '10.1.0.3:53': 1 })
  expect(events.map((event) => [event.name, event.server, event.initial])).toEqual(
    expect.arrayContaining([
      ['down', '10.1.0.2:53', true],
      ['up', '10.1.0.3:53', true],
      ['down', '10.1.0.4:53', true],
    ]),
  )
  expect(events.find(({ server }) => server === '10.1.0.2:53')).toMatchObject({
    reason: expect.stringContaining('10.1.0.2 is dead'),
  })

  dead.delete('10.1.0.4')
  await pool.add({ address: '10.1.0.5', weight: 10 })
  await expect
    .poll(() => world.held('udp 192.0.2.1:53'))
    .toMatchObject({ '10.1.0.4:53': 1, '10.1.0.5:53': 10 })
  await pool.remove('10.1.0.1')
  await pool.close()
  expect(warnings).toEqual([])
})

it('a dead server that is removed and added in one turn of the event loop does not stay up', async () => {
  const pool = await MirroredPool.open((await ground()).ipvs, {
    address: '192.0.2.1',
    port: 53,
    scheduler: 'rr',
    forwarding: 'direct',
    servers: ['10.1.0.1', '10.1.0.2'],
  })
  const checker = new HealthChecker(pool, {
    check: async ({ address }) => {
      if (address === '10.1.0.1') throw new Error('dead')
    },
    intervalMs: 10,
    retryDelayMs: 1,
    timeoutMs: 60_000,
  })
  cleanup = [() => checker.stop(), () => pool.close()]
  checker.start()
  await checker.ready()
  const health = () => pool.status().servers.map((row) => [row.server, row.health])
  await Promise.all([pool.remove('10.1.0.1'), pool.add('10.1.0.1')])
  await expect.poll(health).toEqual([
    ['10.1.0.2:53', 'up'],
    ['10.1.0.1:53', 'down'],
  ])
})
