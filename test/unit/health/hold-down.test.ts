import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Flapping } from '../../../src/health/hold-down.js'
import {
  HealthChecker,
  type HealthCheckerOptions,
  type HealthTransitionEvent,
  type HealthWarningEvent,
} from '../../../src/health/index.js'
import { failed, member, TestServers, TestTarget } from './target.js'

const settings = { flaps: 3, windowMs: 60_000, firstMs: 10_000, maxMs: 35_000 }

describe('Flapping', () => {
  it('counts times down within the window', () => {
    const flapping = new Flapping(settings)
    expect([0, 30_000, 60_000, 90_000].map((at) => flapping.wentDown(at))).toEqual([0, 0, 0, 0])
    expect(flapping.wentDown(100_000)).toBe(10_000)
    expect(flapping.until).toBe(110_000)
  })

  it('doubles with each further time down, up to the longest', () => {
    const flapping = new Flapping(settings)
    const holds = []
    let now = 0
    for (let i = 0; i < 8; i++) {
      holds.push(flapping.wentDown(now))
      now = Math.max(now, flapping.until) + 5000
    }
    expect(holds).toEqual([0, 0, 10_000, 20_000, 35_000, 35_000, 35_000, 35_000])
  })

  it('forgets one step for each window without going down, counted from the end of the hold', () => {
    const flapping = new Flapping(settings)
    for (const at of [0, 1, 2]) flapping.wentDown(at)
    expect(flapping.wentDown(10_003)).toBe(20_000)
    expect(flapping.until).toBe(30_003)
    // One window of quiet: one step less.
    expect(flapping.wentDown(30_003 + 60_000)).toBe(20_000)
    // Many: as if nothing had been.
    expect(flapping.wentDown(1_000_000)).toBe(0)
  })

  it('doubles once for one that was let back before its time', () => {
    const flapping = new Flapping({ ...settings, maxMs: 1_000_000 })
    expect([0, 1, 2, 3, 4, 5].map((at) => flapping.wentDown(at))).toEqual([
      0, 0, 10_000, 20_000, 40_000, 80_000,
    ])
  })

  it('bounds how often a member goes down in any window, whatever it does', () => {
    const { flaps, windowMs, firstMs } = settings
    // Holds double: no more of them fit into a window.
    const most = flaps + Math.ceil(Math.log2(windowMs / firstMs + 1))
    fc.assert(
      fc.property(fc.array(fc.nat(90_000), { maxLength: 60 }), (pauses) => {
        const flapping = new Flapping({ ...settings, maxMs: windowMs })
        const downs: number[] = []
        let now = 0
        for (const pause of pauses) {
          now = Math.max(now, flapping.until) + pause
          downs.push(now)
          flapping.wentDown(now)
        }
        for (const from of downs) {
          const inWindow = downs.filter((at) => at >= from && at < from + windowMs)
          expect(inWindow.length).toBeLessThanOrEqual(most)
        }
      }),
    )
  })

  it('goes on to hold when the first hold is the longest', () => {
    const flapping = new Flapping({ ...settings, maxMs: 10_000 })
    for (const at of [0, 1]) flapping.wentDown(at)
    expect([2, 10_003, 20_004].map((at) => flapping.wentDown(at))).toEqual([10_000, 10_000, 10_000])
  })
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const one = member(1).key

describe('a checker with holdDown', () => {
  let checker: HealthChecker | undefined

  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) })
  })
  afterEach(async () => {
    await checker?.stop()
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  function start(count: number, options: Partial<HealthCheckerOptions> = { holdDown: {} }) {
    const servers = new TestServers()
    const target = new TestTarget(...Array.from({ length: count }, (_, i) => member(i + 1, 'up')))
    checker = new HealthChecker(target, { check: servers.check, jitter: 0, ...options })
    const warnings: HealthWarningEvent[] = []
    const transitions: HealthTransitionEvent[] = []
    checker.on('warning', (event) => warnings.push(event))
    checker.on('transition', (event) => transitions.push(event))
    checker.start()
    const row = (key: string) => checker?.status().find((status) => status.key === key)
    /** Down and up again, in 10 s. */
    const flap = async (...keys: string[]) => {
      for (const key of keys) servers.bad.set(key, failed('ECONNREFUSED'))
      await pass(5000)
      servers.bad.clear()
      await pass(5000)
    }
    return { servers, target, warnings, transitions, row, flap }
  }

  it('keeps a member down that flaps, and says so everywhere', async () => {
    const { target, warnings, transitions, row, flap } = start(2)
    await flap(one)
    await flap(one)
    expect(row(one)).toMatchObject({ state: 'up', heldUntil: undefined })
    expect(warnings).toEqual([])
    await flap(one)
    const until = 'held down until 2026-01-01T00:00:52Z'
    expect(row(one)).toMatchObject({
      state: 'down',
      last: 'success',
      reason: `healthy; ${until}`,
    })
    expect(row(one)?.heldUntil).toBeGreaterThan(Date.now())
    expect(row(one)?.successes).toBeGreaterThan(2)
    const down = `connection refused; flapping, ${until}`
    expect(warnings).toMatchObject([{ code: 'flapping', message: `${one}: ${down}` }])
    expect(transitions.at(-1)).toMatchObject({ to: 'down', reason: down })
    expect(transitions.at(-1)?.heldUntil).toBe(row(one)?.heldUntil)
    expect(target.reports.at(-1)?.verdict).toMatchObject({ healthy: false, reason: down })
    // The first success after the hold: it has risen long ago.
    await pass(row(one)!.heldUntil! - Date.now() - 1)
    expect(row(one)?.state).toBe('down')
    await pass(1001)
    expect(row(one)).toMatchObject({ state: 'up', heldUntil: undefined, reason: 'healthy' })
    expect(transitions.at(-1)?.heldUntil).toBeUndefined()
  })

  it('never makes a member up that fails', async () => {
    const { servers, row, flap } = start(2)
    for (let i = 0; i < 3; i++) await flap(one)
    servers.bad.set(one, failed('ECONNREFUSED'))
    await pass(60_000)
    expect(row(one)).toMatchObject({ state: 'down', heldUntil: undefined, last: 'failure' })
    servers.bad.clear()
    await pass(1000)
    expect(row(one)?.state).toBe('down')
    await pass(1000)
    expect(row(one)?.state).toBe('up')
  })

  it('holds nobody down when there is no other one', async () => {
    const { row, warnings, transitions, flap } = start(1)
    for (let i = 0; i < 4; i++) await flap(one)
    expect(warnings.map((warning) => warning.code)).toEqual(['flapping', 'flapping'])
    expect(row(one)?.state).toBe('up')
    expect(transitions.at(-1)?.reason).toMatch(
      /^healthy; too few others are up to be held down until 2026-01-01T/,
    )
  })

  it('lets it back when the others fail', async () => {
    const { servers, row, flap } = start(3)
    for (let i = 0; i < 3; i++) await flap(one)
    expect(row(one)?.state).toBe('down')
    servers.bad.set(member(2).key, failed('ECONNREFUSED'))
    await pass(3000)
    expect(row(one)?.state).toBe('down')
    servers.bad.set(member(3).key, failed('ECONNREFUSED'))
    await pass(3000)
    expect(row(one)?.state).toBe('up')
  })

  it('holds at most half of them when all flap', async () => {
    const { row, flap } = start(10)
    const keys = Array.from({ length: 10 }, (_, i) => member(i + 1).key)
    for (let i = 0; i < 3; i++) await flap(...keys)
    const states = keys.map((key) => row(key)?.state)
    expect(states.filter((state) => state === 'up')).toHaveLength(5)
  })

  it('holds nobody without the option, however it flaps', async () => {
    const { row, warnings, flap } = start(2, {})
    for (let i = 0; i < 10; i++) await flap(one)
    expect(row(one)?.state).toBe('up')
    expect(warnings).toEqual([])
  })

  it('does not count what is unknown', async () => {
    const { servers, row, warnings } = start(2)
    for (let i = 0; i < 10; i++) {
      servers.bad.set(one, failed('EMFILE'))
      await pass(5000)
      servers.bad.clear()
      await pass(5000)
    }
    expect(row(one)?.state).toBe('up')
    expect(warnings).toEqual([])
  })

  it.each([
    [{ flaps: 1 }, 'options.holdDown.flaps'],
    [{ windowMs: 999 }, 'options.holdDown.windowMs'],
    [{ firstMs: 0 }, 'options.holdDown.firstMs'],
    [{ firstMs: 2000, maxMs: 1999 }, 'options.holdDown.maxMs'],
    [{ transitions: 3 }, 'options.holdDown.transitions'],
    [true, 'options.holdDown'],
  ])('refuses %j', (holdDown, option) => {
    const { check } = new TestServers()
    expect(() => new HealthChecker([], { check, holdDown: holdDown as never })).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
