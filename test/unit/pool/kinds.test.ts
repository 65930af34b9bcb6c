// What a kernel that refuses, calls that meet, and listeners that throw must not do to a pool. On MemoryKernel.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'
import { BROADCAST as REFUSED, record, report, TCP, verdict } from './kinds/ground.js'
import { twoServers } from './two-servers.js'

/** As `[, '10.1.0.1']`. */
const HOLE = Object.assign(new Array(2), { 1: '10.1.0.1' })

const closing: AsyncDisposable[] = []
afterEach(async () => {
  for (const it of closing.splice(0).reverse()) await it[Symbol.asyncDispose]()
})

async function open(options: Partial<MirroredPoolOptions> = {}, rules?: string) {
  const kernel = new MemoryKernel({ sysctls: { expire_nodest_conn: 1 }, ...(rules && { rules }) })
  const ipvs = await Ipvs.open({ kernel })
  closing.push(ipvs)
  const pool = await MirroredPool.open(ipvs, { ...twoServers, ...options } as MirroredPoolOptions)
  closing.push(pool)
  await sleep(2)
  return { kernel, ipvs, pool, events: record(pool) }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
/** Destinations by service, as `10.1.0.1 w1`. */
function rows(kernel: MemoryKernel): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const line of kernel.rules().split('\n')) {
    const [, kind, service] = /^-([Aa]) (-\S \S+)/.exec(line) ?? []
    if (kind === 'A') found[service!] = []
    const [, to, weight] = /-r (\S+):\d+ .*-w (\d+)/.exec(line) ?? []
    if (kind === 'a') found[service!]!.push(`${to} w${weight}`)
  }
  for (const list of Object.values(found)) list.sort()
  return found
}
const both = (...list: string[]) => ({ '-t 192.0.2.1:53': list, '-u 192.0.2.1:53': list })
/** The least of servers that any service had which takes connections, between any two messages from now on. */
function watchLeast(kernel: MemoryKernel) {
  const seen = { least: Number.POSITIVE_INFINITY }
  const look = () => {
    for (const list of Object.values(rows(kernel))) {
      seen.least = Math.min(seen.least, list.filter((row) => !row.endsWith(' w0')).length)
    }
  }
  kernel.between(look)
  return seen
}
describe('a removal waits for the success of what replaces it', () => {
  it('in a list of which one is taken: the others go then', async () => {
    const { kernel, pool } = await open()
    const seen = watchLeast(kernel)
    await expect(pool.setServers([REFUSED, '10.1.0.3'])).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID',
    })
    expect(rows(kernel)).toEqual(both('10.1.0.3 w1'))
    expect(seen.least).toBeGreaterThan(0)
  })

  it('when a primary comes back that is refused: the backup stays', async () => {
    const { kernel, pool } = await open({ servers: ['10.1.0.1'], backup: ['10.1.0.9'] })
    await report(pool, '10.1.0.1', false)
    expect(rows(kernel)).toEqual(both('10.1.0.9 w1'))
    const seen = watchLeast(kernel)
    for (let nth = 1; nth <= 9; nth++) kernel.fail({ nth, errno: 'ENOMEM' })
    await expect(report(pool, '10.1.0.1', true)).rejects.toMatchObject({ code: 'ERR_IPVS_MEMORY' })
    expect(seen.least).toBeGreaterThan(0)
    await expect.poll(() => rows(kernel), { timeout: 10_000 }).toEqual(both('10.1.0.1 w1'))
    expect(seen.least).toBeGreaterThan(0)
  })

  it('when a replacement is removed again, what waited for it goes', async () => {
    const { kernel, pool } = await open()
    await pool.setServers([REFUSED]).catch(() => {})
    expect(rows(kernel)).toEqual(both('10.1.0.1 w1', '10.1.0.2 w1'))
    await pool.setServers([])
    await expect.poll(() => rows(kernel)).toEqual(both())
  })

  it('when add and remove are called one after the other, without waiting', async () => {
    const { kernel, pool } = await open({ servers: ['10.1.0.1'] })
    const seen = watchLeast(kernel)
    await Promise.allSettled([pool.add(REFUSED), pool.remove('10.1.0.1')])
    expect(rows(kernel)).toEqual(both('10.1.0.1 w1'))
    expect(seen.least).toBe(1)
    await pool.remove(REFUSED)
    await expect.poll(() => rows(kernel)).toEqual(both())
  })

  it('at the opening: what was there stays, the pool opens, and says what is wrong', async () => {
    const rules = '-A -t 192.0.2.1:53 -s wrr\n-a -t 192.0.2.1:53 -r 10.1.0.7:53 -m -w 1'
    const { kernel, pool } = await open({ servers: [REFUSED], protocols: ['tcp'] }, rules)
    expect(rows(kernel)).toEqual({ '-t 192.0.2.1:53': ['10.1.0.7 w1'] })
    expect(pool.status()).toMatchObject({
      converged: false,
      quorum: false,
      servers: [{ serves: false, error: expect.stringContaining('127.255.255.255') }],
    })
  })

  it('on both protocols alike, though only one is refused', async () => {
    const { kernel, pool } = await open({ servers: ['10.1.0.1'] })
    const seen = watchLeast(kernel)
    for (const nth of [2, 4, 6, 8]) kernel.fail({ nth, errno: 'ENOMEM' })
    await pool.setServers(['10.1.0.2']).catch(() => {})
    expect(seen.least).toBe(1)
    await expect.poll(() => rows(kernel), { timeout: 10_000 }).toEqual(both('10.1.0.2 w1'))
  })

  it('but a server that has failed does not wait', async () => {
    const { kernel, pool } = await open({ servers: ['10.1.0.1', REFUSED] })
    await report(pool, '10.1.0.1', false)
    expect(rows(kernel)).toEqual(both())
  })
})

