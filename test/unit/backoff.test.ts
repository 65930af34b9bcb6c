import { afterEach, expect, test, vi } from 'vitest'
import { Backoff } from '../../src/backoff.js'

const settings = { firstMs: 1000, maxMs: 30_000 }

afterEach(() => vi.restoreAllMocks())

test('pauses are twice as long each time, up to the limit, and begin anew after a success', () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const backoff = new Backoff(settings)
  const pauses = Array.from({ length: 8 }, () => backoff.next())
  expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  backoff.reset()
  expect(backoff.next()).toBe(1000)
})

test('pauses are up to a tenth shorter or longer, so that several are not in step', () => {
  const pauses = Array.from({ length: 200 }, () => new Backoff(settings).next())
  expect(new Set(pauses).size).toBeGreaterThan(150)
  for (const pause of pauses) {
    expect(pause).toBeGreaterThanOrEqual(900)
    expect(pause).toBeLessThanOrEqual(1100)
  }
})

test('the limit holds after any number of failures', () => {
  const backoff = new Backoff(settings)
  for (let failure = 0; failure < 2000; failure++) backoff.next()
  expect(backoff.next()).toBeLessThanOrEqual(33_000)
})
