import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CheckEnd, quickCheck } from '../../../src/health/begin.js'
import {
  type Check,
  HealthChecker,
  type HealthCheckerOptions,
  type HealthTarget,
  type HealthTransitionEvent,
  type HealthWarningEvent,
  Inconclusive,
} from '../../../src/health/index.js'
import { failed, member, TestServers, TestTarget } from './target.js'

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
let origin = 0
const made: HealthChecker[] = []

beforeEach(() => {
  vi.useFakeTimers()
  origin = performance.now()
})

afterEach(async () => {
  const stops = made.splice(0).map((checker) => checker.stop())
  await pass(5000)
  await Promise.all(stops)
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** Without jitter, so that times are exact. */
function build(
  targets: HealthTarget | readonly HealthTarget[],
  options: Partial<HealthCheckerOptions> & { check: Check },
) {
  const checker = new HealthChecker(targets, { jitter: 0, ...options })
  made.push(checker)
  const warnings: HealthWarningEvent[] = []
  const transitions: string[] = []
  checker.on('warning', (event) => warnings.push(event))
  checker.on('transition', (event) =>
    transitions.push(`${event.member.key} ${event.from}>${event.to}${event.initial ? '!' : ''}`),
  )
  return { checker, warnings, transitions, codes: () => warnings.map((warning) => warning.code) }
}

/** True when `promise` is resolved by now. */
async function isResolved(promise: Promise<unknown>): Promise<boolean> {
  let resolved = false
  promise.then(
    () => {
      resolved = true
    },
    () => {},
  )
  await pass(0)
  return resolved
}

const one = member(1).key
const two = member(2).key

it('leaves no listener behind when a target cannot be listened to', () => {
  const fine = new TestTarget(member(1))
  const broken = new TestTarget(member(2))
  broken.onMembers = () => {
    throw new Error('no listeners here')
  }
  const { checker } = build([fine, broken], { check: async () => {} })
  expect(() => checker.start()).toThrow('no listeners here')
  expect(fine.listeners.size).toBe(0)
})

describe('start-up states', () => {
  it('takes a new member up after rise successes, retrying fast', async () => {
    const target = new TestTarget(member(1))
    const { checker, transitions } = build(target, { check: new TestServers().check })
    checker.start()
    await pass(249)
    expect(target.log()).toEqual([])
    await pass(1)
    expect(target.log()).toEqual([`${one} up!`])
    expect(transitions).toEqual([`${one} unknown>up!`])
  })

  it('keeps an adopted member until fall failures', async () => {
    const servers = new TestServers()
    servers.bad.set(one, failed('ECONNREFUSED'))
    const target = new TestTarget(member(1, 'up'))
    const { checker, transitions } = build(target, { check: servers.check })
    checker.start()
    await pass(499)
    expect(target.log()).toEqual([])
    expect(checker.status()[0]).toMatchObject({ state: 'up', decided: false, failures: 2 })
    await pass(1)
    expect(target.log()).toEqual([`${one} down!`])
    expect(target.reports[0]?.verdict).toMatchObject({
      healthy: false,
      reason: 'connection refused',
    })
    expect(transitions).toEqual([`${one} up>down!`])
  })

  it('confirms a presumed state by one result, without a transition', async () => {
    const servers = new TestServers()
    servers.bad.set(two, new Error('no'))
    const target = new TestTarget(member(1, 'up'), member(2, 'down'))
    const { checker, transitions } = build(target, { check: servers.check })
    checker.start()
    await pass(0)
    expect(target.log()).toEqual([`${one} up!`, `${two} down!`])
    expect(transitions).toEqual([])
  })

  it('passes the own object of the target, and when it was decided', async () => {
    const target = new TestTarget(member(1, 'up'))
    const { checker } = build(target, { check: new TestServers().check })
    checker.start()
    await pass(0)
    expect(target.reports[0]?.member).toBe(target.list[0])
    expect(target.reports[0]?.verdict).toEqual({
      healthy: true,
      initial: true,
      reason: 'healthy',
      at: Date.now(),
    })
  })
})

describe('schedule', () => {
  it('checks at a fixed rate, without drift, however long a check takes', async () => {
    const servers = new TestServers()
    servers.tookMs = 137
    const { checker } = build(new TestTarget(member(1, 'up')), { check: servers.check })
    checker.start()
    await pass(10_050)
    expect(servers.times(one).map((at) => at - origin)).toEqual([
      0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000,
    ])
  })

  it('retries an up member fast, a down one at its own interval', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1, 'up'))
    const { checker } = build(target, {
      check: servers.check,
      downIntervalMs: 3000,
      retryDelayMs: 100,
    })
    checker.start()
    await pass(500)
    servers.bad.set(one, new Error('no'))
    await pass(5500)
    expect(servers.times(one).map((at) => at - origin)).toEqual([0, 1000, 1100, 1200, 2000, 5000])
    servers.bad.clear()
    await pass(8500)
    // Rise at the slower rate, then the usual one.
    const later = servers.times(one).map((at) => at - origin)
    expect(later.slice(6)).toEqual([8000, 11_000, 12_000, 13_000, 14_000])
    expect(target.log()).toEqual([`${one} up!`, `${one} down`, `${one} up`])
  })

  it('starts all at once, then spreads them over the interval', async () => {
    const servers = new TestServers()
    const all = Array.from({ length: 100 }, (_, i) => member(i + 1, 'up'))
    const { checker } = build(new TestTarget(...all), { check: servers.check })
    checker.start()
    expect(servers.started).toHaveLength(0)
    await pass(0)
    expect(servers.started).toHaveLength(100)
    const counts: number[] = []
    for (let i = 0; i < 10; i++) {
      const before = servers.started.length
      await pass(100)
      counts.push(servers.started.length - before)
    }
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(8)
    expect(Math.max(...counts)).toBeLessThanOrEqual(12)
  })

  it('runs no more than maxInFlight, and says when that is too few', async () => {
    const servers = new TestServers()
    servers.tookMs = 400
    const all = Array.from({ length: 20 }, (_, i) => member(i + 1, 'up'))
    const { checker, codes, warnings } = build(new TestTarget(...all), {
      check: servers.check,
      maxInFlight: 4,
    })
    checker.start()
    await pass(6000)
    expect(servers.most).toBe(4)
    expect(servers.started.length).toBeGreaterThan(4 * 14)
    expect(new Set(servers.started.map((start) => start.key)).size).toBe(20)
    expect(codes()).toEqual(['starved'])
    expect(warnings[0]?.message).toMatch(/raise maxInFlight \(4\)/)
  })

  it('finds out in time when hundreds fall silent at once', async () => {
    let silent = false
    const check: Check = (_member, { signal }) =>
      new Promise((resolve, reject) => {
        if (silent) signal.addEventListener('abort', () => reject(signal.reason))
        else resolve()
      })
    const all = Array.from({ length: 450 }, (_, i) => ({ ...member(1, 'up'), key: String(i) }))
    const { checker, transitions, codes } = build(new TestTarget(...all), { check })
    checker.start()
    await pass(2000)
    silent = true
    // The interval, and three times the time limit with two retries between; some turns of the loop.
    await pass(1000 + 3 * 500 + 2 * 250 + 20)
    expect(transitions).toHaveLength(450)
    expect(codes()).toEqual([])
  })

  it('does not call it starved when there is room', async () => {
    const servers = new TestServers()
    servers.tookMs = 400
    const all = Array.from({ length: 20 }, (_, i) => member(i + 1, 'up'))
    const { checker, codes } = build(new TestTarget(...all), { check: servers.check })
    checker.start()
    await pass(6000)
    expect(codes()).toEqual([])
  })
})

