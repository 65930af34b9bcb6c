// What others change: repaired, reported, or left to another owner. And the namespace's settings.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import type { Destination } from '../../../src/types.js'
import { StandIn } from './stand-in.js'
import { quiet, record } from './watch.js'

const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const base = {
  address: '192.0.2.1',
  port: 53,
  protocols: ['udp'],
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', '10.1.0.2'],
  onePacket: false,
  reconcileIntervalMs: 0,
} as const satisfies MirroredPoolOptions
const one: Destination = { address: '10.1.0.1', port: 53, forwarding: 'direct', weight: 9 }

const pools: MirroredPool[] = []
let kernel: StandIn

async function open(options: Partial<MirroredPoolOptions> = {}) {
  const pool = await MirroredPool.open(kernel, { ...base, ...options } as MirroredPoolOptions)
  pools.push(pool)
  await new Promise((resolve) => setImmediate(resolve))
  kernel.batches.length = 0
  return pool
}

const edit = (destination: Destination) =>
  kernel.edit({ op: 'ensure-destination', service: UDP, destination })
const weightOf = (address: string) =>
  kernel.tables.get('udp 192.0.2.1:53')?.destinations.get(`${address}:53`)?.weight

beforeEach(() => {
  kernel = new StandIn()
})
afterEach(() => Promise.all(pools.splice(0).map((pool) => pool.close())))

describe("drift: 'report'", () => {
  it('tells once, and touches nothing', async () => {
    const pool = await open({ drift: 'report' })
    const events = record(pool)
    edit(one)
    edit({ ...one, address: '10.9.9.9' })
    kernel.edit({ op: 'ensure-service', service: { ...UDP, scheduler: 'rr' } })
    const before = kernel.rules()
    for (let look = 0; look < 3; look++) {
      expect((await pool.reconcile()).changes).toEqual([])
    }
    expect(kernel.rules()).toEqual(before)
    expect(kernel.batches).toEqual([])
    expect(events).toMatchObject([
      { name: 'drift', service: 'udp 192.0.2.1:53', found: 'different', repaired: false },
      { name: 'drift', destination: '10.1.0.1:53', found: 'different', repaired: false },
      { name: 'drift', destination: '10.9.9.9:53', found: 'unexpected', repaired: false },
    ])
    edit({ ...one, weight: 8 })
    await pool.reconcile()
    expect(events).toHaveLength(4)
    expect(events[3]).toMatchObject({
      destination: '10.1.0.1:53',
      differences: [{ field: 'weight', actual: 8, desired: 1 }],
    })
  })

  it('still does what it is told, and knows that it does not agree', async () => {
    const pool = await open({ drift: 'report' })
    edit(one)
    await pool.reconcile()
    await pool.setWeight('10.1.0.2', 5)
    expect(weightOf('10.1.0.2')).toBe(5)
    await pool.setWeight('10.1.0.1', 3)
    expect(weightOf('10.1.0.1')).toBe(3)
    await pool.down('10.1.0.1')
    expect(weightOf('10.1.0.1')).toBeUndefined()
  })

  it('puts right what it finds at the opening', async () => {
    await (await open()).close()
    pools.pop()
    edit(one)
    await open({ drift: 'report' })
    expect(weightOf('10.1.0.1')).toBe(1)
  })
})

