// Nobody types figures by hand: those of the page are those of the run that is kept beside it. And its files are the ones that ran.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { clientNames } from './client-names.js'
import { failures } from './failures.js'
import { formatResult, type Result } from './results.js'
import { ours, systemNames } from './systems.js'
import { renew } from './table.js'
import { worse } from './verdict.js'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const page = read('docs/pair.md')
const text = read('docs/pair.json')
const result = JSON.parse(text) as Result

test('the page has the tables of the kept result', () => {
  expect(renew(page, result)).toBe(page)
  expect(formatResult(result)).toBe(text)
})

test('the kept result has every failure under both systems, for every client', () => {
  const wanted = failures.flatMap(({ name }) => systemNames.map((system) => `${system}/${name}`))
  expect(result.trials.map(({ system, failure }) => `${system}/${failure}`)).toEqual(wanted)
  expect(result.rows.map(({ client }) => client)).toEqual(wanted.flatMap(() => clientNames))
})

test('ours keeps its promises in it, and is never worse', () => {
  for (const trial of result.trials.filter(({ system }) => system === ours)) {
    if (trial.failure !== 'servers-too') expect(trial).toMatchObject({ cut: 0, doubled: 0 })
    expect(trial.changesAfterwards ?? 0).toBe(0)
    expect(trial.heldDeadMs ?? 0).toBe(0)
  }
  expect(worse(result.rows, result.trials)).toEqual([])
})

test('docs/pair.md shows the files of examples/pair', () => {
  const blocks = [...page.matchAll(/```(?:\w*)\n([\s\S]*?)```/g)].map(([, code]) => code!)
  for (const name of ['keepalived.conf', 'director.yaml']) {
    expect(blocks).toContain(read(`examples/pair/${name}`))
  }
})