describe('time limit', () => {
  /** Two turns of the loop, of 1 ms each on the fake clock. */
  const turns = 2
  const obedient: Check = (_member, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const deaf: Check = () => new Promise(() => {})

  it('counts a check out of time as a failure, by the word of the check or its own', async () => {
    const talking: Check = (_member, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('no greeting'))),
      )
    for (const [check, reason] of [
      [obedient, 'no answer within 300 ms'],
      [deaf, 'no answer within 300 ms'],
      [talking, 'no greeting'],
    ] as const) {
      const { checker } = build(new TestTarget(member(1, 'up')), { check, timeoutMs: 300 })
      checker.start()
      await pass(299)
      expect(checker.status()[0]).toMatchObject({ inFlight: true, last: undefined })
      await pass(1 + turns)
      expect(checker.status()[0]).toMatchObject({ last: 'failure', reason, failures: 1 })
      expect(checker.status()[0]?.lastMs).toBeLessThanOrEqual(300 + turns)
    }
  })

  it('does not take a success after the deadline', async () => {
    const late: Check = (_member, { signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
    const { checker } = build(new TestTarget(member(1, 'up')), { check: late })
    checker.start()
    await pass(500 + turns)
    expect(checker.status()[0]).toMatchObject({ last: 'failure' })
  })

  /** As a block of the event loop: what became due meanwhile runs late, and sees its end only. */
  function block(ms: number): void {
    const end = performance.now() + ms
    const clock = vi.spyOn(performance, 'now').mockReturnValue(end)
    vi.advanceTimersByTime(ms)
    clock.mockRestore()
  }

  describe('of a silent server, in which the event loop was blocked', () => {
    function silent() {
      const { checker } = build(new TestTarget(member(1, 'up')), {
        check: obedient,
        timeoutMs: 300,
      })
      checker.start()
      return () => checker.status()[0]
    }

    it('stays where it was, if it was for less than half of it', async () => {
      const status = silent()
      await pass(20)
      block(100)
      await pass(180 + turns)
      expect(status()).toMatchObject({ last: 'failure' })
    })

    it('is moved by what is missing, and once more if that is blocked too', async () => {
      const status = silent()
      await pass(20)
      block(220)
      await pass(70)
      expect(status()).toMatchObject({ last: undefined, inFlight: true })
      block(240)
      await pass(100)
      expect(status()).toMatchObject({ last: undefined, inFlight: true })
      await pass(100)
      expect(status()).toMatchObject({ last: 'failure' })
      // The member has had its 300 ms, but for what is not noticed of a block: it looks every 30 ms.
      expect(status()?.lastMs).toBeGreaterThan(220 + 240 + 300 - 3 * 30)
    })

    it('is not moved for ever: then nobody knows', async () => {
      const status = silent()
      for (let ms = 0; ms < 4 * 300; ms += 300) {
        expect(status()).toMatchObject({ last: undefined })
        await pass(20)
        block(280)
      }
      await pass(20)
      expect(status()).toMatchObject({ last: 'unknown', failures: 0 })
    })

    it('stays where it was, if it was so before the check', async () => {
      const target = new TestTarget(member(1, 'up'))
      const { checker } = build(target, { check: obedient, timeoutMs: 300 })
      checker.start()
      await pass(0)
      block(250)
      target.change(member(1, 'up'), member(2, 'up'))
      await pass(300 + turns)
      const [first, second] = checker.status()
      expect(first?.lastMs).toBeGreaterThan(250 + 300 - 60)
      expect(second?.lastMs).toBeLessThanOrEqual(300 + turns)
    })
  })

  it('is a time limit also when it is as short as timers are coarse', async () => {
    const { checker } = build(new TestTarget(member(1, 'up')), { check: obedient, timeoutMs: 1 })
    checker.start()
    await pass(1 + turns)
    expect(checker.status()[0]).toMatchObject({ last: 'failure' })
  })

  it('never overlaps checks of a member, but gives up one that never settles', async () => {
    const starts: number[] = []
    const check: Check = () => {
      starts.push(performance.now() - origin)
      return new Promise(() => {})
    }
    const target = new TestTarget(member(1, 'up'))
    const { checker, codes, warnings } = build(target, { check, timeoutMs: 400, retryDelayMs: 100 })
    checker.start()
    await pass(3000)
    // 400 to the limit, 400 of grace, 100 to the retry.
    expect(starts.slice(0, 3)).toEqual([0, 900 + turns, 2 * (900 + turns)])
    expect(target.log()).toEqual([`${one} down!`])
    expect(codes()).toEqual(['stuck'])
    expect(warnings[0]?.message).toContain(one)
  })

  it('waits for a check that settles late', async () => {
    const starts: number[] = []
    const check: Check = () => {
      starts.push(performance.now() - origin)
      return new Promise((resolve) => setTimeout(resolve, 700))
    }
    const { checker, codes } = build(new TestTarget(member(1, 'up')), {
      check,
      timeoutMs: 400,
      retryDelayMs: 10,
    })
    checker.start()
    await pass(1000)
    expect(starts).toEqual([0, 710])
    expect(codes()).toEqual([])
  })

  it('gives the turn of a stuck check back', async () => {
    const seen = new Set<string>()
    const check: Check = (m) => {
      seen.add(m.key)
      return new Promise(() => {})
    }
    const { checker } = build(new TestTarget(member(1), member(2)), { check, maxInFlight: 1 })
    checker.start()
    await pass(1100)
    expect(seen).toEqual(new Set([one, two]))
  })
})

describe('a quick check', () => {
  /** Ends at once, or when it is cancelled, with what `ends` has. */
  const quick = (atOnce: boolean, ends: (reason: unknown) => CheckEnd) =>
    quickCheck(
      () => 'x',
      (_member, done) => {
        if (atOnce) done(ends(undefined))
        return (reason) => {
          if (!atOnce) done(ends(reason))
        }
      },
    )
  const results = (checker: HealthChecker) => {
    const seen: unknown[] = []
    checker.on('result', ({ outcome, reason }) => seen.push([outcome, reason]))
    return seen
  }

  it('may end while it begins, and keeps the schedule', async () => {
    const members = Array.from({ length: 50 }, (_, i) => member(i + 1, 'up'))
    const check = quick(true, () => ({ value: { detail: 'fine' } }))
    const { checker } = build(new TestTarget(...members), { check, maxInFlight: 3 })
    const seen = results(checker)
    checker.start()
    await pass(10)
    expect(seen).toEqual(members.map(() => ['success', 'fine']))
    await pass(10_000)
    expect(seen).toHaveLength(50 * 11)
    expect(checker.status().every(({ inFlight, state }) => !inFlight && state === 'up')).toBe(true)
  })

  it('fails at its time limit, unless it finds an answer then', async () => {
    for (const [ends, expected] of [
      [(error: unknown) => ({ error }), ['failure', 'no answer within 500 ms']],
      [() => ({ value: undefined }), ['success', 'healthy']],
      [() => ({ error: failed('ECONNREFUSED') }), ['failure', 'connection refused']],
    ] as const) {
      const { checker } = build(new TestTarget(member(1, 'up')), { check: quick(false, ends) })
      const seen = results(checker)
      checker.start()
      await pass(510)
      expect(seen).toEqual([expected])
      await checker.stop()
    }
  })

  it('ends with its checker and with its member, and says no more', async () => {
    const reasons: unknown[] = []
    const check = quick(false, (reason) => {
      reasons.push((reason as Error).message)
      return { error: reason }
    })
    const target = new TestTarget(member(1), member(2))
    const { checker, codes } = build(target, { check })
    const seen = results(checker)
    checker.start()
    await pass(10)
    target.change(member(2))
    await pass(0)
    expect(await isResolved(checker.stop())).toBe(true)
    expect(reasons).toEqual(['the member was removed', 'the checker was stopped'])
    expect([seen, codes(), vi.getTimerCount()]).toEqual([[], [], 0])
  })

  it('may be stopped by whoever hears of its result', async () => {
    const check = quick(true, () => ({ value: undefined }))
    const { checker } = build(new TestTarget(member(1), member(2)), { check })
    let heard = 0
    checker.on('result', () => {
      heard++
      void checker.stop()
    })
    checker.start()
    await pass(5000)
    expect(heard).toBe(1)
    expect(await isResolved(checker.stop())).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that throws has failed', async () => {
    const check = quickCheck(
      () => 'x',
      () => {
        throw new Error('no way')
      },
    )
    const { checker } = build(new TestTarget(member(1, 'up')), { check })
    const seen = results(checker)
    checker.start()
    await pass(10)
    expect(seen).toEqual([['failure', 'no way']])
  })
})

describe('outcomes', () => {
  it('counts neither way what is unknown', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1, 'up'))
    const { checker, transitions } = build(target, { check: servers.check })
    checker.start()
    await pass(0)
    const results: string[] = []
    checker.on('result', (event) => results.push(`${event.outcome} ${event.failures}`))
    for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL']) {
      servers.bad.set(one, failed(code))
      await pass(1000)
    }
    servers.bad.set(one, new Inconclusive('cannot tell'))
    await pass(3000)
    expect(results).toEqual(Array(8).fill('unknown 0'))
    expect(transitions).toEqual([])
    expect(checker.status()[0]).toMatchObject({
      state: 'up',
      last: 'unknown',
      reason: 'cannot tell',
    })
    // Neither do they end a row of failures.
    servers.bad.set(one, new Error('no'))
    await pass(1000)
    servers.bad.set(one, failed('EMFILE'))
    await pass(2500)
    expect(checker.status()[0]).toMatchObject({ last: 'unknown', failures: 1 })
    servers.bad.set(one, new Error('no'))
    await pass(750)
    expect(transitions).toEqual([`${one} up>down`])
  })

  it('warns once per spell of unknown results', async () => {
    const servers = new TestServers()
    servers.bad.set(one, failed('EMFILE'))
    const { checker, codes, warnings } = build(new TestTarget(member(1, 'up')), {
      check: servers.check,
      unknownLimitMs: 5000,
    })
    checker.start()
    await pass(5000)
    expect(codes()).toEqual(['undecided'])
    await pass(10_000)
    expect(codes()).toEqual(['undecided', 'unknown'])
    expect(warnings[1]?.message).toMatch(
      /10\.1\.0\.1:53: nothing found out for 6000 ms, its state stays up: too many open files/,
    )
    servers.bad.clear()
    await pass(2000)
    servers.bad.set(one, failed('EMFILE'))
    await pass(20_000)
    expect(codes()).toEqual(['undecided', 'unknown', 'unknown'])
  })

  it('takes a check that throws at once, or returns no promise, as it would a promise', async () => {
    const checks = [
      () => {
        throw new Error('thrown')
      },
      () => undefined,
    ] as unknown as Check[]
    const rows = []
    for (const check of checks) {
      const { checker } = build(new TestTarget(member(1, 'up')), { check })
      checker.start()
      await pass(0)
      rows.push(checker.status()[0])
    }
    expect(rows).toMatchObject([{ last: 'failure', reason: 'thrown' }, { last: 'success' }])
  })

  it('passes on weight factors, clamped, and tells of each change', async () => {
    let factor: unknown = 0.5
    const check = (async () => ({ weightFactor: factor, detail: `factor ${factor}` })) as Check
    const target = new TestTarget(member(1, 'up'))
    const { checker } = build(target, { check })
    checker.start()
    for (const next of [0.5, 7, -1, Number.NaN, 'half', undefined]) {
      await pass(1000)
      factor = next
    }
    await pass(1000)
    expect(
      target.reports.map(({ verdict }) => [verdict.weightFactor, verdict.initial, verdict.reason]),
    ).toEqual([
      [0.5, true, 'factor 0.5'],
      [undefined, false, 'factor 7'],
      [0, false, 'factor -1'],
      [undefined, false, 'factor undefined'],
    ])
    expect(checker.status()[0]?.last).toBe('success')
  })

  it('takes a weight factor that is no number for a check that does not know', async () => {
    const { checker } = build(new TestTarget(member(1, 'up')), {
      check: (async () => ({ weightFactor: NaN })) as Check,
    })
    checker.start()
    await pass(0)
    expect(checker.status()[0]).toMatchObject({
      last: 'unknown',
      reason: expect.stringContaining('NaN'),
    })
  })
})

