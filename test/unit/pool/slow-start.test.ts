// Who begins with a part of its weight.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { closeAll, FRONTS, ground, pass, stopTime, V4, V6 } from './kinds/ground.js'

beforeEach(stopTime)
afterEach(closeAll)

const options = {
  servers: [{ address: '10.1.0.1', weight: 100 }],
  slowStart: { durationMs: 10_000, steps: 5 },
}

it('a server that is added begins slowly', async () => {
  const world = await ground()
  const pool = await world.open(options)
  await pool.add({ address: '10.1.0.2', weight: 100 })
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 100, '10.1.0.2:53': 10 })
})

it('a server begins slowly after maintenance', async () => {
  const world = await ground()
  const pool = await world.open(options)
  await pool.setAdmin('10.1.0.1', 'maintenance')
  await pass(60_000)
  await pool.setAdmin('10.1.0.1', 'ready')
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 10 })
})

it('a server whose second address changes goes on with the part that it has', async () => {
  const world = await ground()
  const at = (secondAddress: string) => [{ address: '10.1.0.1', secondAddress, weight: 100 }]
  const pool = await world.open({ ...options, fronts: FRONTS, servers: at('2001:db8::a') })
  await pool.down('10.1.0.1')
  await pool.up('10.1.0.1')
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 10 })
  await pool.setServers(at('2001:db8::b'))
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 10 })
  expect(world.held(V6)).toEqual({ '[2001:db8::b]:53': 10 })
})
