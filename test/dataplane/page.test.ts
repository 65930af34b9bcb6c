// Nobody types figures by hand: those of the page are those of the run that is kept beside it.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatResult, type Result } from './results.js'
import { scenarios } from './scenarios.js'
import { renew } from './table.js'

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
const text = read('udp-failover.json')
const result = JSON.parse(text) as Result

test('the page has the tables of the kept result', () => {
  const page = read('udp-failover.md')
  expect(renew(page, result)).toBe(page)
  expect(formatResult(result)).toBe(text)
})

/** Younger than the kept run, and named on the page as such. The next kept run empties this list. */
const young = [
  'gre',
  'gue',
  'ipv6',
  'ipv6-entries',
  'ipv6-tunnel',
  'ipv6-gre',
  'ipv6-gue',
  'ipv6-masquerade',
  'mark',
  'mark-masquerade',
  'mark-ipv6',
  'maglev',
  'maglev-masquerade',
  'source-hash-ports',
  'sctp',
  'sctp-masquerade',
  'thresholds',
  'thresholds-of-all',
]

test('the kept result is of every scenario but the young ones, as it is now, and without a problem', () => {
  const now = scenarios
    .filter(({ name }) => !young.includes(name))
    .map(({ name, setting, says, losses }) => ({ name, setting, says, losses }))
  expect(result.scenarios).toMatchObject(now)
  expect(result.scenarios.flatMap(({ problems }) => problems)).toEqual([])
})

test('a young scenario exists, has no kept result, and the page says so', () => {
  const page = read('udp-failover.md')
  for (const name of young) {
    expect(scenarios.map((scenario) => scenario.name)).toContain(name)
    expect(result.scenarios.map((scenario) => scenario.name)).not.toContain(name)
    expect(page).toContain(`| \`${name}\` |`)
  }
})