describe('no route to the network', () => {
  const lose = (servers: TestServers, ...keys: string[]) => {
    for (const key of keys) servers.bad.set(key, failed('ENETUNREACH'))
  }

  it('is a failure if another member is reached', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1, 'up'), member(2, 'up'), member(3, 'up'))
    const { checker, transitions } = build(target, { check: servers.check })
    checker.start()
    await pass(100)
    lose(servers, two)
    await pass(3000)
    expect(transitions).toEqual([`${two} up>down`])
    expect(target.reports.at(-1)?.verdict.reason).toBe('network is unreachable')
  })

  it('is unknown if every member has it, whoever is checked first', async () => {
    const servers = new TestServers()
    const all = Array.from({ length: 10 }, (_, i) => member(i + 1, 'up'))
    const { checker, transitions, codes } = build(new TestTarget(...all), { check: servers.check })
    checker.start()
    await pass(100)
    lose(servers, ...all.map((m) => m.key))
    await pass(60_000)
    expect(transitions).toEqual([])
    expect(checker.status().every((row) => row.last === 'unknown' && row.failures === 0)).toBe(true)
    expect(checker.status()[0]?.reason).toBe(
      'network is unreachable, as for every member: our own uplink',
    )
    expect(new Set(codes())).toEqual(new Set(['unknown']))
    // The uplink is back, but not for one of them.
    servers.bad.clear()
    lose(servers, two)
    await pass(5000)
    expect(transitions).toEqual([`${two} up>down`])
  })

  it('is unknown for a single member: there is nobody to compare with', async () => {
    const servers = new TestServers()
    lose(servers, one)
    const { checker, transitions } = build(new TestTarget(member(1, 'up')), {
      check: servers.check,
    })
    checker.start()
    await pass(10_000)
    expect(transitions).toEqual([])
  })

  it('ends with members that are refused: they were reached', async () => {
    const servers = new TestServers()
    lose(servers, one)
    servers.bad.set(two, failed('ECONNREFUSED'))
    const { checker, transitions } = build(new TestTarget(member(1, 'up'), member(2, 'up')), {
      check: servers.check,
    })
    checker.start()
    await pass(5000)
    expect(transitions.sort()).toEqual([`${one} up>down!`, `${two} up>down!`])
  })
})

