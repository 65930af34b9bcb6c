import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import { IpvsError } from '../../../src/errors.js'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'
import { StandIn, show } from './stand-in.js'
import { record } from './watch.js'

const SERVERS = ['10.1.0.1', '10.1.0.2', '10.1.0.3', '10.1.0.4'] as const
const [ONE, TWO, THREE] = SERVERS
const OPTIONS: MirroredPoolOptions = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'rr',
  forwarding: 'direct',
  servers: SERVERS,
}
const TCP = { protocol: 'tcp', address: '192.0.2.1', port: 53 } as const

const closing: AsyncDisposable[] = []
// No retry and no look comes by itself.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(async () => {
  vi.useRealTimers()
  for (const it of closing.splice(0).reverse()) await it[Symbol.asyncDispose]()
})

describe('flips of one turn', () => {
  async function opened() {
    const kernel = new StandIn()
    const pool = await MirroredPool.open(kernel, OPTIONS)
    closing.push(pool)
    kernel.batches.length = 0
    return { kernel, pool }
  }

  it('go out together, but for the first, which waits for nothing', async () => {
    const { kernel, pool } = await opened()
    await Promise.all(SERVERS.map((server, n) => pool.setWeight(server, n + 5)))
    expect(kernel.batches.map((batch) => batch.length)).toEqual([2, 6])
    expect(kernel.changes().map(show)).toEqual(
      SERVERS.flatMap((server, n) =>
        ['tcp', 'udp'].map(
          (it) => `replace-destination ${it} 192.0.2.1:53 -> ${server}:53 ${n + 5}`,
        ),
      ),
    )
  })

  it('of one server all happen, in the order of the calls', async () => {
    const { kernel, pool } = await opened()
    const weights = [5, 6, 7, 8]
    await Promise.all(weights.map((weight) => pool.setWeight(ONE, weight)))
    expect(kernel.changes().map(show)).toEqual(
      weights.flatMap((weight) =>
        ['tcp', 'udp'].map(
          (it) => `replace-destination ${it} 192.0.2.1:53 -> 10.1.0.1:53 ${weight}`,
        ),
      ),
    )
  })

  it('fail each for itself', async () => {
    const { kernel, pool } = await opened()
    kernel.fail = (change) => {
      const own = 'destination' in change && change.destination.address === TWO
      return own ? { error: new IpvsError('ERR_IPVS_KERNEL', 'no') } : undefined
    }
    const results = await Promise.allSettled(SERVERS.map((server) => pool.setWeight(server, 9)))
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    kernel.fail = undefined
  })

  it('do not count on a later one of the same server that fails as well', async () => {
    const { kernel, pool } = await opened()
    await pool.down(ONE)
    const events = record(pool)
    kernel.fail = () => ({ error: new IpvsError('ERR_IPVS_KERNEL', 'no') })
    const results = await Promise.allSettled([pool.up(ONE), pool.setWeight(ONE, 9)])
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(events.filter(({ name }) => name === 'up')).toEqual([])
    kernel.fail = undefined
  })

  it('emit an event each, in the order of the calls', async () => {
    const { kernel, pool } = await opened()
    const events = record(pool)
    await Promise.all([pool.down(ONE), pool.down(TWO), pool.up(TWO), pool.down(THREE)])
    expect(events.map((event) => [event.name, event.server])).toEqual([
      ['down', '10.1.0.1:53'],
      ['down', '10.1.0.2:53'],
      ['up', '10.1.0.2:53'],
      ['down', '10.1.0.3:53'],
    ])
    expect(kernel.rules().filter((rule) => rule.includes('->'))).toHaveLength(4)
  })

  it('emit no event where nothing has happened: the first has failed, and a later one takes it back', async () => {
    const { kernel, pool } = await opened()
    const events = record(pool)
    kernel.fail = () => ({ error: new IpvsError('ERR_IPVS_KERNEL', 'no') })
    const down = pool.down(ONE)
    // It has failed, and its repair begins to read.
    while (kernel.batches.length === 0) await new Promise((resolve) => setImmediate(resolve))
    kernel.fail = undefined
    await Promise.all([down, pool.up(ONE)])
    const names = events.map(({ name }) => name)
    expect(names.filter((name) => name === 'up' || name === 'down')).toEqual([])
  })

  it('show in the status at once', async () => {
    const { pool } = await opened()
    const calls = SERVERS.map((server) => pool.setWeight(server, 4))
    expect(pool.status().servers.map(({ fronts }) => Object.values(fronts))).toEqual(
      SERVERS.map(() => [4, 4]),
    )
    expect(pool.status().converged).toBe(false)
    await Promise.all(calls)
    expect(pool.status().converged).toBe(true)
  })

  it('are sent by a close that follows', async () => {
    const { kernel, pool } = await opened()
    const calls = SERVERS.map((server) => pool.setWeight(server, 3))
    await pool.close()
    await Promise.all(calls)
    expect(kernel.changes()).toHaveLength(8)
  })
})

describe('flips of one turn and other calls of the client', () => {
  async function opened() {
    const kernel = new MemoryKernel()
    const ipvs = await Ipvs.open({ kernel })
    const pool = await MirroredPool.open(ipvs, OPTIONS)
    closing.push(ipvs, pool)
    const weights = async () => (await ipvs.destinations(TCP)).map(({ weight }) => weight)
    return { kernel, ipvs, pool, weights }
  }

  it('are seen by a read that comes later', async () => {
    const { pool, weights } = await opened()
    const calls = SERVERS.map((server) => pool.setWeight(server, 7))
    expect(await weights()).toEqual([7, 7, 7, 7])
    await Promise.all(calls)
  })

  it('are overwritten by a change that comes later', async () => {
    const { ipvs, pool, weights } = await opened()
    const calls: Promise<unknown>[] = SERVERS.map((server) => pool.setWeight(server, 7))
    for (const address of SERVERS) {
      const destination = { address, port: 53, forwarding: 'direct', weight: 1 } as const
      calls.push(ipvs.replaceDestination(TCP, destination))
    }
    await Promise.all(calls)
    expect(await weights()).toEqual([1, 1, 1, 1])
  })

  it('make a blocking call busy', async () => {
    const { ipvs, pool } = await opened()
    const calls = SERVERS.map((server) => pool.setWeight(server, 7))
    expect(() => ipvs.applySync([])).toThrow(expect.objectContaining({ code: 'ERR_IPVS_BUSY' }))
    await Promise.all(calls)
    expect(ipvs.applySync([]).failed).toBe(0)
  })

  it('are sent when the client is closed right after them', async () => {
    const { kernel, ipvs, pool } = await opened()
    const calls = SERVERS.map((server) => pool.setWeight(server, 7))
    await ipvs.close()
    await Promise.all(calls)
    expect(kernel.rules().match(/-w 7$/gm)).toHaveLength(8)
  })
})
