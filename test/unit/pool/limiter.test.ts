// At most so many changes of health a minute: who waits, and for how long.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { closeAll, ground, pass, record, report, stopTime, V4 } from './kinds/ground.js'

beforeEach(stopTime)
afterEach(closeAll)

it('a server that flaps does not keep the others out for ever', async () => {
  const world = await ground()
  const servers = ['10.1.0.1', '10.1.0.2', '10.1.0.3']
  const pool = await world.open({ servers, maxChangesPerMinute: 3 })
  await report(pool, '10.1.0.2', false)
  let isBack = false
  for (let i = 0; i < 60; i++) {
    await report(pool, '10.1.0.1', i % 2 === 1)
    await pass(5000)
    if (i === 2) await report(pool, '10.1.0.2', true)
    isBack ||= i > 2 && world.held(V4)['10.1.0.2:53'] === 1
  }
  expect(isBack).toBe(true)
})

it('the up event of one that has waited says its weight', async () => {
  const world = await ground()
  const pool = await world.open({ maxChangesPerMinute: 1 })
  const events = record(pool)
  await report(pool, '10.1.0.1', false)
  await report(pool, '10.1.0.1', true)
  await pass(61_000)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  expect(events.at(-1)).toMatchObject({ name: 'up', after: { effectiveWeight: 1 } })
})

it('a healthy server does not wait while nobody serves', async () => {
  const world = await ground()
  const pool = await world.open({ maxChangesPerMinute: 2 })
  await report(pool, '10.1.0.1', false)
  await report(pool, '10.1.0.2', false)
  await report(pool, '10.1.0.1', true)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
})

it('first verdicts do not wait', async () => {
  const world = await ground()
  const servers = ['10.1.0.1', '10.1.0.2', '10.1.0.3']
  const pool = await world.open({ initial: 'down', servers, maxChangesPerMinute: 1 })
  for (const server of servers) await report(pool, server, true)
  expect(Object.keys(world.held(V4))).toHaveLength(3)
})
