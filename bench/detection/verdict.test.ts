// What the figures mean, on made-up outcomes.
import { expect, test } from 'vitest'
import { fastChecks } from '../failover/systems.js'
import { kindOf } from './failures.js'
import { type Found, figures, formatOutcome, limitOf, type Outcome, problems } from './verdict.js'

const outcome = (about: Partial<Outcome> = {}): Outcome => ({
  pace: fastChecks,
  found: [],
  falseVerdicts: 0,
  minutes: 60,
  missing: 0.123,
  said: '',
  ...about,
})
const killed = (...times: readonly (number | null)[]) =>
  times.map((ms): Found => ({ kind: 'killed', ms }))

test('half of the servers are killed, a quarter hang, a quarter lose their cable', () => {
  const all = Array.from({ length: 8 }, (_, i) => kindOf(i))
  expect(all.filter((kind) => kind === 'killed')).toHaveLength(4)
  expect(all.filter((kind) => kind === 'hangs')).toHaveLength(2)
  expect(all.filter((kind) => kind === 'unplugged')).toHaveLength(2)
})

test('a closed port has to be found within two intervals, a silent server within its limits after the next check', () => {
  expect(limitOf('killed', fastChecks)).toBe(100)
  expect(limitOf('hangs', fastChecks)).toBe(50 + 2 * 200 + 10)
})

test('percentiles are those of the failures of a kind, and one that is never found is the worst', () => {
  const times = Array.from({ length: 199 }, (_, i) => i + 1)
  expect(figures(outcome({ found: killed(...times, null) }))).toEqual([
    {
      kind: 'killed',
      failures: 200,
      p50: 100,
      p99: 198,
      most: Number.POSITIVE_INFINITY,
      limitMs: 100,
    },
  ])
})

test('late, never, and a false verdict are problems', () => {
  expect(problems(outcome({ found: killed(50, 100) }))).toEqual([])
  expect(problems(outcome({ found: killed(50, 101) }))).toEqual([
    'killed: found after 101 ms (p99), allowed: 100 ms.',
  ])
  expect(problems(outcome({ found: killed(null), falseVerdicts: 2 }))).toEqual([
    'killed: found after never (p99), allowed: 100 ms.',
    '2 times a server was taken out that nothing had happened to.',
  ])
})

test('the table has a line for each kind; without failures there is only the last one', () => {
  expect(formatOutcome(outcome({ found: killed(50, 60) }))).toBe(
    `server  failures  found p50    p99    max  allowed
killed         2      50 ms  60 ms  60 ms   100 ms

0 false verdicts in 60.0 minutes; 12 % of the time was missing.
`,
  )
  expect(formatOutcome(outcome())).toMatch(/^0 false verdicts in 60\.0 minutes/)
})
