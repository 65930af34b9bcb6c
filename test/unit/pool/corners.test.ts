// Corners: failures in the middle, calls that overtake each other, and options that meet.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Verdict } from '../../../src/health/types.js'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { StandIn } from './stand-in.js'
import { quiet, record } from './watch.js'

const base = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', '10.1.0.2'],
  reconcileIntervalMs: 0,
} as const satisfies MirroredPoolOptions
const pools: MirroredPool[] = []
let kernel: StandIn
async function open(options: Partial<MirroredPoolOptions> = {}) {
  const pool = await MirroredPool.open(kernel, { ...base, ...options } as MirroredPoolOptions)
  pools.push(pool)
  kernel.batches.length = 0
  await new Promise((resolve) => setImmediate(resolve))
  return pool
}
function held(p = 'udp'): Record<string, number> {
  return Object.fromEntries(
    [...(kernel.tables.get(`${p} 192.0.2.1:53`)?.destinations.values() ?? [])]
      .map(({ address, weight }) => [address.split('.').at(-1)!, weight ?? 1] as const)
      .sort(),
  )
}
const verdict = (healthy: boolean): Verdict => ({ healthy, initial: false, reason: 'test', at: 0 })
const report = (pool: MirroredPool, key: string, healthy: boolean, more = {}) =>
  pool.report({ key: `${key}:53`, address: key, port: 53 }, { ...verdict(healthy), ...more })
