import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { rangeError } from '../../../src/errors.js'
import { type FollowOptions, type FollowTarget, follow } from '../../../src/pool/follow.js'
import type { ServerList } from '../../../src/pool/held-servers.js'
import { quiet } from './watch.js'

const one = ['10.1.0.1']
const two = ['10.1.0.1', '10.1.0.2']
const three = ['10.1.0.1', '10.1.0.2', { address: '10.1.0.3', weight: 5 }]

/** Takes what it is given, at once or when it is told to. */
class Target implements FollowTarget {
  readonly lists: ServerList[] = []
  readonly reports: string[] = []
  /** What `setServers` gives, in place of success at once. */
  answer: (() => Promise<unknown>) | undefined

  async setServers(list: ServerList): Promise<unknown> {
    this.lists.push(list)
    return this.answer?.()
  }

  report(kind: 'refused' | 'failed', error: Error): void {
    this.reports.push(`${kind}: ${error.message}`)
  }
}

type Step = { list: ServerList } | { error: unknown } | 'end'

/** Gives what it is fed, across its iterations. */
class Feed implements AsyncIterable<ServerList> {
  iterations = 0
  returns = 0
  #steps: Step[] = []
  #wake = () => {}

  give(...lists: unknown[]): void {
    for (const list of lists) this.#push({ list: list as ServerList })
  }

  fail(error: unknown): void {
    this.#push({ error })
  }

  end(): void {
    this.#push('end')
  }

  [Symbol.asyncIterator](): AsyncIterator<ServerList> {
    this.iterations++
    return {
      next: async () => {
        while (this.#steps.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
        const step = this.#steps.shift()!
        if (step === 'end') return { done: true, value: undefined }
        if ('error' in step) throw step.error
        return { done: false, value: step.list }
      },
      return: async () => {
        this.returns++
        return { done: true, value: undefined }
      },
    }
  }

  #push(step: Step): void {
    this.#steps.push(step)
    this.#wake()
  }
}

const aborts: AbortController[] = []

// Pauses are as long as they are on average.
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const abort of aborts.splice(0)) abort.abort()
})

function start(options?: Omit<FollowOptions, 'signal'>) {
  const target = new Target()
  const feed = new Feed()
  const abort = new AbortController()
  aborts.push(abort)
  let over = false
  const following = follow(target, feed, { ...options, signal: abort.signal }).then(() => {
    over = true
  })
  return { target, feed, abort, following, isOver: () => over }
}