describe('one refused server', () => {
  it('does not make the reports of others reject, nor hold their events back', async () => {
    const { pool, events } = await open({ servers: ['10.1.0.1', '10.1.0.2', REFUSED] })
    await report(pool, '10.1.0.1', false)
    await report(pool, '10.1.0.1', true, { weightFactor: 0.5 })
    expect(events.map(({ name, server }) => [name, server])).toEqual([
      ['down', '10.1.0.1:53'],
      ['up', '10.1.0.1:53'],
    ])
  })

  it('does not hold a drain back, nor its event', async () => {
    const { pool, events } = await open({ servers: ['10.1.0.1', '10.1.0.2', REFUSED] })
    await pool.drain('10.1.0.2', { timeoutMs: 0 })
    expect(events.map(({ name, server }) => [name, server])).toEqual([['drained', '10.1.0.2:53']])
  })

  it('counts for no quorum by weight, at the opening or later, and the quorum is told when it is taken', async () => {
    const { kernel, pool, events } = await open({ quorum: { up: 12, unit: 'weight' } })
    for (let nth = 1; nth <= 9; nth++) kernel.fail({ nth, errno: 'ENOMEM' })
    await pool.add({ address: '10.1.0.3', weight: 10 }).catch(() => {})
    expect(pool.status().quorum).toBe(false)
    expect(events.filter(({ name }) => name === 'quorum')).toEqual([])
    const told = () => events.filter(({ name }) => name === 'quorum')
    await expect.poll(told, { timeout: 10_000 }).toMatchObject([{ after: true, amount: 12 }])
    expect(pool.status().servers[2]).toMatchObject({ serves: true, error: undefined })
  })

  it('is tried again without end, and told once', async () => {
    const { pool, events } = await open()
    await pool.add(REFUSED).catch(() => {})
    await sleep(2500)
    expect(events.filter(({ name }) => name === 'error')).toHaveLength(1)
  })

  it('keeps services withdrawn that need it, and they come back when the kernel takes it', async () => {
    const { kernel, pool } = await open({ quorum: { up: 3, onLost: 'withdraw' } })
    expect(rows(kernel)).toEqual({})
    for (let nth = 1; nth <= 24; nth++) {
      kernel.fail({ nth, errno: 'ENOMEM' })
    }
    await pool.add('10.1.0.3').catch(() => {})
    const all = both('10.1.0.1 w1', '10.1.0.2 w1', '10.1.0.3 w1')
    await expect.poll(() => rows(kernel), { timeout: 20_000 }).toEqual(all)
  })
})

