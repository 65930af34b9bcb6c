// Kind 8: every public entry checks its arguments, and what is refused changes nothing.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  HealthChecker,
  type HealthMember,
  type MirroredPool,
  type Verdict,
} from '../../../../src/index.js'
import {
  closeAll,
  type Ground,
  ground,
  ignore,
  memberOf,
  outcome,
  pass,
  quiet,
  record,
  report,
  row,
  stopTime,
  V4,
  verdict,
} from './ground.js'

beforeEach(stopTime)
afterEach(closeAll)

const SERVERS = [
  { address: '10.1.0.1', weight: 40 },
  { address: '10.1.0.2', weight: 60 },
]
/** With a hole in it. */
const sparse = (...list: unknown[]): unknown[] => {
  const holed: unknown[] = []
  for (const [index, value] of list.entries()) holed[2 * index + 1] = value
  return holed
}
const ARGUMENT = { code: 'ERR_IPVS_ARGUMENT' }

/** What is called rejects, does not throw, sends nothing, tells nothing and leaves everything as it was. */
async function refuses(
  call: (pool: MirroredPool, world: Ground) => unknown,
  codes: readonly string[] = [ARGUMENT.code],
): Promise<void> {
  const world = await ground()
  const pool = await world.open({ servers: SERVERS, quorum: { up: 1 } })
  for (const { address } of SERVERS) await report(pool, address, true)
  const before = { status: pool.status(), table: world.table() }
  const tries = world.tries()
  const events = record(pool)
  const said = outcome(Promise.resolve(call(pool, world)))
  await pass(3000, 1000)
  expect(codes).toContain(said.is)
  expect(tries.count).toBe(0)
  expect(events).toEqual([])
  expect({ status: pool.status(), table: world.table() }).toEqual(before)
}

describe('report() refuses', () => {
  const member = (pool: MirroredPool) => memberOf(pool, '10.1.0.1')

  it.each<[string, unknown]>([
    ['more than 1', 1.01],
    ['infinitely much', Number.POSITIVE_INFINITY],
    ['infinitely little', Number.NEGATIVE_INFINITY],
    ['less than nothing', -0.001],
    ['a number as text', '0.5'],
    ['nothing as text', ''],
    ['null', null],
    ['a truth', true],
    ['a list', [0.5]],
    ['a big integer', 1n],
    ['what says that it is a number', { valueOf: () => 0.5 }],
    ['a date', new Date(0)],
    ['a function', () => 0.5],
    ['a symbol', Symbol('half')],
  ])('a weight factor that is %s', async (_, weightFactor) => {
    await refuses((pool) =>
      pool.report(member(pool), { ...verdict(true), weightFactor } as Verdict),
    )
  })

  it.each<[string, unknown]>([
    ['of a sick server, too', Number.NaN],
    ['above 1 of a sick server', 2],
  ])('a weight factor %s', async (_, weightFactor) => {
    await refuses((pool) =>
      pool.report(member(pool), { ...verdict(false), weightFactor } as Verdict),
    )
  })

  it.each<[string, unknown]>([
    ['left out', undefined],
    ['null', null],
    ['a number', 1],
    ['an empty text', ''],
    ['a list', []],
    ['an object', {}],
  ])('health that is %s', async (_, healthy) => {
    await refuses((pool) => pool.report(member(pool), { ...verdict(true), healthy } as Verdict))
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'up'],
    ['a truth', true],
    ['a number', 1],
    ['a list', [true]],
  ])('a verdict that is %s', async (_, said) => {
    await refuses((pool) => pool.report(member(pool), said as Verdict))
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a number', 53],
    ['without a key', { address: '10.1.0.1', port: 53 }],
    ['with a number as key', { key: 53, address: '10.1.0.1', port: 53 }],
  ])('a member that is %s', async (_, one) => {
    await refuses((pool) => pool.report(one as HealthMember, verdict(false)))
  })

  it('nonsense and goes on: the next verdict counts', async () => {
    const world = await ground()
    const pool = await world.open({ servers: SERVERS, initial: 'adopt' })
    const nonsense = { ...verdict(true), weightFactor: Number.NaN }
    await expect(pool.report(member(pool), nonsense)).rejects.toMatchObject(ARGUMENT)
    expect(world.held(V4)).toEqual({})
    expect(row(pool, '10.1.0.1').health).toBe('unknown')
    await report(pool, '10.1.0.1', true, { weightFactor: 0.5 })
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 20 })
  })

  it('nothing that is right: a part, all, and none given', async () => {
    const world = await ground()
    const pool = await world.open({ servers: SERVERS })
    for (const [weightFactor, weight] of [
      [0.5, 20],
      [1, 40],
    ] as const) {
      await report(pool, '10.1.0.1', true, { weightFactor })
      expect(world.held(V4)['10.1.0.1:53']).toBe(weight)
    }
    await report(pool, '10.1.0.1', true)
    expect(world.held(V4)['10.1.0.1:53']).toBe(40)
  })

  it('nothing about a server that has left: it is ignored', async () => {
    const world = await ground()
    const pool = await world.open({ servers: SERVERS })
    const gone = member(pool)
    await pool.remove('10.1.0.1')
    await pool.report(gone, verdict(false))
    expect(world.held(V4)).toEqual({ '10.1.0.2:53': 60 })
  })
})