const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const pass = async (ms: number) => {
  await vi.advanceTimersByTimeAsync(ms)
  await quiet()
}
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  kernel = new StandIn()
})
afterEach(async () => {
  vi.useRealTimers()
  kernel.fail = undefined
  kernel.failRead = undefined
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

describe('withdraw', () => {
  it('is one batch, needs no read, and is tried again', async () => {
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    kernel.reads = 0
    await pool.down('10.1.0.1')
    expect(kernel.reads).toBe(0)
    expect(kernel.batches).toHaveLength(1)
    await pool.up('10.1.0.1')
    expect(kernel.batches).toHaveLength(2)
    let once = true
    kernel.fail = () => {
      if (!once) return undefined
      once = false
      return { error: new Error('busy') }
    }
    await pool.down('10.1.0.1')
    expect(kernel.rules()).toEqual([])
  })
  it('a call meanwhile resolves when the kernel holds it', async () => {
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    const seen: number[] = []
    for (const name of ['quorum', 'down'] as const) {
      pool.on(name, () => seen.push(kernel.rules().length))
    }
    await Promise.all([pool.down('10.1.0.1'), pool.down('10.1.0.2')])
    expect(seen).toEqual([0, 0, 0])
  })
  it.each(['repair', 'report'] as const)('flips while services come back (%s)', async (drift) => {
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' }, drift })
    await pool.down('10.1.0.1')
    const events = record(pool)
    await Promise.all([pool.up('10.1.0.1'), pool.setWeight('10.1.0.2', 5)])
    expect(held()).toEqual({ 1: 1, 2: 5 })
    expect(events.filter(({ name }) => name === 'drift')).toEqual([])
  })
  it('reconcile whose apply rejects once is tried again', async () => {
    const pool = await open()
    kernel.edit({
      op: 'ensure-destination',
      service: UDP,
      destination: { address: '10.1.0.1', port: 53, forwarding: 'direct', weight: 9 },
    })
    const apply = kernel.apply.bind(kernel)
    kernel.apply = () => {
      kernel.apply = apply
      return Promise.reject(new Error('deadline'))
    }
    await pool.reconcile().catch(() => {})
    for (let i = 0; i < 20; i++) await pass(30_000)
    expect(held()).toEqual({ 1: 1, 2: 1 })
  })
  it('order and cause of the events of a plain withdrawal', async () => {
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    const events = record(pool)
    await pool.down('10.1.0.1')
    expect(events.map(({ name, cause }) => [name, cause])).toEqual([
      ['down', 'call'],
      ['quorum', 'call'],
    ])
  })
  it('a withdrawal that fails does not show servers as absent', async () => {
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    kernel.fail = ({ op }) => (op === 'ensure-no-service' ? { error: new Error('no') } : undefined)
    await expect(pool.down('10.1.0.1')).rejects.toThrow()
    expect(held()).toEqual({ 1: 1, 2: 1 })
    expect(pool.status().servers[1]!.fronts).not.toMatchObject({ 'udp 192.0.2.1:53': 'absent' })
  })
  it('of a server that is down and up again within one turn does not happen, and is not told', async () => {
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    const events = record(pool)
    await Promise.allSettled([
      pool.down('10.1.0.1'),
      pool.up('10.1.0.1'),
      pool.down('10.1.0.2'),
      pool.up('10.1.0.2'),
    ])
    await quiet()
    expect(held()).toEqual({ 1: 1, 2: 1 })
    expect(held('tcp')).toEqual({ 1: 1, 2: 1 })
    expect(events).toEqual([])
    expect(kernel.batches).toEqual([])
  })
})
describe('quorum events', () => {
  it('do not wait for a backup that the kernel refuses, nor does the call that needs it reject', async () => {
    const pool = await open({ quorum: { up: 2 }, backup: ['10.1.0.9'] })
    const events = record(pool)
    kernel.fail = (c) =>
      'destination' in c && c.destination.address === '10.1.0.9'
        ? { error: new Error('no memory') }
        : undefined
    await pool.down('10.1.0.1')
    await quiet()
    await pool.setWeight('10.1.0.2', 5)
    expect(held()).toEqual({ 2: 5 })
    expect(events.filter(({ name }) => name === 'quorum')).toMatchObject([{ after: false }])
    expect(pool.status().servers.at(-1)).toMatchObject({ serves: false, error: 'no memory' })
  })
  it('missing at the opening is told', async () => {
    const pool = await MirroredPool.open(kernel, { ...base, initial: 'down', quorum: { up: 1 } })
    pools.push(pool)
    const events = record(pool)
    await quiet(3)
    expect(events).toMatchObject([{ name: 'quorum', after: false, initial: true }])
  })
  it('adding a backup is no regained quorum', async () => {
    const pool = await open()
    const events = record(pool)
    await pool.add('10.1.0.9', { backup: true })
    expect(events).toEqual([])
  })
  it('a restart between the thresholds cuts nobody', async () => {
    const options = { quorum: { up: 2, down: 1, onLost: 'refuse' } } as const
    const pool = await open(options)
    await pool.down('10.1.0.2')
    expect(held()).toEqual({ 1: 1 })
    await pool.close()
    await open({ ...options, initial: 'adopt' })
    expect(held()).toEqual({ 1: 1 })
  })
})
describe('report', () => {
  it('a missing service is told and left, without errors', async () => {
    const pool = await open({ drift: 'report' })
    const events = record(pool)
    kernel.tables.delete('udp 192.0.2.1:53')
    await pool.reconcile()
    await pass(120_000)
    expect(events.filter(({ name }) => name === 'error').length).toBe(0)
    expect(kernel.batches).toEqual([])
  })
  it('a call about a server that another one has deleted unseen is done', async () => {
    const pool = await open({ drift: 'report' })
    for (const protocol of ['tcp', 'udp'] as const)
      kernel.edit({
        op: 'remove-destination',
        service: { ...UDP, protocol },
        destination: { address: '10.1.0.1', port: 53 },
      })
    await pool.setWeight('10.1.0.1', 5)
    expect(held()).toEqual({ 1: 5, 2: 1 })
  })
  it('up of a server that another one has added unseen with weight 0', async () => {
    const pool = await open({ drift: 'report' })
    await pool.down('10.1.0.1')
    for (const protocol of ['tcp', 'udp'] as const)
      kernel.edit({
        op: 'add-destination',
        service: { ...UDP, protocol },
        destination: { address: '10.1.0.1', port: 53, forwarding: 'direct', weight: 0 },
      })
    await pool.up('10.1.0.1')
    expect(held()).toEqual({ 1: 1, 2: 1 })
  })
  it('adopt: what was found at the opening goes when all are decided', async () => {
    await (await open()).close()
    kernel.edit({
      op: 'add-destination',
      service: UDP,
      destination: { address: '10.9.9.9', port: 53, forwarding: 'direct', weight: 1 },
    })
    const pool = await open({ drift: 'report', initial: 'adopt' })
    await report(pool, '10.1.0.1', true)
    await report(pool, '10.1.0.2', true)
    await quiet()
    expect(held()).toEqual({ 1: 1, 2: 1 })
  })
})
it('own failures to remove are not another owner', async () => {
  const pool = await open()
  kernel.edit({
    op: 'add-destination',
    service: UDP,
    destination: { address: '10.9.9.9', port: 53, forwarding: 'direct', weight: 1 },
  })
  kernel.fail = ({ op }) =>
    op === 'ensure-no-destination' ? { error: new Error('no memory') } : undefined
  await pool.reconcile()
  for (let i = 0; i < 10; i++) await pass(30_000)
  expect(pool.status().warnings).toEqual([])
})
describe('limiter', () => {
  it('a flapping server does not keep the others out for ever', async () => {
    const pool = await open({
      servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
      maxChangesPerMinute: 3,
    })
    await report(pool, '10.1.0.2', false)
    let was = false
    for (let i = 0; i < 60; i++) {
      await report(pool, '10.1.0.1', i % 2 === 1)
      await pass(5000)
      if (i === 2) await report(pool, '10.1.0.2', true)
      was ||= i > 2 && held()[2] === 1
    }
    expect(was).toBe(true)
  })
  it('the up event of one that waited says its weight', async () => {
    const pool = await open({ maxChangesPerMinute: 1 })
    const events = record(pool)
    await report(pool, '10.1.0.1', false)
    await report(pool, '10.1.0.1', true)
    await pass(61_000)
    expect(held()).toEqual({ 1: 1, 2: 1 })
    expect(events.at(-1)).toMatchObject({ name: 'up', after: { effectiveWeight: 1 } })
  })
  it('a healthy server does not wait while nobody serves', async () => {
    const pool = await open({ maxChangesPerMinute: 2 })
    await report(pool, '10.1.0.1', false)
    await report(pool, '10.1.0.2', false)
    await report(pool, '10.1.0.1', true)
    expect(held()).toEqual({ 1: 1 })
  })
  it('first verdicts at the start', async () => {
    const pool = await open({
      initial: 'down',
      servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
      maxChangesPerMinute: 1,
    })
    for (const n of [1, 2, 3]) await report(pool, `10.1.0.${n}`, true)
    expect(held()).toEqual({ 1: 1, 2: 1, 3: 1 })
  })
})
describe('slow start', () => {
  const options = {
    servers: [{ address: '10.1.0.1', weight: 100 }],
    slowStart: { durationMs: 10_000, steps: 5 },
  }
  it('of an added server', async () => {
    const pool = await open(options)
    await pool.add({ address: '10.1.0.2', weight: 100 })
    expect(held()).toEqual({ 1: 100, 2: 10 })
  })
  it('after maintenance', async () => {
    const pool = await open(options)
    await pool.setAdmin('10.1.0.1', 'maintenance')
    await pass(60_000)
    await pool.setAdmin('10.1.0.1', 'ready')
    expect(held()).toEqual({ 1: 10 })
  })
})
describe('setServers', () => {
  const fronts = [
    { address: '192.0.2.1', port: 53, protocols: ['udp'] },
    { address: '2001:db8::1', port: 53, protocols: ['udp'] },
  ] as const
  const dual = {
    address: undefined,
    port: undefined,
    fronts,
  } as unknown as Partial<MirroredPoolOptions>
  it('two servers on one place are refused, as at the opening', async () => {
    const clash = [
      { address: '10.1.0.1', secondAddress: '2001:db8::a' },
      { address: '10.1.0.2', secondAddress: '2001:db8::a' },
    ]
    await expect(open({ ...dual, servers: clash })).rejects.toThrow(/not in the pool yet/)
    const pool = await open({ ...dual, servers: [clash[0]!] })
    await expect(pool.setServers(clash)).rejects.toThrow()
  })
  it('ports', async () => {
    const pool = await open({
      address: undefined,
      port: undefined,
      forwarding: 'masquerade',
      fronts: [
        { address: '192.0.2.1', port: 53, protocols: ['tcp'] },
        { address: '192.0.2.1', port: 853, protocols: ['tcp'] },
      ],
      servers: ['10.1.0.1'],
    } as unknown as MirroredPoolOptions)
    await expect(pool.add('10.1.0.1:853')).rejects.toThrow(/not in the pool yet/)
    await expect(pool.setServers(['10.1.0.1', '10.1.0.1:853'])).rejects.toThrow()
  })
  it('a swap of second addresses', async () => {
    const pool = await open({
      ...dual,
      servers: [
        { address: '10.1.0.1', secondAddress: '2001:db8::a' },
        { address: '10.1.0.2', secondAddress: '2001:db8::b' },
      ],
    })
    await pool.setServers([
      { address: '10.1.0.1', secondAddress: '2001:db8::b' },
      { address: '10.1.0.2', secondAddress: '2001:db8::a' },
    ])
    expect(kernel.rules().filter((r) => r.includes('->')).length).toBe(4)
    await pool.down('10.1.0.1')
    expect(kernel.rules().filter((r) => r.includes('->'))).toEqual([
      'udp 192.0.2.1:53 -> 10.1.0.2:53 direct 1',
      'udp [2001:db8::1]:53 -> [2001:db8::a]:53 direct 1',
    ])
    expect((await pool.reconcile()).changes).toEqual([])
  })
  it('a drain whose server moves does not leave it drained for ever', async () => {
    const read = kernel.destinations.bind(kernel)
    kernel.destinations = async (id) =>
      (await read(id)).map((row) => ({
        ...row,
        activeConnections: 1,
        inactiveConnections: 1,
        persistentConnections: 0,
      }))
    const pool = await open({
      ...dual,
      servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }],
    })
    void pool.drain('10.1.0.1', { timeoutMs: 5000 })
    await pass(1)
    await pool.setServers([{ address: '10.1.0.1', secondAddress: '2001:db8::b' }])
    await pass(20_000)
    expect(pool.status().servers[0]!.admin).not.toBe('drain')
  })
  it('an event that waits survives a move, and is told once', async () => {
    const at = (end: string) => [
      { address: '10.1.0.1', secondAddress: `2001:db8::${end}` },
      { address: '10.1.0.2', secondAddress: '2001:db8::2' },
    ]
    const pool = await open({ ...dual, servers: at('a'), maxChangesPerMinute: 1 })
    for (const { key, address } of [...pool.members()]) {
      expect(key).toBe(`${address}:53`)
      await report(pool, address, true)
    }
    const events = record(pool)
    await report(pool, '10.1.0.1', false)
    await report(pool, '10.1.0.1', true)
    expect(events.map(({ name }) => name)).toEqual(['down'])
    await pool.setServers(at('b'))
    await pass(61_000)
    expect(events.map(({ name }) => name)).toEqual(['down', 'up'])
    await pool.reconcile()
    expect(events).toHaveLength(2)
  })
  it('slow start and waiting survive a move', async () => {
    const s = (secondAddress: string) => [{ address: '10.1.0.1', secondAddress, weight: 100 }]
    const pool = await open({
      ...dual,
      servers: s('2001:db8::a'),
      slowStart: { durationMs: 10_000, steps: 5 },
    })
    await pool.down('10.1.0.1')
    await pool.up('10.1.0.1')
    expect(held()).toEqual({ 1: 10 })
    await pool.setServers(s('2001:db8::b'))
    expect(held()).toEqual({ 1: 10 })
  })
})
describe('drain', () => {
  const counts = { activeConnections: 1, inactiveConnections: 1, persistentConnections: 0 }
  beforeEach(() => {
    const read = kernel.destinations.bind(kernel)
    kernel.destinations = async (id) => (await read(id)).map((row) => ({ ...row, ...counts }))
  })
  it('aborting gives back what was: maintenance', async () => {
    const pool = await open()
    await pool.setAdmin('10.1.0.1', 'maintenance')
    await pool.drain('10.1.0.1', { signal: AbortSignal.abort() })
    expect(pool.status().servers[0]!.admin).toBe('maintenance')
  })
  it('setAdmin holds although the signal is aborted right after', async () => {
    const pool = await open()
    const cancel = new AbortController()
    const result = pool.drain('10.1.0.1', { signal: cancel.signal })
    await pass(2000)
    const set = pool.setAdmin('10.1.0.1', 'maintenance')
    cancel.abort()
    await set
    await quiet()
    await result
    expect(pool.status().servers[0]!.admin).toBe('maintenance')
  })
  it('onProgress that throws', async () => {
    const pool = await open()
    const result = pool.drain('10.1.0.1', {
      timeoutMs: 4000,
      onProgress: () => {
        throw new Error('mine')
      },
    })
    result.catch(() => {})
    await pass(10_000)
    expect(pool.status().servers[0]!.admin).toBe('maintenance')
  })
  it('a kernel that fails for a moment does not end the drain', async () => {
    const pool = await open()
    let n = 0
    kernel.fail = (c) =>
      'destination' in c && c.destination.address === '10.1.0.1' && n++ < 8
        ? { error: new Error('busy') }
        : undefined
    const result = pool.drain('10.1.0.1', { timeoutMs: 4000 })
    result.catch(() => {})
    for (let i = 0; i < 10; i++) await pass(10_000)
    expect(pool.status().servers[0]!.admin).toBe('maintenance')
  })
})
it('a setting that cannot be set does not stop repairs', async () => {
  const pool = await open({ sysctls: 'apply' })
  kernel.values.expire_nodest_conn = 0
  kernel.setSysctl = () => Promise.reject(new Error('read-only file system'))
  kernel.edit({
    op: 'remove-destination',
    service: UDP,
    destination: { address: '10.1.0.1', port: 53 },
  })
  await pool.reconcile().catch(() => {})
  await quiet()
  expect(held()).toEqual({ 1: 1, 2: 1 })
})
it('the longest interval is long', async () => {
  const real = vi.spyOn(globalThis, 'setTimeout')
  vi.spyOn(Math, 'random').mockReturnValue(0.9)
  const pool = await open({ reconcileIntervalMs: 0x7fffffff })
  const delays = real.mock.calls.map(([, d]) => d)
  vi.restoreAllMocks()
  await pool.close()
  expect(Math.max(...delays.map(Number))).toBeLessThanOrEqual(0x7fffffff)
})
it('a kernel failure is no lasting warning about the source', async () => {
  const pool = await open()
  let n = 0
  kernel.fail = (c) =>
    'destination' in c && c.destination.address === '10.1.0.5' && n++ < 8
      ? { error: new Error('no memory') }
      : undefined
  await pool.follow({
    async *[Symbol.asyncIterator]() {
      yield ['10.1.0.1', '10.1.0.5']
    },
  })
  for (let i = 0; i < 10; i++) await pass(10_000)
  expect(held()).toEqual({ 1: 1, 5: 1 })
  expect(pool.status().warnings).toEqual([])
})