describe('targets', () => {
  it('checks a shared member once and tells both', async () => {
    const servers = new TestServers()
    const a = new TestTarget(member(1))
    const b = new TestTarget(member(1), member(2))
    const { checker } = build([a, b, a], { check: servers.check })
    checker.start()
    await pass(0)
    expect(servers.started.map((start) => start.key)).toEqual([one, two])
    await pass(1000)
    expect(a.log()).toEqual([`${one} up!`])
    expect(b.log()).toEqual([`${one} up!`, `${two} up!`])
    expect(a.reports[0]?.member).toBe(a.list[0])
    expect(b.reports[0]?.member).toBe(b.list[0])
    expect(checker.status()).toHaveLength(2)
  })

  it('does not cut what one target presumes up', async () => {
    const servers = new TestServers()
    servers.bad.set(one, new Error('no'))
    const { checker } = build(
      [new TestTarget(member(1, 'down')), new TestTarget(member(1, 'up'))],
      {
        check: servers.check,
      },
    )
    checker.start()
    await pass(0)
    expect(checker.status()[0]).toMatchObject({ state: 'up', failures: 1 })
  })

  it('tells a target that comes to share a member at once', async () => {
    const a = new TestTarget(member(1))
    const b = new TestTarget()
    const { checker } = build([a, b], { check: new TestServers().check })
    checker.start()
    await pass(5000)
    b.change(member(1))
    await pass(0)
    expect(b.log()).toEqual([`${one} up!`])
    expect(a.log()).toEqual([`${one} up!`])
  })

  it('follows members that come and go', async () => {
    const servers = new TestServers()
    servers.tookMs = 50
    const target = new TestTarget(member(1, 'up'))
    const { checker } = build(target, { check: servers.check })
    checker.start()
    await pass(500)
    target.change(member(1), member(2, 'up'))
    await pass(60)
    expect(target.log()).toEqual([`${one} up!`, `${two} up!`])
    await pass(460)
    // In the middle of its check.
    expect(servers.running).toBe(1)
    target.change(member(2))
    await pass(0)
    expect(servers.running).toBe(0)
    expect(checker.status().map((row) => row.key)).toEqual([two])
    const count = servers.times(one).length
    await pass(5000)
    expect(servers.times(one)).toHaveLength(count)
    expect(servers.times(two).length).toBeGreaterThan(4)
    // Back again, as new.
    target.change(member(1), member(2))
    await pass(1000)
    expect(target.log()).toEqual([`${one} up!`, `${two} up!`, `${one} up!`])
  })

  it('says nothing more about a removed member to the target that removed it', async () => {
    const servers = new TestServers()
    const a = new TestTarget(member(1, 'up'))
    const b = new TestTarget(member(1, 'up'))
    const { checker } = build([a, b], { check: servers.check })
    checker.start()
    await pass(0)
    a.change()
    servers.bad.set(one, new Error('no'))
    await pass(3000)
    expect(a.log()).toEqual([`${one} up!`])
    expect(b.log()).toEqual([`${one} up!`, `${one} down`])
  })

  it('keeps the members if they cannot be listed, and refuses to start without', async () => {
    const target = new TestTarget(member(1, 'up'))
    const { checker, codes } = build(target, { check: new TestServers().check })
    checker.start()
    await pass(0)
    target.change({ key: 'x', address: 'localhost', port: 53 })
    await pass(0)
    expect(codes()).toEqual(['target'])
    expect(checker.status().map((row) => row.key)).toEqual([one])
    const { checker: other } = build(target, { check: new TestServers().check })
    expect(() => other.start()).toThrow(expect.objectContaining({ option: 'member.address' }))
    expect(target.listeners.size).toBe(1)
  })

  it('repeats a refused verdict with the next result, warning once', async () => {
    const target = new TestTarget(member(1, 'up'))
    let refusals = 2
    target.onReport = async () => {
      if (refusals-- > 0) throw new Error('netlink is gone')
    }
    const { checker, warnings } = build(target, { check: new TestServers().check })
    checker.start()
    await pass(5000)
    expect(target.log()).toEqual([`${one} up!`, `${one} up!`, `${one} up!`])
    expect(warnings.map((warning) => [warning.code, (warning.error as Error).message])).toEqual([
      ['target', 'netlink is gone'],
    ])
  })

  it('repeats only the latest verdict', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1, 'up'))
    let refuse: ((error: Error) => void) | undefined
    target.onReport = (_member, { healthy }) =>
      healthy ? new Promise((_resolve, reject) => (refuse = reject)) : undefined
    const { checker } = build(target, { check: servers.check })
    checker.start()
    await pass(0)
    servers.bad.set(one, new Error('no'))
    await pass(3000)
    refuse?.(new Error('superseded'))
    await pass(3000)
    expect(target.log()).toEqual([`${one} up!`, `${one} down`])
  })

  it('passes the present object of the target', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1, 'up'))
    const { checker } = build(target, { check: servers.check })
    checker.start()
    await pass(0)
    target.change(member(1, 'up'))
    servers.bad.set(one, new Error('no'))
    await pass(3000)
    expect(target.reports[1]?.member).toBe(target.list[0])
    expect(target.reports[1]?.member).not.toBe(target.reports[0]?.member)
  })

  it('does not wait for reports', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1, 'up'))
    target.onReport = () => new Promise(() => {})
    const { checker } = build(target, { check: servers.check })
    checker.start()
    await pass(0)
    servers.bad.set(one, new Error('no'))
    await pass(3000)
    expect(target.log()).toEqual([`${one} up!`, `${one} down`])
  })
})

