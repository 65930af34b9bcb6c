// Nobody types figures by hand: the tables that are kept are those of the JSON beside them.
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CASES, FAMILIES, HOST_CASES } from './cases.js'
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
