import { Resolver } from 'node:dns/promises'
import type { Answer } from 'dns-packet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { PoolServer } from '../../../src/servers.js'
import {
  type ResolveServersOptions,
  resolveServers,
  type ServerResolver,
} from '../../../src/sources/index.js'
import { answer, type LoopbackServer, serve } from '../health/loopback.js'

const RCODES = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const

/** What there is under `name TYPE`; what is not listed does not exist. */
type Zone = Record<string, readonly Answer[] | keyof typeof RCODES | 'silence'>

type Iterator = AsyncIterator<PoolServer[]>
const iterators: Iterator[] = []

afterEach(async () => {
  // In this order: a spy on the clock was put on the one of the test.
  vi.restoreAllMocks()
  vi.useRealTimers()
  for (const iterator of iterators.splice(0)) await iterator.return!()
})

/** A DNS server; `zone` may change while it runs. */
async function dns(
  zone: Zone,
  timeout = 60_000,
): Promise<{ resolver: Resolver; server: LoopbackServer }> {
  const server = await serve({
    udp(query, reply) {
      const { name, type } = server.queries.at(-1)!.questions![0]!
      const found = zone[`${name} ${type}`] ?? 'NXDOMAIN'
      if (found === 'silence') return
      if (typeof found === 'string') reply(answer(query, { answers: [], rcode: RCODES[found] }))
      else reply(answer(query, { answers: [...found] }))
    },
  })
  // One try: what the resolver does about silence is not the subject.
  const resolver = new Resolver({ timeout, tries: 1 })
  resolver.setServers([`127.0.0.1:${server.member.port}`])
  return { resolver, server }
}

const asked = ({ queries }: LoopbackServer) =>
  queries.map(({ questions }) => `${questions![0]!.name} ${questions![0]!.type}`)

const a = (...addresses: string[]): Answer[] =>
  addresses.map((data) => ({ type: 'A', name: 'web.test', ttl: 60, data }))
const aaaa = (...addresses: string[]): Answer[] =>
  addresses.map((data) => ({ type: 'AAAA', name: 'web.test', ttl: 60, data }))
const withTtl = (ttl: number, ...addresses: string[]) =>
  a(...addresses).map((record) => ({ ...record, ttl }) as Answer)
const srv = (priority: number, weight: number, port: number, target: string): Answer => ({
  type: 'SRV',
  name: '_dns._udp.test',
  ttl: 60,
  data: { priority, weight, port, target },
})

function iterate(options: ResolveServersOptions, name = 'web.test'): Iterator {
  const iterator = resolveServers(name, options)[Symbol.asyncIterator]()
  iterators.push(iterator)
  return iterator
}

async function next(iterator: Iterator): Promise<PoolServer[]> {
  const { done, value } = await iterator.next()
  if (done) throw new Error('the iteration has ended')
  return value
}

/** The first list. */
async function first(zone: Zone, options: ResolveServersOptions): Promise<PoolServer[]> {
  const { resolver } = await dns(zone)
  const name = options.type === 'SRV' ? '_dns._udp.test' : 'web.test'
  return next(iterate({ resolver, ...options }, name))
}

const fakeTimers = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })

/** Until the pause before the next look has begun. */
async function pausing(): Promise<void> {
  while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve))
}

describe('addresses', () => {
  it('are the servers, in order, with the ports of the fronts', async () => {
    const zone = { 'web.test A': a('10.1.0.3', '10.1.0.1', '10.1.0.2', '10.1.0.1') }
    const servers = [{ address: '10.1.0.1' }, { address: '10.1.0.2' }, { address: '10.1.0.3' }]
    expect(await first(zone, {})).toEqual(servers)
  })

  it('are the servers, with a port of their own', async () => {
    const zone = {
      'web.test AAAA': aaaa('2001:db8::2', '2001:db8::1'),
      'web.test A': a('10.1.0.1'),
    }
    expect(await first(zone, { type: 'AAAA', port: 5353 })).toEqual([
      { address: '2001:db8::1', port: 5353 },
      { address: '2001:db8::2', port: 5353 },
    ])
  })
})

