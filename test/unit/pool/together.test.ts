// A pool whose servers are judged together: backups, quorum, fail-open, slow start, limits, lists.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Verdict } from '../../../src/health/types.js'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { StandIn, show } from './stand-in.js'
import { twoServers } from './two-servers.js'
import { quiet, record } from './watch.js'

const base = { ...twoServers, forwarding: 'direct' } as const satisfies MirroredPoolOptions

const pools: MirroredPool[] = []
let kernel: StandIn

async function open(options: Partial<MirroredPoolOptions> = {}) {
  const pool = await MirroredPool.open(kernel, { ...base, ...options } as MirroredPoolOptions)
  pools.push(pool)
  kernel.batches.length = 0
  // Events of the opening come first.
  await new Promise((resolve) => setImmediate(resolve))
  return pool
}

/** Weights of the UDP service by the last byte of the address; the TCP one has to hold the same. */
function held(): Record<string, number> {
  const of = (protocol: string) =>
    Object.fromEntries(
      [...(kernel.tables.get(`${protocol} 192.0.2.1:53`)?.destinations.values() ?? [])]
        .map(({ address, weight }) => [address.split('.').at(-1)!, weight ?? 1] as const)
        .sort(),
    )
  expect(of('tcp')).toEqual(of('udp'))
  return of('udp')
}

const verdict = (healthy: boolean): Verdict => ({ healthy, initial: false, reason: 'test', at: 0 })
const report = (pool: MirroredPool, key: string, healthy: boolean) =>
  pool.report({ key: `${key}:53`, address: key, port: 53 }, verdict(healthy))

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  kernel = new StandIn()
})

