// The kept figures of what checking costs: the page is made of the JSON beside it, and they keep what docs/health.md says.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  type ChecksReport,
  type Figures,
  formatChecks,
  medians,
  oursWith,
  shortcomings,
} from './figures.js'

const read = (name: string) =>
  readFileSync(new URL(`../../docs/performance/${name}`, import.meta.url), 'utf8')
const kept = JSON.parse(read('checks.json')) as ChecksReport

test('the page is made of the kept figures', () => {
  expect(read('checks.md')).toBe(formatChecks(kept))
})

test('the kept figures are those of 5,000 servers every second, as good as promised', () => {
  expect(kept).toMatchObject({ servers: 5000, intervalMs: 1000 })
  expect(shortcomings(kept)).toEqual([])
})

const good: Figures = {
  checksPerSecond: 5000,
  userUs: 40,
  systemUs: 40,
  corePercent: 40,
  residentMb: 100,
  worstDriftPercent: 0.1,
  deviationP50Ms: 1,
  deviationP99Ms: 5,
  timeWait: 0,
  loopP50Ms: 1,
  loopP99Ms: 5,
  loopMaxMs: 10,
  failures: 0,
}

test.each<[string, Partial<Figures>]>([
  ['event-loop delay', { loopP99Ms: 21 }],
  ['drift', { worstDriftPercent: 5.1 }],
  ['TIME_WAIT', { timeWait: 1 }],
  ['no success', { failures: 1 }],
  ['checks a second', { checksPerSecond: 4000 }],
])('falls short: %s', (word, bad) => {
  const row = medians(oursWith('tcp'), [{ ...good, ...bad }])
  expect(shortcomings({ ...kept, rows: [row] })).toEqual([expect.stringContaining(word)])
  // keepalived's row is only for comparison.
  expect(shortcomings({ ...kept, rows: [{ ...row, system: 'Keepalived' }] })).toEqual([])
})

test('medians are those of each figure by itself', () => {
  const rounds = [3, 1, 2].map((userUs) => ({ ...good, userUs, systemUs: 10 - userUs }))
  expect(medians(oursWith('tcp'), rounds)).toMatchObject({ userUs: 2, systemUs: 8, loopP99Ms: 5 })
})