/** A promise, and what settles it. */
function deferred() {
  let resolve = () => {}
  let reject = (_error: Error) => {}
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

describe('lists', () => {
  it('are set one after the other', async () => {
    const { target, feed, following } = start()
    for (const list of [one, three, two]) {
      feed.give(list)
      await quiet(1)
      expect(target.lists.at(-1)).toBe(list)
    }
    feed.end()
    await following
    expect(target.lists).toEqual([one, three, two])
    expect(target.reports).toEqual([])
    expect(feed.iterations).toBe(1)
  })

  it('that pile up while one is being set are skipped, except for the newest', async () => {
    const { target, feed, following, isOver } = start()
    const first = deferred()
    target.answer = () => first.promise
    feed.give(one)
    await quiet(1)
    feed.give(two, one, three)
    feed.end()
    await quiet(1)
    expect(target.lists).toEqual([one])
    expect(isOver()).toBe(false)

    const last = deferred()
    target.answer = () => last.promise
    first.resolve()
    await quiet(1)
    expect(target.lists).toEqual([one, three])
    // The source has ended, but its last list is not set yet.
    expect(isOver()).toBe(false)
    last.resolve()
    await following
    expect(target.lists).toEqual([one, three])
  })

  it('that cannot be set are reported, and the next one is set', async () => {
    const { target, feed } = start()
    target.answer = () => Promise.reject(new Error('no room'))
    feed.give(one)
    await quiet(1)
    expect(target.reports).toEqual(['failed: no room'])
    target.answer = undefined
    feed.give(two)
    await quiet(1)
    expect(target.lists).toEqual([one, two])
    expect(target.reports).toHaveLength(1)
    expect(feed.iterations).toBe(1)
  })

  it.each<[list: unknown, message: string]>([
    [['10.1.0.1', 'web2'], 'failed: servers[1] must be an IPv4 or IPv6 address, not a host name'],
    ['10.1.0.1', 'failed: servers must be an array of servers, from the source'],
  ])('that make no sense are reported: %j', async (list, message) => {
    const { target, feed } = start()
    feed.give(list)
    await quiet(1)
    expect(target.reports).toEqual([expect.stringContaining(message)])
    expect(target.lists).toEqual([])
    feed.give(two)
    await quiet(1)
    expect(target.lists).toEqual([two])
    expect(feed.iterations).toBe(1)
  })
})

describe('minServers', () => {
  it('refuses an empty list by default', async () => {
    const { target, feed } = start()
    feed.give([])
    await quiet(1)
    expect(target.lists).toEqual([])
    expect(target.reports).toEqual([
      'refused: the source gave 0 servers, but minServers is 1: the pool keeps those it has',
    ])
    feed.give(one)
    await quiet(1)
    expect(target.lists).toEqual([one])
  })

  it('counts each server once, however it is spelt', async () => {
    const { target, feed } = start({ minServers: 2 })
    feed.give(['10.1.0.1', '10.1.0.1', { address: '10.1.0.1', weight: 3 }])
    feed.give(['[2001:db8::1]:53', { address: '2001:DB8:0::1', port: 53 }])
    await quiet(1)
    expect(target.lists).toEqual([])
    expect(target.reports).toHaveLength(2)
    expect(target.reports[0]).toContain('gave 1 server, but minServers is 2')
    const ports = ['10.1.0.1:53', '10.1.0.1:54']
    feed.give(ports)
    await quiet(1)
    expect(target.lists).toEqual([ports])
  })

  it('does not let a refused list take the place of one that waits', async () => {
    const { target, feed } = start({ minServers: 2 })
    const first = deferred()
    target.answer = () => first.promise
    feed.give(two)
    await quiet(1)
    feed.give(three, one)
    await quiet(1)
    first.resolve()
    await quiet(1)
    expect(target.lists).toEqual([two, three])
  })
})

describe('a source that fails', () => {
  it('is reported and iterated again, after longer and longer pauses', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { target, feed } = start()
    await quiet(1)
    let iterations = 1
    for (const pause of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
      feed.fail(new Error(`before ${pause}`))
      await quiet(1)
      expect(target.reports.at(-1)).toBe(`failed: before ${pause}`)
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(feed.iterations).toBe(iterations)
      await vi.advanceTimersByTimeAsync(1)
      expect(feed.iterations).toBe(++iterations)
    }
    // A list has arrived: all is well, even if it is refused.
    feed.give([])
    feed.fail('no error at all')
    await quiet(1)
    expect(target.reports.at(-1)).toContain("'no error at all'")
    await vi.advanceTimersByTimeAsync(999)
    expect(feed.iterations).toBe(iterations)
    await vi.advanceTimersByTimeAsync(1)
    expect(feed.iterations).toBe(iterations + 1)
    feed.give(two)
    await quiet(1)
    expect(target.lists).toEqual([two])
  })

  it('has the first pause that is asked for', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { feed } = start({ retryMs: 20_000 })
    for (const [pause, iterations] of [
      [20_000, 2],
      [30_000, 3],
    ] as const) {
      feed.fail(new Error('no'))
      await quiet(1)
      await vi.advanceTimersByTimeAsync(pause - 1)
      expect(feed.iterations).toBe(iterations - 1)
      await vi.advanceTimersByTimeAsync(1)
      expect(feed.iterations).toBe(iterations)
    }
  })

  it('may fail as soon as it is iterated', async () => {
    const target = new Target()
    let tries = 0
    const source = {
      [Symbol.asyncIterator]() {
        if (++tries === 1) throw new Error('not yet')
        return (async function* () {
          yield one
        })()
      },
    }
    await follow(target, source, { retryMs: 1 })
    expect(target.reports).toEqual(['failed: not yet'])
    expect(target.lists).toEqual([one])
  })

  it('does not keep the process alive', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const { feed } = start({ retryMs: 12_345 })
    feed.fail(new Error('no'))
    await quiet(1)
    const index = timers.mock.calls.findIndex(([, ms]) => ms === 12_345)
    expect((timers.mock.results[index]!.value as NodeJS.Timeout).hasRef()).toBe(false)
  })
})