describe('ready', () => {
  it('resolves when all have a verdict and the targets have taken it', async () => {
    const servers = new TestServers()
    servers.bad.set(two, new Error('no'))
    let delivered: (() => void) | undefined
    const target = new TestTarget(member(1, 'up'), member(2))
    target.onReport = (m) => {
      if (m.key !== one) return undefined
      return new Promise((resolve) => {
        delivered = resolve
      })
    }
    const { checker } = build(target, { check: servers.check })
    const ready = checker.ready()
    checker.start()
    await pass(499)
    expect(target.reports).toHaveLength(1)
    await pass(1000)
    expect(target.reports).toHaveLength(2)
    expect(await isResolved(ready)).toBe(false)
    delivered?.()
    expect(await isResolved(ready)).toBe(true)
    expect(await isResolved(checker.ready())).toBe(true)
  })

  it('resolves at once without members', async () => {
    const { checker } = build(new TestTarget(), { check: new TestServers().check })
    checker.start()
    expect(await isResolved(checker.ready())).toBe(true)
  })

  it('does not wait for members added later, nor for those removed', async () => {
    const servers = new TestServers()
    servers.tookMs = 400
    servers.bad.set(two, new Inconclusive('never'))
    const target = new TestTarget(member(1, 'up'), member(2))
    const { checker } = build(target, { check: servers.check })
    checker.start()
    await pass(300)
    target.change(member(1), member(2), member(3))
    await pass(100)
    expect(await isResolved(checker.ready())).toBe(false)
    target.change(member(1), member(3))
    expect(await isResolved(checker.ready())).toBe(true)
    expect(checker.status().find((row) => row.key === member(3).key)?.decided).toBe(false)
  })

  it('does not hang on results that stay unknown, or reports that are never taken', async () => {
    const servers = new TestServers()
    servers.bad.set(two, failed('EMFILE'))
    const target = new TestTarget(member(1, 'up'), member(2))
    target.onReport = () => new Promise(() => {})
    const { checker, warnings } = build(target, { check: servers.check, unknownLimitMs: 3000 })
    checker.start()
    await pass(2999)
    expect(await isResolved(checker.ready())).toBe(false)
    await pass(1)
    expect(await isResolved(checker.ready())).toBe(true)
    expect(warnings[0]).toMatchObject({
      code: 'undecided',
      message: expect.stringContaining(`${one}, ${two}`),
    })
  })

  it('rejects when stopped first, to those who ask', async () => {
    const { checker } = build(new TestTarget(member(1)), { check: () => new Promise(() => {}) })
    checker.start()
    const ready = checker.ready()
    const rejected = expect(ready).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' })
    void checker.stop()
    await rejected
  })
})

