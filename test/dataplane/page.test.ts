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

test('the kept result is of every scenario as it is now, and without a problem', () => {
  const now = scenarios.map(({ name, setting, says, losses }) => ({ name, setting, says, losses }))
  expect(result.scenarios).toMatchObject(now)
  expect(result.scenarios.flatMap(({ problems }) => problems)).toEqual([])
})