describe('a resolver of the caller', () => {
  /** One that gives these. */
  const giving = (records: unknown): ServerResolver => {
    const give = async () => records as never
    return { resolve4: give, resolve6: give, resolveSrv: give }
  }

  it.each([
    ['A', undefined],
    ['A', ['10.1.0.1']],
    ['A', [{ address: '2001:db8::1', ttl: 1 }]],
    ['AAAA', [{ address: '10.1.0.1', ttl: 1 }]],
    ['AAAA', [{ address: 7, ttl: 1 }]],
    ['SRV', [{ name: 'a.test', port: 70_000, priority: 0, weight: 0 }]],
    ['SRV', [{ name: 'a.test', port: 53, priority: Number.NaN, weight: 0 }]],
    ['SRV', [{ name: 'a.test', port: 53, priority: 0 }]],
  ] as const)('that gives no %s records makes the look fail: %j', async (type, records) => {
    const looking = next(iterate({ type, resolver: giving(records) }))
    await expect(looking).rejects.toMatchObject({
      code: 'EBADRESP',
      message: expect.stringContaining(`web.test ${type}: EBADRESP`),
    })
  })

  it.each([
    [[5, undefined], 5000],
    [[undefined, undefined], 30_000],
    [[Number.NaN, 8], 8000],
    [[-7, 9], 9000],
    [[0.001], 1000],
    [['4', 12], 12_000],
    [[Number.POSITIVE_INFINITY], 30_000],
  ])('pauses as long as the records live that say so: %j', async (ttls, pauseMs) => {
    fakeTimers()
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const records = ttls.map((ttl, i) => ({ address: `10.1.0.${i + 1}`, ttl }))
    const iterator = iterate({ ttl: true, resolver: giving(records) })
    await next(iterator)
    void iterator.next()
    await pausing()
    expect(timers.mock.lastCall?.[1]).toBe(pauseMs)
  })
})

