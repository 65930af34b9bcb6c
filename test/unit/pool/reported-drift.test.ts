// With `drift: 'report'`, what others have changed is left; what the pool is asked for is done.
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  closeAll,
  type Ground,
  ground,
  quiet,
  report,
  stopTime,
  TCP,
  UDP,
  V4,
} from './kinds/ground.js'

beforeEach(stopTime)
afterEach(closeAll)

const both = [TCP, UDP]
const drift = 'report'
const destination = (address: string, weight = 1) =>
  ({ address, port: 53, forwarding: 'masquerade', weight }) as const

async function remove(world: Ground, address: string): Promise<void> {
  for (const service of both) await world.other.removeDestination(service, { address, port: 53 })
}

it('a call about a server that somebody has deleted unseen is done', async () => {
  const world = await ground()
  const pool = await world.open({ drift })
  await remove(world, '10.1.0.1')
  await pool.setWeight('10.1.0.1', 5)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 5, '10.1.0.2:53': 1 })
})

it('a server that comes up, and that somebody has added unseen with weight 0, gets its weight', async () => {
  const world = await ground()
  const pool = await world.open({ drift })
  await pool.down('10.1.0.1')
  for (const service of both) await world.other.addDestination(service, destination('10.1.0.1', 0))
  await pool.up('10.1.0.1')
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
})

it('what a pool that adopts has found at its opening goes when all are judged', async () => {
  const world = await ground()
  await (await world.open()).close()
  await world.other.addDestination(TCP, destination('10.9.9.9'))
  const pool = await world.open({ drift, initial: 'adopt' })
  for (const server of ['10.1.0.1', '10.1.0.2']) await report(pool, server, true)
  await quiet()
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
})

it('a verdict that repeats what is known does not put back what somebody has changed', async () => {
  const world = await ground()
  const pool = await world.open({ drift })
  world.other.applySync([
    { op: 'ensure-destination', service: TCP, destination: destination('10.1.0.1', 9) },
  ])
  await pool.reconcile()
  await report(pool, '10.1.0.1', true)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 9, '10.1.0.2:53': 1 })
})

it('a server that was missing and fails is put back when it is up again', async () => {
  const world = await ground()
  const pool = await world.open({ drift, servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'] })
  await remove(world, '10.1.0.2')
  await pool.down('10.1.0.1')
  await pool.down('10.1.0.2')
  await pool.up('10.1.0.2')
  expect(world.held(V4)).toEqual({ '10.1.0.2:53': 1, '10.1.0.3:53': 1 })
})
