import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TimeLimit } from '../../../src/health/time-limit.js'

const after = (limit: TimeLimit, ...answers: (number | 'missed')[]) => {
  for (const answer of answers) {
    if (answer === 'missed') limit.missed()
    else limit.answered(answer)
  }
  return limit.ms
}
const many = (count: number, ms: number) => Array<number>(count).fill(ms)

test('a fixed limit stays as it is', () => {
  expect(after(new TimeLimit({ min: 500, max: 500 }))).toBe(500)
  expect(after(new TimeLimit({ min: 500, max: 500 }), 3, 'missed', 700)).toBe(500)
})

test('before the first answer it is the most that is allowed', () => {
  expect(new TimeLimit({ min: 10, max: 300 }).ms).toBe(300)
  expect(after(new TimeLimit({ min: 10, max: 300 }), 'missed', 'missed')).toBe(300)
})

test('it is the mean and four deviations of RFC 6298, which come down on a steady network', () => {
  // The first answer: half of it counts as deviation.
  expect(after(new TimeLimit({ min: 1, max: 1000 }), 20)).toBe(20 + 4 * 10)
  // The second: deviation 10 + (|20 - 28| - 10) / 4 = 9.5, mean 20 + 8 / 8 = 21.
  expect(after(new TimeLimit({ min: 1, max: 1000 }), 20, 28)).toBe(21 + 4 * 9.5)
  expect(after(new TimeLimit({ min: 1, max: 1000 }), ...many(60, 20))).toBe(21)
  expect(after(new TimeLimit({ min: 50, max: 1000 }), ...many(60, 20))).toBe(50)
})

test('what is not answered in time doubles it, to the most; an answer ends that', () => {
  const limit = new TimeLimit({ min: 30, max: 200 })
  after(limit, ...many(60, 2))
  const seen = [limit.ms]
  for (let n = 0; n < 4; n++) seen.push(after(limit, 'missed'))
  expect(seen).toEqual([30, 60, 120, 200, 200])
  expect(after(limit, 2)).toBe(30)
  for (let n = 0; n < 5000; n++) limit.missed()
  expect(limit.ms).toBe(200)
})

test('a network that has become slower is measured again, however slow within the most', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 51, max: 499 }),
      (quick, slow) => {
        const limit = new TimeLimit({ min: 1, max: 500 })
        after(limit, ...many(50, quick))
        let failures = 0
        for (let n = 0; n < 200; n++) {
          if (slow > limit.ms) {
            failures++
            limit.missed()
          } else limit.answered(slow)
        }
        // At most the doublings from 1 to 500 in a row, once: it has learnt.
        expect(failures).toBeLessThanOrEqual(9)
        expect(limit.ms).toBeGreaterThanOrEqual(slow)
      },
    ),
  )
})

test('it is always a whole number between the two', () => {
  const answers = fc.array(
    fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant('missed' as const)),
  )
  fc.assert(
    fc.property(answers, (all) => {
      const ms = after(new TimeLimit({ min: 20, max: 400 }), ...all)
      expect(Number.isInteger(ms) && ms >= 20 && ms <= 400).toBe(true)
    }),
  )
})