describe('start and stop', () => {
  it('starts once, however often it is told', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1, 'up'))
    const { checker } = build(target, { check: servers.check })
    checker.start()
    checker.start()
    await pass(2500)
    expect(servers.started).toHaveLength(3)
    expect(target.listeners.size).toBe(1)
  })

  it('stops in the middle of a check: aborted, no verdict, no timer, no listener', async () => {
    const servers = new TestServers()
    servers.tookMs = 400
    const target = new TestTarget(member(1, 'up'), member(2, 'up'))
    const { checker } = build(target, { check: servers.check, maxInFlight: 1 })
    checker.start()
    await pass(100)
    expect(servers.running).toBe(1)
    const stopped = checker.stop()
    expect(servers.running).toBe(1)
    expect(await isResolved(stopped)).toBe(true)
    expect(servers.running).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
    expect(target.listeners.size).toBe(0)
    await pass(10_000)
    expect(target.reports).toEqual([])
    expect(servers.started).toHaveLength(1)
    expect(checker.status()).toMatchObject([{ inFlight: false }, { inFlight: false }])
    expect(checker.stop()).toBe(stopped)
  })

  it('stops from within a listener, a report or a check', async () => {
    for (const stopIn of ['listener', 'report', 'check']) {
      const target = new TestTarget(member(1, 'up'), member(2, 'up'))
      let checks = 0
      const check: Check = async () => {
        checks++
        if (stopIn === 'check') void checker.stop()
      }
      const { checker, codes } = build(target, { check })
      const results: string[] = []
      checker.on('result', ({ member }) => {
        results.push(member.key)
        if (stopIn === 'listener') void checker.stop()
      })
      target.onReport = () => {
        if (stopIn === 'report') void checker.stop()
      }
      checker.start()
      await pass(5000)
      expect(await isResolved(checker.stop())).toBe(true)
      expect(vi.getTimerCount()).toBe(0)
      expect([stopIn, checks, results, codes()]).toEqual([
        stopIn,
        stopIn === 'check' ? 1 : 2,
        stopIn === 'check' ? [] : [one],
        [],
      ])
    }
  })

  it('does not wait for ever for a check that ignores its signal', async () => {
    const { checker, codes } = build(new TestTarget(member(1)), {
      check: () => new Promise(() => {}),
      timeoutMs: 200,
    })
    checker.start()
    await pass(10)
    const stopped = checker.stop()
    await pass(199)
    expect(await isResolved(stopped)).toBe(false)
    await pass(1)
    expect(await isResolved(stopped)).toBe(true)
    expect(codes()).toEqual(['stuck'])
  })

  it('starts anew after a stop, from what the targets presume then', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1))
    const { checker } = build(target, { check: servers.check })
    checker.start()
    await pass(2000)
    await checker.stop()
    target.list = [member(1, 'down')]
    servers.bad.set(one, new Error('no'))
    checker.start()
    const ready = checker.ready()
    expect(checker.status()[0]).toMatchObject({ state: 'down', decided: false })
    expect(await isResolved(ready)).toBe(true)
    expect(target.log()).toEqual([`${one} up!`, `${one} down!`])
  })
})