it.each([
  [7, 40],
  [-3, 1],
])('what a check returns (%d) is clamped, not refused', async (weightFactor, weight) => {
  const world = await ground()
  const pool = await world.open({ servers: SERVERS })
  const checker = new HealthChecker(pool, {
    check: async () => ({ weightFactor }),
    intervalMs: 500,
    timeoutMs: 100,
  })
  const codes: string[] = []
  checker.on('warning', ({ code }) => codes.push(code))
  checker.start()
  await pass(3000, 100)
  await checker.stop()
  expect(codes).not.toContain('target')
  expect(row(pool, '10.1.0.1').health).toBe('up')
  // A healthy server has a weight of 1 at the least, or 0 where its check says that it can carry nothing.
  const held = world.held(V4)['10.1.0.1:53']
  expect(weight === 1 ? [0, 1] : [weight]).toContain(held)
})

describe('a server that is no server is refused by', () => {
  const nonsense: readonly unknown[] = [
    undefined,
    null,
    '',
    'nobody',
    '10.1.0.1:',
    '10.1.0.1:0',
    '10.1.0.1:65536',
    '10.1.0.01',
    '::ffff:10.1.0.1',
    10,
    {},
    { address: 10 },
    { address: '10.1.0.1', port: '53' },
    { address: '10.1.0.1', port: -1 },
    { address: '10.1.0.1', port: 1.5 },
    ['10.1.0.1'],
    () => '10.1.0.1',
  ]
  it.each<[string, (pool: MirroredPool, server: string) => unknown]>([
    ['up', (pool, server) => pool.up(server)],
    ['down', (pool, server) => pool.down(server)],
    ['setWeight', (pool, server) => pool.setWeight(server, 1)],
    ['setAdmin', (pool, server) => pool.setAdmin(server, 'maintenance')],
    ['drain', (pool, server) => pool.drain(server)],
    ['add', (pool, server) => pool.add(server)],
    ['remove', (pool, server) => pool.remove(server)],
    ['setServers', (pool, server) => pool.setServers(['10.1.0.1', server])],
  ])('%s', async (_, call) => {
    for (const server of nonsense) {
      await refuses((pool) => call(pool, server as string))
    }
  })
})

describe('setWeight refuses', () => {
  it.each([
    [Number.NaN],
    [-1],
    [0.5],
    [2 ** 31],
    [2 ** 53],
    [Number.POSITIVE_INFINITY],
    ['5'],
    [''],
    [null],
    [undefined],
    [true],
    [5n],
    [[5]],
    [{}],
  ])('%s', async (weight) => {
    await refuses((pool) => pool.setWeight('10.1.0.1', weight as number))
  })
})

describe('setAdmin refuses', () => {
  it.each([
    ['up'],
    ['READY'],
    [''],
    [undefined],
    [null],
    [0],
    [true],
    [['drain']],
    ['__proto__'],
    ['constructor'],
  ])('%s', async (admin) => {
    await refuses((pool) => pool.setAdmin('10.1.0.1', admin as 'ready'))
  })
})