describe('what is not declared', () => {
  it('and becomes a backup while it is swept is there when it is needed', async () => {
    for (let turns = 0; turns <= 8; turns++) {
      const { kernel, ipvs, pool } = await open({ servers: ['10.1.0.1'], protocols: ['tcp'] })
      const destination = { address: '10.1.0.9', port: 53, forwarding: 'masquerade' } as const
      await ipvs.addDestination(TCP, destination)
      const reconciled = pool.reconcile()
      for (let n = 0; n < turns; n++) await new Promise((resolve) => setImmediate(resolve))
      await pool.add('10.1.0.9', { backup: true })
      await pool.down('10.1.0.1')
      await reconciled
      await sleep(5)
      expect(rows(kernel), `after ${turns} turns`).toEqual({ '-t 192.0.2.1:53': ['10.1.0.9 w1'] })
      expect(pool.status().converged).toBe(true)
    }
  })
})

describe('events', () => {
  it('ascend, whatever listeners call and throw, and so do those of diagnostics_channel', async () => {
    const { pool, events } = await open()
    const heard: number[] = []
    pool.on('down', () => {
      void pool.setAdmin('10.1.0.2', 'maintenance')
      throw new Error('mine')
    })
    for (const name of ['down', 'error', 'up'] as const) {
      pool.on(name, ({ sequence }: { sequence: number }) => heard.push(sequence))
    }
    await Promise.all([pool.down('10.1.0.1'), pool.down('10.1.0.2'), pool.up('10.1.0.1')])
    await sleep(5)
    expect(heard).toEqual([...heard].sort((a, b) => a - b))
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, n) => n + 1))
    expect(heard.length).toBeGreaterThan(3)
  })

  it('say nothing of a server that waits for its turn and fails before it has come', async () => {
    const { pool, events } = await open({ maxChangesPerMinute: 1 })
    for (const address of twoServers.servers) await report(pool, address, true)
    await report(pool, '10.1.0.2', false)
    await report(pool, '10.1.0.2', true)
    await report(pool, '10.1.0.2', false)
    await sleep(5)
    expect(events.map(({ name }) => name)).toEqual(['down'])
  })
})

describe("drift: 'report' with a service that is gone", () => {
  it('neither hangs nor spins: calls reject, the status names it, and they are done when it is back', async () => {
    const { kernel, ipvs, pool, events } = await open({ drift: 'report' })
    await ipvs.removeService(TCP)
    await pool.reconcile()
    expect(pool.status().missing).toEqual(['tcp 192.0.2.1:53'])
    await expect(pool.add('10.1.0.3')).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SERVICE' })
    const drained = pool.drain('10.1.0.1', { timeoutMs: 10 }).catch((error) => error)
    await report(pool, '10.1.0.2', false).catch(() => {})
    await drained
    const before = events.length
    await sleep(1500)
    expect(events.length).toBe(before)
    await ipvs.addService({ ...TCP, scheduler: 'wrr' })
    await pool.reconcile()
    expect(rows(kernel)['-t 192.0.2.1:53']).toContain('10.1.0.3 w1')
    expect(pool.status().missing).toEqual([])
  })
})

describe('arguments', () => {
  it.each<[string, (pool: MirroredPool) => unknown, string]>([
    ['a member without key', (pool) => pool.report({} as never, verdict(true)), 'member.key'],
    ['no member', (pool) => pool.report(null as never, verdict(true)), 'member'],
    [
      'a factor of 2',
      (pool) => report(pool, '10.1.0.1', true, { weightFactor: 2 }),
      'verdict.weightFactor',
    ],
    [
      'a reason that is no text',
      (pool) => report(pool, '10.1.0.1', true, { reason: 7 as never }),
      'verdict.reason',
    ],
    ['a hole in a list', (pool) => pool.setServers(HOLE as never), 'servers[0]'],
    ['a listener that is none', async (pool) => pool.onMembers('x' as never), 'listener'],
    ['no server', (pool) => pool.up(undefined as never), 'server'],
    [
      'a backup that is no boolean',
      (pool) => pool.add('10.1.0.4', { backup: 1 } as never),
      'options.backup',
    ],
  ])('%s is refused, and nothing is sent', async (_, call, option) => {
    const { kernel, pool } = await open()
    const before = kernel.rules()
    await expect(call(pool)).rejects.toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option })
    expect(kernel.rules()).toBe(before)
    expect([...pool.members()]).toHaveLength(2)
  })

  it('a client that is none is refused', async () => {
    await expect(MirroredPool.open({} as never, twoServers)).rejects.toMatchObject({
      option: 'client',
    })
  })
})