it('close after down', async () => {
  const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
  const down = pool.down('10.1.0.1')
  down.catch(() => {})
  await pool.close()
  expect(held()[1]).toBeUndefined()
})
it('how many reads before the dead one is out', async () => {
  const pool = await open({ servers: ['10.1.0.1'], quorum: { up: 1, onLost: 'withdraw' } })
  kernel.reads = 0
  await pool.down('10.1.0.1')
  expect(kernel.reads).toBe(0)
})
it('dead server while reads fail for long', async () => {
  const pool = await open({ servers: ['10.1.0.1'], quorum: { up: 1, onLost: 'withdraw' } })
  kernel.failRead = () => new Error('busy')
  const down = pool.down('10.1.0.1')
  down.catch(() => {})
  for (let i = 0; i < 5; i++) await pass(60_000)
  expect(held()).toEqual({})
})
it('order after a repair', async () => {
  const pool = await open({ quorum: { up: 2 } })
  const events = record(pool)
  let n = 0
  kernel.fail = () => (n++ < 1 ? { error: new Error('x') } : undefined)
  await pool.down('10.1.0.1')
  expect(events.map((e) => e.name).filter((n) => n !== 'diverged')).toEqual(['down', 'quorum'])
})
it('a verdict that repeats in report mode', async () => {
  const pool = await open({ drift: 'report' })
  kernel.edit({
    op: 'ensure-destination',
    service: UDP,
    destination: { address: '10.1.0.1', port: 53, forwarding: 'direct', weight: 9 },
  })
  await pool.reconcile()
  await report(pool, '10.1.0.1', true)
  expect(held()).toEqual({ 1: 9, 2: 1 })
})
it('an unrelated server fails', async () => {
  const pool = await open({ drift: 'report', servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'] })
  for (const protocol of ['tcp', 'udp'] as const)
    kernel.edit({
      op: 'ensure-no-destination',
      service: { ...UDP, protocol },
      destination: { address: '10.1.0.2', port: 53 },
    })
  await pool.down('10.1.0.1')
  await pool.down('10.1.0.2')
  await pool.up('10.1.0.2')
  expect(held()).toEqual({ 2: 1, 3: 1 })
})
it('close while following and setting', async () => {
  const pool = await open()
  const f = pool.follow({
    async *[Symbol.asyncIterator]() {
      yield ['10.1.0.5']
      yield ['10.1.0.6']
      throw new Error('s')
    },
  })
  await Promise.resolve()
  await pool.close()
  await f
  await quiet()
})
it('a backup that is also presumed up', async () => {
  const pool = await open({ backup: ['10.1.0.9'], servers: ['10.1.0.1'] })
  await pool.down('10.1.0.1')
  expect(held()).toEqual({ 9: 1 })
  // primary is up again in the kernel by a dying process: both are there
  await pool.up('10.1.0.1')
  await pool.close()
  for (const protocol of ['tcp', 'udp'] as const)
    kernel.edit({
      op: 'add-destination',
      service: { ...UDP, protocol },
      destination: { address: '10.1.0.9', port: 53, forwarding: 'direct', weight: 1 },
    })
  await open({ backup: ['10.1.0.9'], servers: ['10.1.0.1'], initial: 'adopt' })
})