describe('SRV', () => {
  const hosts = {
    'a.test A': a('10.1.0.1'),
    'b.test A': a('10.1.0.2', '10.1.0.3'),
    'b.test AAAA': aaaa('2001:db8::2'),
    'c.test A': a('10.1.0.4'),
    'six.test AAAA': aaaa('2001:db8::6'),
    'six.test A': [],
  } satisfies Zone
  const with_ = (...records: Answer[]): Zone => ({ ...hosts, '_dns._udp.test SRV': records })
  const type = 'SRV'

  it('gives the addresses of the targets, with port and weight', async () => {
    const zone = with_(srv(10, 7, 53, 'b.test'), srv(10, 3, 5353, 'a.test'))
    expect(await first(zone, { type })).toEqual([
      { address: '10.1.0.1', port: 5353, weight: 3 },
      { address: '10.1.0.2', port: 53, weight: 7 },
      { address: '10.1.0.3', port: 53, weight: 7 },
    ])
  })

  it('gives the families that are asked for', async () => {
    const zone = with_(srv(10, 1, 53, 'b.test'), srv(10, 1, 53, 'six.test'))
    const ipv6 = [
      { address: '2001:db8::2', port: 53, weight: 1 },
      { address: '2001:db8::6', port: 53, weight: 1 },
    ]
    const both = await first(zone, { type, families: ['ipv4', 'ipv6'] })
    expect(both.slice(0, 2).map(({ address }) => address)).toEqual(['10.1.0.2', '10.1.0.3'])
    expect(both.slice(2)).toEqual(ipv6)
    expect(await first(zone, { type, families: ['ipv6'] })).toEqual(ipv6)
  })

  it('takes the ports of the fronts for port 0, which is none', async () => {
    expect(await first(with_(srv(10, 2, 0, 'a.test')), { type })).toEqual([
      { address: '10.1.0.1', weight: 2 },
    ])
  })

  it('lets weight 0 be chosen now and then', async () => {
    expect(await first(with_(srv(10, 0, 53, 'a.test')), { type })).toEqual([
      { address: '10.1.0.1', port: 53, weight: 1 },
    ])
  })

  it('adds the weights of targets that are the same server', async () => {
    const zone = with_(
      srv(1, 2, 53, 'a.test'),
      srv(1, 3, 53, 'alias.test'),
      srv(1, 1, 54, 'a.test'),
    )
    zone['alias.test A'] = a('10.1.0.1')
    expect(await first(zone, { type })).toEqual([
      { address: '10.1.0.1', port: 53, weight: 5 },
      { address: '10.1.0.1', port: 54, weight: 1 },
    ])
  })

  it('takes the lowest priority only, even if a target of it is gone', async () => {
    const zone = with_(
      srv(20, 1, 53, 'c.test'),
      srv(3, 1, 53, 'gone.test'),
      srv(3, 1, 53, 'a.test'),
    )
    expect(await first(zone, { type })).toEqual([{ address: '10.1.0.1', port: 53, weight: 1 }])
  })

  it('takes the next priority if no target of the first has an address', async () => {
    const zone = with_(
      srv(100, 1, 53, 'a.test'),
      srv(20, 1, 53, 'c.test'),
      srv(3, 1, 53, 'gone.test'),
      srv(3, 1, 53, 'six.test'),
    )
    expect(await first(zone, { type })).toEqual([{ address: '10.1.0.4', port: 53, weight: 1 }])
  })

  it('fails, and names the target, if one cannot be looked up', async () => {
    const zone = with_(srv(3, 1, 53, 'a.test'), srv(3, 1, 53, 'sick.test'), srv(4, 1, 53, 'c.test'))
    zone['sick.test A'] = 'SERVFAIL'
    await expect(first(zone, { type })).rejects.toMatchObject({
      code: 'ESERVFAIL',
      message: expect.stringMatching(/^_dns\._udp\.test SRV: its target sick\.test A: ESERVFAIL: /),
    })
  })

  it('fails if no target has an address', async () => {
    const zone = with_(srv(3, 1, 53, 'gone.test'), srv(4, 1, 53, 'six.test'))
    await expect(first(zone, { type })).rejects.toMatchObject({
      code: 'ENODATA',
      message: '_dns._udp.test SRV: none of its targets has an ipv4 address: gone.test, six.test',
    })
  })

  it('is an empty list if there is decidedly no such service', async () => {
    expect(await first(with_(srv(0, 0, 0, '.')), { type })).toEqual([])
  })
})