describe('the signal', () => {
  it('ends the wait for the next list, and the iteration', async () => {
    const { target, feed, abort, following } = start()
    feed.give(one)
    await quiet(1)
    abort.abort()
    await following
    expect(feed.returns).toBe(1)
    feed.give(two)
    await quiet(1)
    expect(target.lists).toEqual([one])
    expect(target.reports).toEqual([])
  })

  it('does not wait for a generator that waits for ever', async () => {
    const target = new Target()
    const abort = new AbortController()
    async function* source() {
      yield one
      await new Promise(() => {})
    }
    const following = follow(target, source(), { signal: abort.signal })
    await quiet(1)
    abort.abort()
    await following
    expect(target.lists).toEqual([one])
  })

  it('ends the pause after a failure', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { feed, abort, following } = start()
    feed.fail(new Error('no'))
    await quiet(1)
    expect(vi.getTimerCount()).toBe(1)
    abort.abort()
    await following
    expect(vi.getTimerCount()).toBe(0)
    expect(feed.iterations).toBe(1)
  })

  it('does not wait for what is being set, and sets nothing more', async () => {
    const { target, feed, abort, following } = start()
    const first = deferred()
    target.answer = () => first.promise
    feed.give(one, two)
    await quiet(1)
    abort.abort()
    await following
    first.reject(new Error('the pool has been closed'))
    await quiet(1)
    expect(target.lists).toEqual([one])
    expect(target.reports).toEqual([])
  })

  it('bears one listener at a time, and none in the end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { feed, abort, following } = start({ retryMs: 1 })
    for (let i = 0; i < 5; i++) {
      feed.give(one, two)
      feed.fail(new Error('no'))
      await quiet(1)
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(feed.iterations).toBe(6)
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1)
    feed.end()
    await following
    expect(getEventListeners(abort.signal, 'abort')).toEqual([])
  })

  it.each(['signal', 'gone'] as const)('of either kind will do: %s', async (which) => {
    const aborts = { signal: new AbortController(), gone: new AbortController() }
    const feed = new Feed()
    const { signal } = aborts.signal
    const following = follow(new Target(), feed, { signal }, aborts.gone.signal)
    await quiet(1)
    aborts[which].abort()
    await following
    expect(feed.returns).toBe(1)
  })

  it('that is aborted already starts nothing', async () => {
    const feed = new Feed()
    await follow(new Target(), feed, { signal: AbortSignal.abort() })
    expect(feed.iterations).toBe(0)
  })
})

