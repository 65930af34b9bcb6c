// What is told of the quorum, and who stands in.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { MirroredPool } from '../../../src/pool/index.js'
import {
  BROADCAST,
  closeAll,
  ground,
  ignore,
  quiet,
  record,
  row,
  stopTime,
  TCP,
  told,
  UDP,
  V4,
} from './kinds/ground.js'
import { twoServers } from './two-servers.js'

beforeEach(stopTime)
afterEach(closeAll)

it('its event does not wait for a backup that the kernel refuses, nor does the call that needs it reject', async () => {
  const world = await ground()
  const pool = await world.open({ quorum: { up: 2 }, backup: [BROADCAST] })
  const events = record(pool)
  await pool.down('10.1.0.1')
  await quiet()
  await pool.setWeight('10.1.0.2', 5)
  expect(world.held(V4)).toEqual({ '10.1.0.2:53': 5 })
  expect(told(events, 'quorum')).toEqual(['quorum false'])
  expect(row(pool, BROADCAST)).toMatchObject({ serves: false, error: expect.any(String) })
})

it('that it is missing at the opening is told to whoever listens right after it', async () => {
  const world = await ground()
  await using pool = await MirroredPool.open(world.ipvs, {
    ...twoServers,
    initial: 'down',
    quorum: { up: 1 },
  })
  const events = record(pool)
  await quiet(3)
  expect(events).toMatchObject([{ name: 'quorum', after: false, initial: true }])
})

it('adding a backup is no regained quorum', async () => {
  const world = await ground()
  const pool = await world.open()
  const events = record(pool)
  await pool.add('10.1.0.9', { backup: true })
  expect(events).toEqual([])
})

it('a restart between the thresholds cuts nobody off', async () => {
  const world = await ground()
  const options = { quorum: { up: 2, down: 1, onLost: 'refuse' } }
  const pool = await world.open(options)
  await pool.down('10.1.0.2')
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
  await pool.close()
  await world.open({ ...options, initial: 'adopt' })
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
})

it('its event comes after that of the server, although that is programmed at the second try', async () => {
  const world = await ground()
  const pool = await world.open({ quorum: { up: 2 } })
  const events = record(pool)
  world.kernel.fail({ nth: 1, errno: 'ENOMEM' })
  await pool.down('10.1.0.1')
  expect(told(events, 'down', 'quorum')).toEqual(['down 10.1.0.1:53', 'quorum false'])
})

it('a backup that a dead process has left beside the others serves on until all are judged, and goes then', async () => {
  const world = await ground()
  const options = { servers: ['10.1.0.1'], backup: ['10.1.0.9'] }
  await (await world.open(options)).close()
  for (const service of [TCP, UDP]) {
    const backup = { address: '10.1.0.9', port: 53, forwarding: 'masquerade' } as const
    await world.other.addDestination(service, backup)
  }
  const pool = await world.open({ ...options, initial: 'adopt' })
  for (const server of ['10.1.0.1', '10.1.0.9']) await pool.up(server).catch(ignore)
  expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1 })
})