describe('another owner', () => {
  it('is given way, more and more, with a warning while it lasts', async () => {
    const pool = await open()
    const events = record(pool)
    const repaired: boolean[] = []
    for (let look = 0; look < 20; look++) {
      edit(one)
      await pool.reconcile()
      repaired.push(weightOf('10.1.0.1') === 1)
    }
    expect(repaired.slice(0, 3)).toEqual([true, true, true])
    expect(repaired.filter(Boolean).length).toBeLessThan(10)
    expect(pool.status().warnings).toMatchObject([
      { code: 'contested', message: expect.stringContaining('udp 192.0.2.1:53 10.1.0.1:53') },
    ])
    expect(events.filter(({ name }) => name === 'warning')).toHaveLength(1)
    // It has gone: the pool's own stays, and is not contested any more.
    for (let look = 0; look < 60; look++) await pool.reconcile()
    expect(weightOf('10.1.0.1')).toBe(1)
    expect(pool.status().warnings).toEqual([])
  })

  it('is nobody who deletes, flushes, or changes things at random', async () => {
    const pool = await open()
    for (let look = 0; look < 20; look++) {
      if (look % 3 === 0) edit({ ...one, weight: look + 2 })
      if (look % 3 === 1)
        kernel.edit({
          op: 'ensure-no-destination',
          service: UDP,
          destination: { address: '10.1.0.1', port: 53 },
        })
      if (look % 3 === 2) kernel.tables.clear()
      await pool.reconcile()
      expect(weightOf('10.1.0.1')).toBe(1)
      expect(pool.status().warnings).toEqual([])
    }
  })
})

describe('a repair', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const pass = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms)
    await quiet()
  }

  it('that fails again and again is not taken for another owner', async () => {
    const pool = await open()
    edit({ ...one, address: '10.9.9.9' })
    kernel.fail = ({ op }) =>
      op === 'ensure-no-destination' ? { error: new Error('no memory') } : undefined
    await pool.reconcile()
    for (let i = 0; i < 10; i++) await pass(30_000)
    expect(weightOf('10.9.9.9')).toBe(9)
    expect(pool.status().warnings).toEqual([])
    kernel.fail = undefined
  })

  it('of which nothing could be sent is made later', async () => {
    const pool = await open()
    edit(one)
    const apply = kernel.apply.bind(kernel)
    kernel.apply = () => {
      kernel.apply = apply
      return Promise.reject(new Error('deadline'))
    }
    await expect(pool.reconcile()).rejects.toThrow('deadline')
    await pass(30_000)
    expect(weightOf('10.1.0.1')).toBe(1)
  })
})

describe('settings of the namespace', () => {
  it('that cannot be set do not stop repairs', async () => {
    const pool = await open({ sysctls: 'apply' })
    Object.assign(kernel.values, { expire_nodest_conn: 0 })
    kernel.setSysctl = () => Promise.reject(new Error('read-only file system'))
    const destination = { address: '10.1.0.1', port: 53 }
    kernel.edit({ op: 'remove-destination', service: UDP, destination })
    const events = record(pool)
    await pool.reconcile()
    expect(weightOf('10.1.0.1')).toBe(1)
    expect(events.map(({ name }) => name)).toContain('error')
  })

  it("are not touched by default, and set with sysctls: 'apply'", async () => {
    Object.assign(kernel.values, { expire_nodest_conn: 0, expire_quiescent_template: 0 })
    const reporting = await open()
    expect(reporting.status().warnings).toMatchObject([{ code: 'udp-black-hole' }])
    expect(kernel.settings).toEqual([])
    await reporting.close()
    const pool = await open({ sysctls: 'apply', udpTimeoutSeconds: 10 })
    expect(kernel.settings).toEqual(['expire_nodest_conn=1', '{"udpSeconds":10}'])
    expect(pool.status().warnings).toEqual([])
    await pool.reconcile()
    expect(kernel.settings).toHaveLength(2)
    Object.assign(kernel.values, { expire_nodest_conn: 0 })
    await pool.reconcile()
    expect(kernel.settings[2]).toBe('expire_nodest_conn=1')
  })

  it('for persistence', async () => {
    Object.assign(kernel.values, { expire_quiescent_template: 0 })
    await open({ sysctls: 'apply', persistence: { timeoutSeconds: 60 } })
    expect(kernel.settings).toEqual(['expire_quiescent_template=1'])
  })

  it('that are right are left', async () => {
    await open({ sysctls: 'apply' })
    expect(kernel.settings).toEqual([])
  })
})