describe('drain refuses', () => {
  it.each<[string, unknown]>([
    ['a time that is none', { timeoutMs: Number.NaN }],
    ['a time for ever', { timeoutMs: Number.POSITIVE_INFINITY }],
    ['a time longer than a timer', { timeoutMs: 2 ** 31 }],
    ['a part of a millisecond', { timeoutMs: 0.5 }],
    ['a big integer', { timeoutMs: 5n }],
    ['null as time', { timeoutMs: null }],
    ['a controller in place of its signal', { signal: new AbortController() }],
    ['what looks like a signal', { signal: { aborted: true } }],
    ['null as signal', { signal: null }],
    ['a text to be called', { onProgress: 'log' }],
    ['a word that it does not know', { timeout: 5 }],
    ['a time without a name', 5000],
    ['a list', []],
    ['null', null],
  ])('%s', async (_, options) => {
    await refuses((pool) => pool.drain('10.1.0.1', options as object))
  })
})

describe('add refuses', () => {
  it.each<[string, unknown, unknown?]>([
    ['a weight below 0', { address: '10.1.0.7', weight: -1 }],
    ['a weight that is none', { address: '10.1.0.7', weight: Number.NaN }],
    ['a weight as text', { address: '10.1.0.7', weight: '7' }],
    ['a weight too large', { address: '10.1.0.7', weight: 2 ** 32 }],
    ['null as weight', { address: '10.1.0.7', weight: null }],
    ['a threshold that is none', { address: '10.1.0.7', upperThreshold: Number.NaN }],
    [
      'a lower threshold above the upper one',
      { address: '10.1.0.7', upperThreshold: 1, lowerThreshold: 2 },
    ],
    ['a second address of the same family', { address: '10.1.0.7', secondAddress: '10.1.0.8' }],
    ['a second address that is none', { address: '10.1.0.7', secondAddress: 7 }],
    ['a word that it does not know', { address: '10.1.0.7', wieght: 7 }],
    ['one that is there', '10.1.0.1'],
    ['one that is there, as backup', '10.1.0.1', { backup: true }],
    ['a role as text', '10.1.0.7', { backup: 'yes' }],
    ['a role that is null', '10.1.0.7', { backup: null }],
    ['an option that it does not know', '10.1.0.7', { primary: true }],
    ['a role without its name', '10.1.0.7', true],
  ])('%s', async (_, server, options) => {
    await refuses((pool) => pool.add(server as string, options as object))
  })
})

describe('setServers refuses', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', '10.1.0.1'],
    ['a set', new Set(['10.1.0.1'])],
    ['what looks like a list', { length: 1, 0: '10.1.0.1' }],
    ['a hole alone', new Array(2)],
    ['a hole before a server', sparse('10.1.0.1')],
    ['holes between servers', sparse('10.1.0.1', '10.1.0.2')],
    ['a list within', [['10.1.0.1']]],
    ['a weight that is none', [{ address: '10.1.0.1', weight: Number.NaN }]],
    ['a weight as text beside good ones', ['10.1.0.7', { address: '10.1.0.1', weight: '1' }]],
  ])('%s', async (_, list) => {
    await refuses((pool) => pool.setServers(list as string[]))
  })

  it.each<[string, unknown]>([
    ['holes', sparse('10.1.0.1', '10.1.0.7')],
    ['a hole at its end', Object.assign(['10.1.0.1'], { length: 2 })],
    ['what is no server', ['10.1.0.7', 7]],
    ['a weight that is none', [{ address: '10.1.0.7', weight: Number.NaN }]],
    ['no list', 'a list'],
  ])('%s of a source, and says so', async (_, list) => {
    const world = await ground()
    const pool = await world.open({ servers: SERVERS })
    const before = world.table()
    const events = record(pool)
    async function* source() {
      yield list as string[]
    }
    await pool.follow(source())
    await quiet()
    expect(world.table()).toEqual(before)
    expect(events).toMatchObject([{ name: 'warning', code: 'source' }])
  })
})

