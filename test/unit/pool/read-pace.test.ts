import { afterEach, expect, it, vi } from 'vitest'
import { closeAll, ground } from './kinds/ground.js'

const LONGEST_MS = 0x7fffffff

afterEach(async () => {
  vi.restoreAllMocks()
  await closeAll()
})

it('an interval that is as long as a timer can be is not longer for being moved at random', async () => {
  const timers = vi.spyOn(globalThis, 'setTimeout')
  vi.spyOn(Math, 'random').mockReturnValue(0.9)
  const world = await ground()
  const pool = await world.open({ reconcileIntervalMs: LONGEST_MS })
  const delays = timers.mock.calls.map(([, delay]) => Number(delay))
  await pool.close()
  expect(delays).toContain(LONGEST_MS)
  expect(Math.max(...delays)).toBe(LONGEST_MS)
})
