// What the figures mean, on made-up outcomes.
import { expect, test } from 'vitest'
import { fastChecks } from '../failover/systems.js'
import { kindOf } from './failures.js'
import { type Found, figures, formatOutcome, type Outcome, problems } from './verdict.js'

const outcome = (about: Partial<Outcome> = {}): Outcome => ({
  pace: fastChecks(1),
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

test('percentiles are those of the failures of a kind, and one that is never found is the worst', () => {
  const times = Array.from({ length: 199 }, (_, i) => i + 1)
  expect(figures(outcome({ found: killed(...times, null) }))).toEqual([
    {
      kind: 'killed',
      failures: 200,
      p50: 100,
      p99: 198,
      most: Number.POSITIVE_INFINITY,
      needed: 198 / 50,
      allowed: 2,
      unit: 'intervals',
    },
  ])
})

test('a closed port has to be found within two intervals', () => {
  expect(problems(outcome({ found: killed(50, 100) }))).toEqual([])
  expect(problems(outcome({ found: killed(50, 110) }))).toEqual([
    'killed: found after 110 ms (p99): 2.2 intervals, 2 are allowed.',
  ])
  expect(problems(outcome({ found: killed(null) }))).toEqual([
    'killed: found after never (p99): too many intervals, 2 are allowed.',
  ])
})

test('a silent server has to be found within its limits, from its next check on, pauses aside', () => {
  const silent = (ms: number): Found[] => [{ kind: 'hangs', ms, limitMs: 40 }]
  expect(problems(outcome({ found: silent(50 + 10 + 2 * 40) }))).toEqual([])
  expect(problems(outcome({ found: silent(50 + 10 + 3 * 40) }))).toEqual([
    'hangs: found after 180 ms (p99): 3.0 limits, 2 are allowed.',
  ])
})

test('a server that is taken out though nothing has happened to it is a problem', () => {
  expect(problems(outcome({ falseVerdicts: 2 }))).toEqual([
    '2 times a server was taken out that nothing had happened to.',
  ])
})

test('the table has a line for each kind; without failures there is none', () => {
  expect(formatOutcome(outcome({ found: killed(50, 60) }))).toBe(
    `Checks every 50 ms, 10 ms after a failure; limits of 20 to 500 ms; fall 2.

server  failures  found p50    p99    max   needed (p99)  allowed
killed         2      50 ms  60 ms  60 ms  1.2 intervals        2

0 false verdicts in 60.0 minutes; 12 % of the time was missing.
`,
  )
  expect(formatOutcome(outcome())).toMatch(/fall 2\.\n\n0 false verdicts in 60\.0 minutes/)
})
