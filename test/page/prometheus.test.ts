// What Prometheus' own tools say of the figures, of the alerts and of the dashboard's queries.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Registry } from 'prom-client'
import { expect, onTestFinished, test } from 'vitest'
import { registerMetrics } from '../../src/metrics/index.js'
import { checkout, environment, program } from './programs.js'
import { makeWorld } from './world.js'

const folder = path.join(checkout, 'examples/prometheus')

function promtool(words: readonly string[], input = '') {
  const options = { cwd: folder, env: environment, encoding: 'utf8', input } as const
  const { status, stdout, stderr } = spawnSync(program('usr/bin/promtool'), words, options)
  return { status, said: stdout + stderr }
}

/** With every figure that there is. */
async function figures(): Promise<string> {
  const world = await makeWorld([2, 1])
  onTestFinished(() => world.close())
  const { director } = world
  world.sick.add('127.1.0.2')
  await expect
    .poll(() => director.state().pools[0]!.servers.map(({ health }) => health))
    .toEqual(['up', 'down'])
  const registry = new Registry()
  const undo = registerMetrics(registry, {
    ipvs: director.client,
    pools: () => director.pools(),
    checkers: () => director.checkers(),
  })
  onTestFinished(undo)
  return registry.metrics()
}

test('promtool has nothing to say of the figures', async () => {
  const text = await figures()
  expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, said: '' })
  // It would have something to say.
  const bad = promtool(['check', 'metrics'], '# TYPE x counter\nx 1\n')
  expect(bad.status).not.toBe(0)
})

test('the alerts are rules that come when they should', () => {
  const checked = promtool(['check', 'rules', 'alerts.yaml'])
  expect(checked.status, checked.said).toBe(0)
  const played = promtool(['test', 'rules', 'alerts.test.yaml'])
  expect(played.status, played.said).toBe(0)
})

test('alerts and dashboard ask for figures and labels that there are', async () => {
  const text = await figures()
  const series = new Map<string, Set<string>>()
  for (const [, name, labels = ''] of text.matchAll(/^(ipvs_\w+)(?:\{(.*)\})? /gm)) {
    const known = series.get(name!) ?? new Set(['instance', 'job'])
    for (const [, label] of labels.matchAll(/(\w+)="/g)) known.add(label!)
    series.set(name!, known)
  }
  const dashboard = readFileSync(path.join(folder, 'dashboard.json'), 'utf8')
  const asked = `${readFileSync(path.join(folder, 'alerts.yaml'), 'utf8')}\n${dashboard}`
  const names = [...asked.matchAll(/\bipvs_(?!\()\w+/g)].map(([name]) => name)
  expect(names.length).toBeGreaterThan(30)
  expect(names.filter((name) => !series.has(name))).toEqual([])
  for (const [, name, labels] of dashboard.matchAll(/\b(ipvs_\w+)\{(.*?)\}/g)) {
    for (const [, label] of labels!.matchAll(/(\w+)=~/g)) {
      expect([name, ...series.get(name!)!]).toContain(label)
    }
  }
})

test('the dashboard has no two panels in one place, and asks in PromQL', () => {
  interface Panel {
    readonly gridPos: { readonly x: number; readonly y: number }
    readonly targets: readonly { readonly expr: string }[]
  }
  const { panels } = JSON.parse(readFileSync(path.join(folder, 'dashboard.json'), 'utf8')) as {
    panels: readonly Panel[]
  }
  const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)
  expect(new Set(places).size).toBe(panels.length)
  const rules = panels
    .flatMap(({ targets }) => targets)
    .map(({ expr }, index) => ({
      record: `a${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m'),
    }))
  const file = { groups: [{ name: 'dashboard', rules }] }
  const made = mkdtempSync(path.join(tmpdir(), 'ipvs-rules-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  const rulesFile = path.join(made, 'dashboard.json')
  writeFileSync(rulesFile, JSON.stringify(file))
  const checked = promtool(['check', 'rules', rulesFile])
  expect(checked.status, checked.said).toBe(0)
})