describe('events', () => {
  it('carry what happened, and go to diagnostics_channel', async () => {
    const published: unknown[] = []
    const listener = (event: unknown) => published.push(event)
    const channels = ['result', 'transition', 'warning'].map((name) => `ipvs:health-${name}`)
    for (const name of channels) subscribe(name, listener)
    const target = new TestTarget(member(1))
    const { checker, warnings } = build(target, {
      check: async () => ({ detail: 'fine', weightFactor: 0.5 }),
      rise: 1,
    })
    target.onReport = () => {
      throw new Error('a warning')
    }
    const results: unknown[] = []
    const transitions: unknown[] = []
    checker.on('result', (event) => results.push(event))
    checker.on('transition', (event) => transitions.push(event))
    checker.start()
    await pass(0)
    for (const name of channels) unsubscribe(name, listener)
    const who = { key: one, address: '10.1.0.1', port: 53 }
    const time = Date.now()
    const before = { state: 'unknown', since: time, successes: 0, failures: 0, weightFactor: 1 }
    const after = { state: 'up', since: time, successes: 1, failures: 0, weightFactor: 0.5 }
    const both = { member: who, time, initial: true, reason: 'fine', durationMs: 0, before, after }
    expect(results).toEqual([
      {
        ...both,
        sequence: 2,
        outcome: 'success',
        state: 'up',
        successes: 1,
        failures: 0,
        weightFactor: 0.5,
      },
    ])
    expect(transitions).toEqual([{ ...both, sequence: 3, from: 'unknown', to: 'up' }])
    expect(published).toEqual([warnings[0], ...results, ...transitions])
  })

  it('are numbered in the order of what happened, over all kinds and starts', async () => {
    const servers = new TestServers()
    servers.bad.set(one, failed('ECONNREFUSED'))
    const target = new TestTarget(member(1, 'up'), member(2))
    const { checker } = build(target, { check: servers.check, fall: 1, rise: 1 })
    const seen: [number, string][] = []
    checker.on('result', ({ sequence }) => seen.push([sequence, 'result']))
    checker.on('transition', ({ sequence }) => seen.push([sequence, 'transition']))
    checker.on('warning', ({ sequence }) => seen.push([sequence, 'warning']))
    target.onReport = () => {
      throw new Error('no')
    }
    checker.start()
    await pass(0)
    await checker.stop()
    checker.start()
    await pass(0)
    expect(seen.map(([sequence]) => sequence)).toEqual(seen.map((_, index) => index + 1))
    // The targets hear first.
    const round = ['warning', 'result', 'transition', 'warning', 'result', 'transition']
    expect(seen.map(([, kind]) => kind)).toEqual([...round, ...round])
  })

  it('tell the first decision from later ones, and what was before', async () => {
    const servers = new TestServers()
    servers.tookMs = 20
    const { checker } = build(new TestTarget(member(1, 'up')), { check: servers.check })
    const results: [boolean, string, string][] = []
    checker.on('result', ({ initial, before, after }) =>
      results.push([initial, before.state, after.state]),
    )
    const transitions: HealthTransitionEvent[] = []
    checker.on('transition', (event) => transitions.push(event))
    const since = Date.now()
    checker.start()
    await pass(500)
    servers.bad.set(one, new Error('no'))
    await pass(1500)
    expect(results).toEqual([
      [true, 'up', 'up'],
      [false, 'up', 'up'],
      [false, 'up', 'up'],
      [false, 'up', 'down'],
    ])
    const time = since + 1560
    expect(transitions).toMatchObject([
      {
        initial: false,
        durationMs: 20,
        before: { state: 'up', since, successes: 0, failures: 2 },
        after: { state: 'down', since: time, successes: 0, failures: 3 },
        time,
      },
    ])
  })

  it('survives listeners that throw or reject, and still calls the others', async () => {
    const servers = new TestServers()
    const target = new TestTarget(member(1))
    const { checker, warnings } = build(target, { check: servers.check })
    const seen: string[] = []
    checker.on('result', () => {
      throw new Error('sync')
    })
    checker.on('result', async () => {
      throw new Error('async')
    })
    checker.on('result', (event) => seen.push(event.outcome))
    checker.once('transition', () => {
      throw new Error('once')
    })
    checker.start()
    await pass(2000)
    expect(servers.started).toHaveLength(4)
    expect(seen).toHaveLength(4)
    expect(target.log()).toEqual([`${one} up!`])
    const messages = warnings.map((warning) => (warning.error as Error).message)
    expect(messages.filter((message) => message === 'sync')).toHaveLength(4)
    expect(messages.filter((message) => message === 'async')).toHaveLength(4)
    expect(messages.filter((message) => message === 'once')).toHaveLength(1)
  })

  it('reports a throwing warning listener to the process', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const servers = new TestServers()
    servers.bad.set(one, failed('EMFILE'))
    const { checker } = build(new TestTarget(member(1)), {
      check: servers.check,
      unknownLimitMs: 1500,
    })
    checker.on('warning', () => {
      throw new Error('even here')
    })
    checker.start()
    await pass(3000)
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('even here'))
    expect(servers.started).toHaveLength(4)
    warn.mockRestore()
  })

  it('status is a table', async () => {
    const servers = new TestServers()
    servers.bad.set(two, new Error('no'))
    const { checker } = build(new TestTarget(member(1), member(2, 'up')), { check: servers.check })
    expect(checker.status()).toEqual([])
    checker.start()
    const since = Date.now()
    await pass(0)
    expect(checker.status()).toEqual([
      {
        key: one,
        state: 'unknown',
        since,
        decided: false,
        last: 'success',
        reason: 'healthy',
        lastAt: since,
        lastMs: 0,
        nextAt: since + 250,
        successes: 1,
        rise: 2,
        failures: 0,
        fall: 3,
        inFlight: false,
        weightFactor: 1,
      },
      expect.objectContaining({
        key: two,
        state: 'up',
        last: 'failure',
        reason: 'no',
        failures: 1,
      }),
    ])
    await pass(250)
    expect(checker.status()[0]).toMatchObject({ state: 'up', since: since + 250, decided: true })
  })
})