afterEach(async () => {
  vi.useRealTimers()
  kernel.fail = undefined
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

describe('backups', () => {
  it('come before the last server goes, in the same batch, and leave when one is back', async () => {
    const pool = await open({ backup: ['10.1.0.9'] })
    expect(held()).toEqual({ 1: 1, 2: 1 })
    expect([...pool.members()].map(({ key }) => key)).toContain('10.1.0.9:53')
    const events = record(pool)
    await pool.down('10.1.0.1')
    expect(held()).toEqual({ 2: 1 })
    kernel.batches.length = 0
    await pool.down('10.1.0.2')
    expect(kernel.batches.map((batch) => batch.map(show))).toEqual([
      [
        'add-destination tcp 192.0.2.1:53 -> 10.1.0.9:53 1',
        'add-destination udp 192.0.2.1:53 -> 10.1.0.9:53 1',
        'remove-destination tcp 192.0.2.1:53 -> 10.1.0.2:53',
        'remove-destination udp 192.0.2.1:53 -> 10.1.0.2:53',
      ],
    ])
    expect(pool.status()).toMatchObject({
      quorum: false,
      servers: [
        { serves: false, backup: false },
        { serves: false, backup: false },
        { serves: true, backup: true },
      ],
    })
    await pool.up('10.1.0.1')
    expect(held()).toEqual({ 1: 1 })
    expect(
      events.map((event) => [event.name, event.server ?? (event as { after: unknown }).after]),
    ).toEqual([
      ['down', '10.1.0.1:53'],
      ['down', '10.1.0.2:53'],
      ['quorum', false],
      ['up', '10.1.0.1:53'],
      ['quorum', true],
    ])
  })

  it('that are sick stay out', async () => {
    const pool = await open({ backup: ['10.1.0.9'] })
    await report(pool, '10.1.0.9', false)
    await pool.down('10.1.0.1')
    await pool.down('10.1.0.2')
    expect(held()).toEqual({})
    await report(pool, '10.1.0.9', true)
    expect(held()).toEqual({ 9: 1 })
  })

  it('can be added later, and are not in two roles', async () => {
    const pool = await open()
    await expect(pool.add('10.1.0.1', { backup: true })).rejects.toThrow(/not in the pool yet/)
    await pool.add('10.1.0.8', { backup: true })
    expect(held()).toEqual({ 1: 1, 2: 1 })
    await pool.setAdmin('10.1.0.1', 'maintenance')
    await pool.remove('10.1.0.2')
    expect(held()).toEqual({ 8: 1 })
    await expect(pool.setServers(['10.1.0.8'])).rejects.toThrow(/servers\[0\].*no backup/)
  })

  it('the kernel is never without a server in between', async () => {
    const pool = await open({ backup: ['10.1.0.9'] })
    let least = Number.POSITIVE_INFINITY
    const count = () => {
      for (const { destinations } of kernel.tables.values()) {
        least = Math.min(least, destinations.size)
      }
    }
    kernel.fail = () => {
      count()
      return undefined
    }
    for (let round = 0; round < 3; round++) {
      await Promise.all([report(pool, '10.1.0.1', false), report(pool, '10.1.0.2', false)])
      count()
      await Promise.all([report(pool, '10.1.0.1', true), report(pool, '10.1.0.2', true)])
      count()
    }
    expect(least).toBe(1)
  })
})

describe('a quorum', () => {
  it('onLost: withdraw takes the services out and puts them back', async () => {
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    const events = record(pool)
    await pool.down('10.1.0.1')
    expect(kernel.rules()).toEqual([])
    expect(pool.status()).toMatchObject({ quorum: false, converged: true })
    await pool.reconcile()
    expect(kernel.rules()).toEqual([])
    await pool.down('10.1.0.2')
    await pool.up('10.1.0.2')
    expect(kernel.rules()).toEqual([])
    await pool.up('10.1.0.1')
    expect(held()).toEqual({ 1: 1, 2: 1 })
    expect(events.filter(({ name }) => name === 'quorum')).toMatchObject([
      { before: true, after: false, amount: 1, initial: false },
      { before: false, after: true, amount: 2 },
    ])
    expect(events.filter(({ name }) => name === 'drift' || name === 'diverged')).toEqual([])
  })

  it('onLost: refuse leaves an empty service', async () => {
    const pool = await open({ quorum: { up: 2, onLost: 'refuse' } })
    await pool.down('10.1.0.2')
    expect(kernel.rules()).toEqual(['tcp 192.0.2.1:53 wrr', 'udp 192.0.2.1:53 wrr ops'])
  })

  it('is told at the opening', async () => {
    const pool = await MirroredPool.open(kernel, { ...base, quorum: { up: 2 } })
    pools.push(pool)
    const events = record(pool)
    await quiet(2)
    expect(events).toMatchObject([{ name: 'quorum', after: true, initial: true, amount: 2 }])
  })

  it('that is missing at the opening keeps the services out', async () => {
    const pool = await open({ initial: 'down', quorum: { up: 1, onLost: 'withdraw' } })
    expect(kernel.rules()).toEqual([])
    await report(pool, '10.1.0.1', true)
    expect(held()).toEqual({ 1: 1 })
  })

  it('is an event as soon as it is known what the kernel takes, and a backup that it refuses comes later', async () => {
    const pool = await open({ quorum: { up: 2 }, backup: ['10.1.0.9'] })
    const events = record(pool)
    kernel.fail = ({ op }) =>
      op === 'add-destination' || op === 'ensure-destination'
        ? { error: new Error('no memory') }
        : undefined
    await pool.down('10.1.0.1')
    await quiet()
    expect(held()).toEqual({ 2: 1 })
    kernel.fail = undefined
    await pool.reconcile()
    expect(events.filter(({ name }) => name === 'quorum')).toMatchObject([{ after: false }])
    expect(held()).toEqual({ 2: 1, 9: 1 })
  })
})

it('panic warns while it lasts', async () => {
  const pool = await open({
    servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'],
    panic: { minHealthyPercent: 50, action: 'freeze' },
  })
  const events = record(pool)
  await report(pool, '10.1.0.1', false)
  expect(held()).toEqual({ 2: 1, 3: 1 })
  await report(pool, '10.1.0.2', false)
  expect(held()).toEqual({ 2: 1, 3: 1 })
  expect(pool.status().warnings).toMatchObject([{ code: 'panic' }])
  await report(pool, '10.1.0.1', true)
  expect(held()).toEqual({ 1: 1, 3: 1 })
  expect(pool.status().warnings).toEqual([])
  expect(events.filter(({ name }) => name === 'warning')).toHaveLength(1)
})

describe('with a clock', () => {
  const pass = async (ms: number) => {
    await vi.advanceTimersByTimeAsync(ms)
    await quiet()
  }

  it('slow start gives a server that comes up its weight step by step', async () => {
    const pool = await open({
      servers: [{ address: '10.1.0.1', weight: 100 }, '10.1.0.2'],
      slowStart: { durationMs: 10_000, steps: 5, from: 0.1 },
    })
    expect(held()).toEqual({ 1: 100, 2: 1 })
    await pool.down('10.1.0.1')
    await pool.up('10.1.0.1')
    const weights = [held()[1]]
    for (let step = 0; step < 5; step++) {
      await pass(2000)
      weights.push(held()[1])
    }
    expect(weights).toEqual([10, 28, 46, 64, 82, 100])
    await pool.down('10.1.0.1')
    await pool.up('10.1.0.1')
    await pass(4000)
    await pool.setWeight('10.1.0.1', 10)
    expect(held()[1]).toBe(5)
    await pool.down('10.1.0.1')
    await pass(60_000)
    expect(held()).toEqual({ 2: 1 })
  })

  it('health moves servers up only so often a minute, and down at once', async () => {
    const servers = ['10.1.0.1', '10.1.0.2', '10.1.0.3']
    const pool = await open({ servers, maxChangesPerMinute: 3 })
    for (const server of servers) await report(pool, server, true)
    const events = record(pool)
    await report(pool, '10.1.0.1', false) // 1
    await report(pool, '10.1.0.1', true) // 2
    await pass(10_000)
    await report(pool, '10.1.0.1', false) // 3
    await report(pool, '10.1.0.1', true)
    await report(pool, '10.1.0.2', false) // 4: at once
    expect(held()).toEqual({ 3: 1 })
    expect(pool.status().servers[0]).toMatchObject({ health: 'up', serves: false })
    // Nothing that a person asks for waits.
    await pool.up('10.1.0.2')
    expect(held()).toEqual({ 2: 1, 3: 1 })
    await pass(49_999)
    expect(held()).toEqual({ 2: 1, 3: 1 })
    await pass(10_002)
    expect(held()).toEqual({ 1: 1, 2: 1, 3: 1 })
    expect(events.at(-1)).toMatchObject({ after: { effectiveWeight: 1 } })
    expect(events.map(({ name, server }) => `${name} ${server}`)).toEqual([
      'down 10.1.0.1:53',
      'up 10.1.0.1:53',
      'down 10.1.0.1:53',
      'down 10.1.0.2:53',
      'up 10.1.0.2:53',
      'up 10.1.0.1:53',
    ])
  })

  it('looks at the kernel by itself, and repairs', async () => {
    const pool = await open({ reconcileIntervalMs: 1000 })
    const events = record(pool)
    const service = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
    kernel.edit({
      op: 'remove-destination',
      service,
      destination: { address: '10.1.0.1', port: 53 },
    })
    await pass(1101)
    expect(held()).toEqual({ 1: 1, 2: 1 })
    expect(events).toMatchObject([{ name: 'drift', found: 'missing', repaired: true }])
    await pool.close()
    const { reads } = kernel
    await pass(10_000)
    expect(kernel.reads).toBe(reads)
  })

  it('a read that fails is an error event, and the next one comes', async () => {
    const pool = await open({ reconcileIntervalMs: 1000 })
    const events = record(pool)
    kernel.failRead = () => new Error('busy')
    await pass(1101)
    kernel.failRead = undefined
    expect(events).toMatchObject([{ name: 'error', cause: 'reconcile' }])
    const { reads } = kernel
    await pass(1101)
    expect(kernel.reads).toBeGreaterThan(reads)
  })
})

describe('setServers', () => {
  it('makes the smallest change, who comes before who leaves', async () => {
    const pool = await open({ servers: ['10.1.0.1', '10.1.0.2', '10.1.0.3'] })
    let changes = 0
    pool.onMembers(() => changes++)
    await pool.setServers([
      '10.1.0.1',
      { address: '10.1.0.2', weight: 7, upperThreshold: 100 },
      '10.1.0.4',
    ])
    expect(changes).toBe(1)
    expect(kernel.batches.map((batch) => batch.map(show))).toEqual([
      [
        'replace-destination tcp 192.0.2.1:53 -> 10.1.0.2:53 7',
        'replace-destination udp 192.0.2.1:53 -> 10.1.0.2:53 7',
        'add-destination tcp 192.0.2.1:53 -> 10.1.0.4:53 1',
        'add-destination udp 192.0.2.1:53 -> 10.1.0.4:53 1',
        'remove-destination tcp 192.0.2.1:53 -> 10.1.0.3:53',
        'remove-destination udp 192.0.2.1:53 -> 10.1.0.3:53',
      ],
    ])
    await pool.setServers([
      '10.1.0.4',
      { address: '10.1.0.2', weight: 7, upperThreshold: 100 },
      '10.1.0.1:53',
    ])
    expect(kernel.batches).toHaveLength(1)
    expect(changes).toBe(1)
    expect((await pool.reconcile()).changes).toEqual([])
  })

  it('moves a server whose second address is another one', async () => {
    const two = (secondAddress: string) => [{ address: '10.1.0.1', secondAddress }]
    const pool = await open({
      address: undefined,
      port: undefined,
      fronts: [
        { address: '192.0.2.1', port: 53, protocols: ['udp'] },
        { address: '2001:db8::1', port: 53, protocols: ['udp'] },
        { address: '2001:db8::1', port: 853, protocols: ['tcp'] },
      ],
      servers: two('2001:db8::a'),
    } as unknown as Partial<MirroredPoolOptions>)
    const rows = () => kernel.rules().filter((rule) => rule.includes('->'))
    expect(rows()).toEqual([
      'udp 192.0.2.1:53 -> 10.1.0.1:53 direct 1',
      'udp [2001:db8::1]:53 -> [2001:db8::a]:53 direct 1',
      'tcp [2001:db8::1]:853 -> [2001:db8::a]:853 direct 1',
    ])
    await pool.down('10.1.0.1')
    expect(rows()).toEqual([])
    expect(kernel.batches).toHaveLength(1)
    await pool.setServers(two('2001:db8::b'))
    expect(rows()).toEqual([])
    await pool.up('10.1.0.1')
    await pool.setServers(two('2001:db8::c'))
    expect(rows()).toEqual([
      'udp 192.0.2.1:53 -> 10.1.0.1:53 direct 1',
      'udp [2001:db8::1]:53 -> [2001:db8::c]:53 direct 1',
      'tcp [2001:db8::1]:853 -> [2001:db8::c]:853 direct 1',
    ])
    expect((await pool.reconcile()).changes).toEqual([])
    await expect(pool.setServers(two('10.1.0.9'))).rejects.toThrow(/servers\[0\]\.secondAddress/)
  })

  it('keeps health and the administrator’s word', async () => {
    const pool = await open()
    await pool.down('10.1.0.1')
    await pool.setAdmin('10.1.0.2', 'drain')
    await pool.setServers([{ address: '10.1.0.1', weight: 3 }, '10.1.0.2'])
    expect(held()).toEqual({ 2: 0 })
  })

  it.each([
    [['10.1.0.1', 'nonsense'], /servers\[1\]/],
    [['10.1.0.1', '10.1.0.1:53'], /servers\[1\].*twice/],
    [['10.1.0.1', { address: '10.1.0.2', port: 99 }], /servers\[1\]\.port/],
    ['10.1.0.1', /servers.*array/],
  ])('%j is refused, and nothing changes', async (list, message) => {
    const pool = await open()
    await expect(pool.setServers(list as string[])).rejects.toThrow(message)
    expect(kernel.batches).toEqual([])
    expect(held()).toEqual({ 1: 1, 2: 1 })
  })
})

it('follows a source, and keeps its servers when that is empty or fails', async () => {
  const pool = await open()
  const lists: string[][] = [['10.1.0.1', '10.1.0.5'], [], ['10.1.0.6']]
  const source = {
    async *[Symbol.asyncIterator]() {
      yield* lists
    },
  }
  const events = record(pool)
  await pool.follow({
    async *[Symbol.asyncIterator]() {
      yield lists[0]!
      await quiet()
      yield lists[1]!
    },
  })
  expect(held()).toEqual({ 1: 1, 5: 1 })
  expect(pool.status().warnings).toMatchObject([{ code: 'source' }])
  expect(events.filter(({ name }) => name === 'warning')).toHaveLength(1)
  await pool.follow(source)
  expect(held()).toEqual({ 6: 1 })
  const endless = pool.follow({
    async *[Symbol.asyncIterator]() {
      await new Promise(() => {})
      yield []
    },
  })
  await pool.close()
  await endless
})
