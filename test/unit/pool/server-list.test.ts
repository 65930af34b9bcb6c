// Lists of servers whose addresses meet, or change.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  FRONTS,
  ground,
  pass,
  record,
  report,
  row,
  stopTime,
  TCP,
  told,
  V4,
  V6,
} from './kinds/ground.js'

beforeEach(stopTime)
afterEach(closeAll)

const server = (last: number, second: string) => ({
  address: `10.1.0.${last}`,
  secondAddress: `2001:db8::${second}`,
})

describe('two servers on one place are refused, at the opening and by a list', () => {
  it('because of a second address', async () => {
    const world = await ground()
    const clash = [server(1, 'a'), server(2, 'a')]
    await expect(world.open({ fronts: FRONTS, servers: clash })).rejects.toThrow(
      /not in the pool yet/,
    )
    const pool = await world.open({ fronts: FRONTS, servers: [clash[0]] })
    await expect(pool.setServers(clash)).rejects.toMatchObject({ option: 'servers[1]' })
    expect(world.held(V6)).toEqual({ '[2001:db8::a]:53': 1 })
  })

  it('because of a port', async () => {
    const world = await ground()
    const fronts = [53, 853].map((port) => ({ address: '192.0.2.1', port, protocols: ['tcp'] }))
    const pool = await world.open({ fronts, servers: ['10.1.0.1'] })
    await expect(pool.add('10.1.0.1:853')).rejects.toThrow(/not in the pool yet/)
    const list = ['10.1.0.1', '10.1.0.1:853']
    await expect(pool.setServers(list)).rejects.toMatchObject({ option: 'servers[1]' })
  })
})

it('two servers swap their second addresses', async () => {
  const world = await ground()
  const pool = await world.open({ fronts: FRONTS, servers: [server(1, 'a'), server(2, 'b')] })
  await pool.setServers([server(1, 'b'), server(2, 'a')])
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  expect(world.held(V6)).toEqual({ '[2001:db8::a]:53': 1, '[2001:db8::b]:53': 1 })
  await pool.down('10.1.0.1')
  expect(world.held(V4)).toEqual({ '10.1.0.2:53': 1 })
  expect(world.held(V6)).toEqual({ '[2001:db8::a]:53': 1 })
  expect((await pool.reconcile()).changes).toEqual([])
})

it('a server that is drained and gets another second address is not drained for ever', async () => {
  const world = await ground()
  const pool = await world.open({ fronts: FRONTS, servers: [server(1, 'a')] })
  world.kernel.connections(TCP, { address: '10.1.0.1', port: 53 }, { active: 1 })
  void pool.drain('10.1.0.1', { timeoutMs: 5000 })
  await pass(1)
  await pool.setServers([server(1, 'b')])
  await pass(20_000)
  expect(row(pool, '10.1.0.1').admin).toBe('ready')
})

it('an event that waits is told once, although its server gets another second address meanwhile', async () => {
  const world = await ground()
  const servers = (second: string) => [server(1, second), server(2, 'b')]
  const pool = await world.open({ fronts: FRONTS, servers: servers('a'), maxChangesPerMinute: 1 })
  for (const { address } of servers('a')) await report(pool, address, true)
  const events = record(pool)
  await report(pool, '10.1.0.1', false)
  await report(pool, '10.1.0.1', true)
  expect(told(events, 'up', 'down')).toEqual(['down 10.1.0.1:53'])
  await pool.setServers(servers('c'))
  await pass(61_000)
  await pool.reconcile()
  expect(told(events, 'up', 'down')).toEqual(['down 10.1.0.1:53', 'up 10.1.0.1:53'])
  expect(events).toHaveLength(2)
})
