// A pool that follows a source of server lists.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { closeAll, ground, pass, quiet, stopTime, V4 } from './kinds/ground.js'

beforeEach(stopTime)
afterEach(closeAll)

it('a list that the kernel refuses for a while is no lasting warning about the source', async () => {
  const world = await ground()
  const pool = await world.open()
  world.refuseAll('ENOMEM')
  async function* source() {
    yield ['10.1.0.1', '10.1.0.5']
  }
  await pool.follow(source())
  await pass(3000, 1000)
  world.kernel.between(undefined)
  await pass(60_000, 10_000)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.5:53': 1 })
  expect(pool.status().warnings).toEqual([])
})

it('ends when the pool is closed, and changes nothing after that', async () => {
  const world = await ground()
  const pool = await world.open()
  async function* source() {
    yield ['10.1.0.5']
    yield ['10.1.0.6']
    throw new Error('no more')
  }
  const followed = pool.follow(source())
  await Promise.resolve()
  await pool.close()
  await followed
  const before = world.table()
  await quiet()
  expect(world.table()).toEqual(before)
})