describe('looking again', () => {
  it('says nothing about another order, and tells a change', async () => {
    fakeTimers()
    const zone: Zone = { 'web.test A': a('10.1.0.1', '10.1.0.2') }
    const { resolver, server } = await dns(zone)
    const iterator = iterate({ resolver })
    expect(await next(iterator)).toHaveLength(2)
    const second = next(iterator)
    await pausing()
    zone['web.test A'] = a('10.1.0.2', '10.1.0.1')
    await vi.advanceTimersByTimeAsync(30_000)
    await pausing()
    expect(asked(server)).toEqual(['web.test A', 'web.test A'])
    zone['web.test A'] = a('10.1.0.3', '10.1.0.1')
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await second).toEqual([{ address: '10.1.0.1' }, { address: '10.1.0.3' }])
    expect(asked(server)).toHaveLength(3)
  })

  it.each<[options: ResolveServersOptions, ttl: number, ms: number]>([
    [{}, 5, 30_000],
    [{ intervalMs: 1000 }, 60, 1000],
    [{ ttl: true }, 5, 5000],
    [{ ttl: true }, 300, 30_000],
    [{ ttl: true, intervalMs: 2000 }, 5, 2000],
    [{ ttl: true }, 0, 1000],
  ])('with %o and a TTL of %i s happens after %i ms', async (options, ttl, ms) => {
    fakeTimers()
    const zone: Zone = { 'web.test A': [...a('10.1.0.2'), ...withTtl(ttl, '10.1.0.1')] }
    const { resolver } = await dns(zone)
    const iterator = iterate({ resolver, ...options })
    await next(iterator)
    zone['web.test A'] = a('10.1.0.3')
    const second = next(iterator)
    await pausing()
    await vi.advanceTimersByTimeAsync(ms - 1)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(vi.getTimerCount()).toBe(0)
    expect(await second).toEqual([{ address: '10.1.0.3' }])
  })

  it('starts afresh with each iteration, also after a failure', async () => {
    const zone: Zone = { 'web.test A': a('10.1.0.1') }
    const { resolver } = await dns(zone)
    const source = resolveServers('web.test', { resolver })
    const lists: PoolServer[][] = []
    const look = async () => {
      for await (const list of source) {
        lists.push(list)
        break
      }
    }
    await look()
    zone['web.test A'] = 'SERVFAIL'
    await expect(look()).rejects.toMatchObject({ code: 'ESERVFAIL' })
    zone['web.test A'] = a('10.1.0.1')
    await look()
    expect(lists).toEqual([[{ address: '10.1.0.1' }], [{ address: '10.1.0.1' }]])
  })

  it('asks a new resolver each time, unless it is given one', async () => {
    fakeTimers()
    const resolvers: Resolver[] = []
    vi.spyOn(Resolver.prototype, 'resolve4').mockImplementation(async function (this: Resolver) {
      resolvers.push(this)
      return [{ address: `10.1.0.${resolvers.length}`, ttl: 60 }] as never
    })
    const iterator = iterate({})
    await next(iterator)
    const second = next(iterator)
    await pausing()
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await second).toEqual([{ address: '10.1.0.2' }])
    expect(resolvers[0]).toBeInstanceOf(Resolver)
    expect(resolvers[1]).toBeInstanceOf(Resolver)
    expect(resolvers[1]).not.toBe(resolvers[0])
  })
})

