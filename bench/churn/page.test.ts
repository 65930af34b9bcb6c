// Nobody types figures by hand: the tables and pictures that are kept are those of the JSON beside them. After a change to
// how they are drawn, `npx vitest run --project unit bench -u` draws the kept ones again.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { CASES, FAMILIES, HOST_CASES } from './cases.js'
import { picturesOf } from './report.js'
import type { Report } from './results.js'
import { formatMarkdown } from './table.js'

const folder = new URL('../../docs/performance/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const all = [...HOST_CASES, ...CASES]
const report = JSON.parse(read('results.json')) as Report

test('the tables are made of the kept results', () => {
  const cases = new Map(all.map(({ name, title, unit }) => [name, { title, unit }]))
  expect(read('results.md')).toBe(formatMarkdown(report, { cases }))
})

test('the kept run has every driver of every case, and a picture of each', () => {
  const kept = new Set(report.results.map(({ case: name, driver }) => `${name}: ${driver}`))
  for (const { name, drivers } of all) {
    for (const driver of drivers) expect(kept).toContain(`${name}: ${driver}`)
    expect(existsSync(new URL(`${name}.svg`, folder)), name).toBe(true)
  }
  for (const { name } of FAMILIES) {
    expect(existsSync(new URL(`${name}.svg`, folder)), name).toBe(true)
  }
})

test.each([...picturesOf(report)])(
  'the picture of %s is that of the kept results',
  async (name, picture) => {
    const file = new URL(`${name}.svg`, folder)
    expect(existsSync(file)).toBe(true)
    await expect(picture).toMatchFileSnapshot(fileURLToPath(file))
  },
)