describe('a server that the source no longer names', () => {
  const names = ({ lists }: Target) =>
    lists.map((list) =>
      list.map((it) => (typeof it === 'string' ? it : it.address).slice(-1)).join(''),
    )
  const a = '10.1.0.1'
  const b = '10.1.0.2'
  const c = '10.1.0.3'

  function startHolding(options: FollowOptions = { holdMs: 1000 }) {
    vi.useFakeTimers()
    const all = start(options)
    const after = async (ms: number, ...lists: unknown[]) => {
      await vi.advanceTimersByTimeAsync(ms)
      all.feed.give(...lists)
      await vi.advanceTimersByTimeAsync(0)
    }
    return { ...all, after }
  }

  it('goes at once by default', async () => {
    const { target, after } = startHolding({})
    await after(0, [a, b])
    await after(10, [a])
    expect(names(target)).toEqual(['12', '1'])
  })

  it('stays until it has been missing for holdMs', async () => {
    const { target, after } = startHolding()
    await after(0, [a, b])
    await after(500, [a])
    expect(names(target)).toEqual(['12', '12'])
    await after(999)
    expect(names(target)).toEqual(['12', '12'])
    await after(2)
    expect(names(target)).toEqual(['12', '12', '1'])
    await after(100_000)
    expect(target.lists).toHaveLength(3)
  })

  it('has never been away when it is named again in time, with what is said of it then', async () => {
    const { target, after } = startHolding()
    await after(0, [a, { address: b, weight: 1 }])
    await after(0, [a])
    await after(900, [a, { address: b, weight: 5 }])
    await after(900, [a])
    await after(900)
    expect(target.lists.every((list) => list.length === 2)).toBe(true)
    expect(target.lists.at(-1)).toContainEqual({ address: b, weight: 5 })
    await after(200)
    expect(target.lists.at(-1)).toEqual([a])
  })

  it('does not lurch with a source that gives a part at a time', async () => {
    const { target, after } = startHolding()
    const parts = [
      [a, b],
      [b, c],
      [c, a],
    ]
    for (let look = 0; look < 30; look++) await after(300, parts[look % 3])
    expect(
      new Set(
        names(target)
          .slice(1)
          .map((list) => [...list].sort().join('')),
      ),
    ).toEqual(new Set(['123']))
  })

  it('is no second one beside the same server with or without a port', async () => {
    const { target, after } = startHolding()
    await after(0, [a, { address: b, port: 53 }])
    await after(100, [{ address: a, port: 53 }, b])
    expect(target.lists.at(-1)).toEqual([{ address: a, port: 53 }, b])
    await after(100, [{ address: a, port: 54 }, b])
    expect(target.lists.at(-1)).toHaveLength(3)
  })

  it('is not held if the pool has refused it', async () => {
    const { target, after } = startHolding()
    await after(0, [a])
    target.answer = () => Promise.reject(rangeError('servers[1].weight', '0', 1))
    await after(0, [a, b])
    target.answer = undefined
    await after(0, [a, c])
    expect(names(target)).toEqual(['1', '12', '13'])
  })

  it('goes once, though the pool refuses what is left', async () => {
    const { target, after } = startHolding()
    await after(0, [a, b])
    target.answer = () => Promise.reject(rangeError('servers', 'others', 1))
    await after(0, [a])
    await after(5000)
    expect(target.lists.length).toBeLessThan(5)
  })

  it('counts for no minServers', async () => {
    const { target, after } = startHolding({ holdMs: 1000, minServers: 2 })
    await after(0, [a, b])
    await after(0, [a])
    expect(target.reports).toEqual([expect.stringMatching(/^refused/)])
    await after(5000)
    expect(names(target)).toEqual(['12'])
  })

  it('goes after holdMs, though the source has ended; then following is over', async () => {
    const { target, feed, after, isOver } = startHolding()
    await after(0, [a, b], [a])
    feed.end()
    await after(900)
    expect(isOver()).toBe(false)
    await after(200)
    expect(isOver()).toBe(true)
    expect(names(target).at(-1)).toBe('1')
  })

  it('stays when the following is ended before', async () => {
    const { target, abort, after, isOver } = startHolding()
    await after(0, [a, b])
    await after(0, [a])
    abort.abort()
    await after(5000)
    expect(isOver()).toBe(true)
    expect(names(target)).toEqual(['12', '12'])
    expect(vi.getTimerCount()).toBe(0)
  })
})

it.each<[option: string, source: unknown, options: unknown]>([
  ['source', undefined, {}],
  ['source', ['10.1.0.1'], {}],
  ['options.minServers', new Feed(), { minServers: 0 }],
  ['options.minServers', new Feed(), { minServers: 65_536 }],
  ['options.minServers', new Feed(), { minServers: 1.5 }],
  ['options.holdMs', new Feed(), { holdMs: -1 }],
  ['options.holdMs', new Feed(), { holdMs: 2 ** 31 }],
  ['options.holdMs', new Feed(), { holdMs: Number.NaN }],
  ['options.retryMs', new Feed(), { retryMs: 0 }],
  ['options.retryMs', new Feed(), { retryMs: 30_001 }],
  ['options.signal', new Feed(), { signal: 'stop' }],
  ['options.minimum', new Feed(), { minimum: 1 }],
])('refuses a bad %s: %j, %j', async (option, source, options) => {
  await expect(
    follow(new Target(), source as Feed, options as FollowOptions),
  ).rejects.toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option })
})

it('sets a list that comes in whatever moment at the end of the one before', async () => {
  for (let ticks = 0; ticks < 30; ticks++) {
    const target = new Target()
    let given = () => {}
    const first = new Promise<void>((resolve) => {
      given = resolve
    })
    target.answer = async () => {
      given()
      for (let tick = 0; tick < ticks; tick++) await undefined
    }
    async function* source() {
      yield one
      await first
      yield two
    }
    await follow(target, source())
    expect(target, `${ticks} ticks`).toMatchObject({ lists: [one, two], reports: [] })
  }
})