describe('the others refuse', () => {
  async function* source() {
    yield ['10.1.0.1', '10.1.0.2']
  }
  it.each<[string, (pool: MirroredPool) => unknown]>([
    ['close: a text', (pool) => pool.close({ withdraw: 'yes' as never })],
    ['close: null', (pool) => pool.close({ withdraw: null as never })],
    ['close: a truth alone', (pool) => pool.close(true as never)],
    ['close: another word', (pool) => pool.close({ withdrawn: true } as never)],
    ['follow: no source', (pool) => pool.follow(undefined as never)],
    ['follow: a list', (pool) => pool.follow([['10.1.0.1']] as never)],
    ['follow: a time that is none', (pool) => pool.follow(source(), { retryMs: Number.NaN })],
    ['follow: no time', (pool) => pool.follow(source(), { retryMs: 0 })],
    ['follow: a number as text', (pool) => pool.follow(source(), { minServers: '2' as never })],
    ['follow: fewer than one', (pool) => pool.follow(source(), { minServers: 0 })],
    [
      'follow: a controller',
      (pool) => pool.follow(source(), { signal: new AbortController() as never }),
    ],
  ])('%s', async (_, call) => {
    await refuses(call)
  })

  it.each([[undefined], [null], ['changed'], [{}], [1]])(
    'onMembers: what cannot be called (%s)',
    async (listener) => {
      const world = await ground()
      const pool = await world.open()
      expect(() => pool.onMembers(listener as never)).toThrow(expect.objectContaining(ARGUMENT))
      const events = record(pool)
      await pool.add('10.1.0.7')
      expect(events).toEqual([])
    },
  )
})

describe('open refuses', () => {
  it.each<[string, Record<string, unknown>]>([
    ['a hole in the servers', { servers: sparse('10.1.0.1') }],
    ['nothing but holes', { servers: new Array(3) }],
    ['a hole in the backups', { backup: sparse('10.1.0.9') }],
    ['a hole in the fronts', { fronts: sparse({ address: '192.0.2.1', port: 53 }) }],
    ['a hole in the protocols', { protocols: sparse('tcp') }],
    ['a hole in the flags', { scheduler: 'sh', schedulerFlags: sparse('sh-port') }],
    ['no servers', { servers: undefined }],
    ['a quorum that is none', { quorum: { up: Number.NaN } }],
    ['half a server as quorum', { quorum: { up: 0.5 } }],
    ['a quorum as text', { quorum: { up: '2' } }],
    ['a quorum without its number', { quorum: {} }],
    ['a quorum lost above where it is regained', { quorum: { up: 1, down: 2 } }],
    ['another unit', { quorum: { up: 1, unit: 'connections' } }],
    ['null as quorum', { quorum: null }],
    ['a number as quorum', { quorum: 2 }],
    ['a panic that is none', { panic: { minHealthyPercent: Number.NaN, action: 'freeze' } }],
    ['a panic beyond all', { panic: { minHealthyPercent: 101, action: 'freeze' } }],
    ['a panic that does nothing', { panic: { minHealthyPercent: 50 } }],
    ['a slow start that never ends', { slowStart: { durationMs: Number.POSITIVE_INFINITY } }],
    ['a slow start that is none', { slowStart: { durationMs: Number.NaN } }],
    ['a slow start from all', { slowStart: { durationMs: 1000, from: 1 } }],
    ['a slow start from nothing known', { slowStart: { durationMs: 1000, from: Number.NaN } }],
    ['no steps', { slowStart: { durationMs: 1000, steps: 0 } }],
    ['a limit that is none', { maxChangesPerMinute: Number.NaN }],
    ['a limit below 0', { maxChangesPerMinute: -1 }],
    ['a limit as text', { maxChangesPerMinute: '3' }],
    ['half a limit', { maxChangesPerMinute: 1.5 }],
    ['a look too often', { reconcileIntervalMs: 1 }],
    ['a look that is none', { reconcileIntervalMs: Number.NaN }],
    ['a look longer than a timer', { reconcileIntervalMs: 2 ** 31 }],
    ['a look as text', { reconcileIntervalMs: '1000' }],
    ['another drift', { drift: 'ignore' }],
    ['a name inherited by every object', { initial: 'constructor' }],
    ['a truth as word', { sysctls: true }],
    ['a name that is none', { name: '' }],
    ['a number as name', { name: 5 }],
    ['a weight that is none', { servers: [{ address: '10.1.0.1', weight: Number.NaN }] }],
    ['the same server twice', { servers: ['10.1.0.1', '10.1.0.1:53'] }],
    ['a word that it does not know', { server: '10.1.0.1' }],
  ])('%s', async (_, options) => {
    const world = await ground()
    const tries = world.tries()
    await expect(world.open(options)).rejects.toMatchObject(ARGUMENT)
    expect(tries.count).toBe(0)
    expect(world.table()).toEqual({})
    // Nothing is owned by what has not come to be.
    await world.open().catch(ignore)
    expect(world.held(V4)).toEqual({ '10.1.0.1:53': 1, '10.1.0.2:53': 1 })
  })
})