describe('roles', () => {
  it.each([
    [{ servers: ['10.1.0.1'], backup: ['10.1.0.1'] }],
    [
      {
        servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }],
        backup: [{ address: '10.1.0.9', secondAddress: '2001:db8::a' }],
        fronts: [
          { address: '192.0.2.1', port: 53 },
          { address: '2001:db8::1', port: 53 },
        ],
        address: undefined,
        port: undefined,
      },
    ],
  ])('a server has one: %j', async (options) => {
    const opening = open(options as never)
    await expect(opening).rejects.toMatchObject({ option: 'options.backup[0]' })
  })
})

describe('drains', () => {
  it('of which the third is aborted give back what there was before the first', async () => {
    const { kernel, pool } = await open()
    kernel.connections(TCP, { address: '10.1.0.2', port: 53 }, { active: 1 })
    await pool.setAdmin('10.1.0.1', 'ready')
    for (let n = 0; n < 2; n++) {
      void pool.drain('10.1.0.2')
      await sleep(5)
    }
    const abort = new AbortController()
    const third = pool.drain('10.1.0.2', { signal: abort.signal })
    await sleep(5)
    abort.abort()
    expect(await third).toMatchObject({ outcome: 'cancelled' })
    expect(rows(kernel)).toEqual(both('10.1.0.1 w1', '10.1.0.2 w1'))
  })

  it('that are aborted after somebody else has said what holds change nothing', async () => {
    const { kernel, pool } = await open()
    kernel.connections(TCP, { address: '10.1.0.2', port: 53 }, { active: 1 })
    const abort = new AbortController()
    const drained = pool.drain('10.1.0.2', { signal: abort.signal })
    await sleep(5)
    await pool.setAdmin('10.1.0.2', 'drain')
    abort.abort()
    await drained
    expect(rows(kernel)).toEqual(both('10.1.0.1 w1', '10.1.0.2 w0'))
  })
})

it('4,000 verdicts in one turn are judged once', async () => {
  const servers = Array.from({ length: 4000 }, (_, n) => `10.2.${n >> 7}.${1 + (n & 127)}`)
  const { kernel, pool } = await open({ servers, quorum: { up: 10 }, protocols: ['tcp'] })
  const members = [...pool.members()].slice(1)
  await Promise.all(members.slice(0, 50).map((member) => pool.report(member, verdict(true))))
  const from = process.cpuUsage()
  await Promise.all(members.map((member) => pool.report(member, verdict(false))))
  const { user, system } = process.cpuUsage(from)
  expect(rows(kernel)['-t 192.0.2.1:53']).toHaveLength(1)
  // Each against every other one took six seconds.
  expect((user + system) / 1000).toBeLessThan(1500)
})

it('reads on its own, at a pace that all pools of the client share', async () => {
  const { kernel, ipvs, pool } = await open({ reconcileIntervalMs: undefined })
  expect(pool.status().reads).toMatchObject({ intervalMs: 1000 })
  await ipvs.removeService(TCP)
  await expect
    .poll(() => rows(kernel), { timeout: 3000 })
    .toEqual(both('10.1.0.1 w1', '10.1.0.2 w1'))
  const { readMs, share } = pool.status().reads
  expect(readMs).toBeGreaterThan(0)
  expect(share).toBeLessThanOrEqual(0.01)
})

it('a slow look makes the pause longer, so that looks take a hundredth of the time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const kernel = new MemoryKernel()
    const ipvs = await Ipvs.open({ kernel })
    closing.push(ipvs)
    const { reconcileIntervalMs: _, ...options } = twoServers
    const pool = await MirroredPool.open(ipvs, options)
    closing.push(pool)
    const service = ipvs.service.bind(ipvs)
    ipvs.service = async (...given) => {
      vi.advanceTimersByTime(50)
      return service(...given)
    }
    await vi.advanceTimersByTimeAsync(1200)
    await expect.poll(() => pool.status().reads.readMs).toBeGreaterThan(40)
    const { intervalMs, readMs, share } = pool.status().reads
    expect(intervalMs).toBeGreaterThanOrEqual(Math.floor(100 * readMs))
    expect(share).toBeLessThanOrEqual(0.0101)
  } finally {
    vi.useRealTimers()
  }
})