describe('options', () => {
  const check = new TestServers().check
  it.each([
    [{}, 'options.check'],
    [undefined, 'options.check'],
    [{ check: 'tcp' }, 'options.check'],
    [{ check, interval: 1 }, 'options.interval'],
    [{ check, intervalMs: 9 }, 'options.intervalMs'],
    [{ check, intervalMs: '1000' }, 'options.intervalMs'],
    [{ check, timeoutMs: 0 }, 'options.timeoutMs'],
    [{ check, timeoutMs: '500' }, 'options.timeoutMs'],
    [{ check, timeoutMs: { min: 0, max: 5 } }, 'options.timeoutMs.min'],
    [{ check, timeoutMs: { min: 6, max: 5 } }, 'options.timeoutMs.max'],
    [{ check, timeoutMs: { min: 5 } }, 'options.timeoutMs.max'],
    [{ check, timeoutMs: { min: 5, max: 6, mean: 5 } }, 'options.timeoutMs.mean'],
    [{ check, rise: 0 }, 'options.rise'],
    [{ check, fall: 1.5 }, 'options.fall'],
    [{ check, intervalMs: 100, retryDelayMs: 101 }, 'options.retryDelayMs'],
    [{ check, downIntervalMs: 0 }, 'options.downIntervalMs'],
    [{ check, jitter: 1.1 }, 'options.jitter'],
    [{ check, jitter: '0' }, 'options.jitter'],
    [{ check, unknownLimitMs: 0 }, 'options.unknownLimitMs'],
    [{ check, maxInFlight: 0 }, 'options.maxInFlight'],
  ])('refuses %j', (options, option) => {
    expect(() => new HealthChecker([], options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })

  it('refuses what is no target', () => {
    for (const target of [undefined, {}, [{}], 'pool']) {
      expect(() => new HealthChecker(target as never, { check })).toThrow(
        expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option: 'targets' }),
      )
    }
  })
})