describe('failures', () => {
  it.each<[what: Zone[string], code: string, meaning: string]>([
    ['NXDOMAIN', 'ENOTFOUND', 'there is no such name'],
    [[], 'ENODATA', 'the name has no records of this type'],
    ['SERVFAIL', 'ESERVFAIL', 'the DNS server could not find out'],
    ['REFUSED', 'EREFUSED', 'the DNS server refuses to answer this host'],
  ])('%o is %s: %s', async (what, code, meaning) => {
    for (const [type, name] of [
      ['A', 'web.test'],
      ['AAAA', 'web.test'],
      ['SRV', '_dns._udp.test'],
    ] as const) {
      const error: unknown = await first({ [`${name} ${type}`]: what }, { type }).catch((e) => e)
      expect(error).toMatchObject({ code, cause: { code } })
      expect((error as Error).message).toContain(`${name} ${type}: ${code}: ${meaning}`)
    }
  })

  it('tells that nobody has answered', async () => {
    const { resolver } = await dns({ 'web.test A': 'silence' }, 50)
    const looking = next(iterate({ resolver }))
    await expect(looking).rejects.toMatchObject({
      code: 'ETIMEOUT',
      message: 'web.test A: ETIMEOUT: no DNS server has answered in time',
    })
  })

  it('tells that nobody listens', async () => {
    const { resolver, server } = await dns({})
    await server.close()
    const looking = next(iterate({ resolver }))
    await expect(looking).rejects.toThrow('web.test A: ECONNREFUSED: no DNS server is listening')
  })

  it.each<[option: string, name: unknown, options?: unknown]>([
    ['name', undefined],
    ['name', ''],
    ['name', '10.1.0.1'],
    ['name', '2001:db8::1'],
    ['name', 'a b.test'],
    ['name', 'bücher.test'],
    ['name', 'x'.repeat(255)],
    ['options.type', 'web.test', { type: 'a' }],
    ['options.type', 'web.test', { type: 'CNAME' }],
    ['options.port', 'web.test', { port: 0 }],
    ['options.port', 'web.test', { port: 65_536 }],
    ['options.port', 'web.test', { type: 'SRV', port: 53 }],
    ['options.families', 'web.test', { families: ['ipv4'] }],
    ['options.families', 'web.test', { type: 'SRV', families: [] }],
    ['options.families', 'web.test', { type: 'SRV', families: 'ipv4' }],
    ['options.families[1]', 'web.test', { type: 'SRV', families: ['ipv4', 'ipv5'] }],
    ['options.intervalMs', 'web.test', { intervalMs: 999 }],
    ['options.ttl', 'web.test', { ttl: 60 }],
    ['options.ttl', 'web.test', { type: 'SRV', ttl: true }],
    ['options.resolver', 'web.test', { resolver: '1.1.1.1' }],
    ['options.resolver', 'web.test', { resolver: { resolve4() {} } }],
    ['options.signal', 'web.test', { signal: true }],
    ['options.timeout', 'web.test', { timeout: 1 }],
  ])('refuses a bad %s: %j, %j', (option, name, options) => {
    expect(() => resolveServers(name as string, options as ResolveServersOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})

describe('ending', () => {
  it.each(['return', 'signal'] as const)('by %s ends a pause', async (how) => {
    fakeTimers()
    const { resolver, server } = await dns({ 'web.test A': a('10.1.0.1') })
    const end = new AbortController()
    const iterator = iterate({ resolver, signal: end.signal })
    await next(iterator)
    const pending = iterator.next()
    await pausing()
    if (how === 'return') await iterator.return!()
    else end.abort()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(vi.getTimerCount()).toBe(0)
    expect(asked(server)).toHaveLength(1)
  })

  it.each(['return', 'signal'] as const)('by %s does not wait for an answer', async (how) => {
    const server = await serve({ udp: () => {} })
    const resolver = new Resolver({ timeout: 60_000, tries: 1 })
    resolver.setServers([`127.0.0.1:${server.member.port}`])
    const end = new AbortController()
    const iterator = iterate({ resolver, signal: end.signal })
    const pending = iterator.next()
    while (server.queries.length === 0) await new Promise((resolve) => setImmediate(resolve))
    if (how === 'return') await iterator.return!()
    else end.abort()
    expect(await pending).toEqual({ done: true, value: undefined })
    resolver.cancel()
  })

  it('withdraws a question of its own resolver', async () => {
    vi.spyOn(Resolver.prototype, 'resolve4').mockReturnValue(new Promise<never>(() => {}))
    const cancel = vi.spyOn(Resolver.prototype, 'cancel')
    const iterator = iterate({})
    const pending = iterator.next()
    await iterator.return!()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(cancel).toHaveBeenCalledOnce()
  })

  it('by a signal that is aborted already asks nothing', async () => {
    const { resolver, server } = await dns({ 'web.test A': a('10.1.0.1') })
    const iterator = iterate({ resolver, signal: AbortSignal.abort() })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(asked(server)).toEqual([])
  })

  it('leaves the signal as it was', async () => {
    const { resolver } = await dns({ 'web.test A': a('10.1.0.1') })
    const { signal } = new AbortController()
    const removed = vi.spyOn(signal, 'removeEventListener')
    const added = vi.spyOn(signal, 'addEventListener')
    const iterator = iterate({ resolver, signal })
    await next(iterator)
    await iterator.return!()
    expect(added).toHaveBeenCalled()
    const listeners = (calls: unknown[][]) => calls.map(([, listener]) => listener)
    expect(listeners(removed.mock.calls)).toEqual(listeners(added.mock.calls))
  })

  it('is not needed for the process to exit', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const { resolver } = await dns({ 'web.test A': a('10.1.0.1') })
    const iterator = iterate({ resolver, intervalMs: 54_321 })
    await next(iterator)
    const pending = iterator.next()
    const index = timers.mock.calls.findIndex(([, ms]) => ms === 54_321)
    expect((timers.mock.results[index]!.value as NodeJS.Timeout).hasRef()).toBe(false)
    await iterator.return!()
    await pending
  })
})
