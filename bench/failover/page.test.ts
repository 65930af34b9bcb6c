// Nobody types figures by hand: those of the page are those of the run that is kept beside it. And the programs of
// docs/keepalived.md are the ones that were measured.
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseXml } from '../../lab/page/xml.js'
import { failures } from './failures.js'
import { formatResult, type Result } from './results.js'
import { isOurs, promisesToFind, systemNames } from './systems.js'
import { renew } from './table.js'
import { timelinePicture } from './timeline.js'

const root = new URL('../../', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')
const text = read('docs/failover.json')
const result = JSON.parse(text) as Result

test('the page has the tables of the kept result', () => {
  const page = read('docs/failover.md')
  expect(renew(page, result)).toBe(page)
  expect(formatResult(result)).toBe(text)
})

test('the kept result has every failure under every system', () => {
  const wanted = failures.flatMap(({ name }) => systemNames.map((system) => `${system}/${name}`))
  expect(result.timelines.map(({ system, failure }) => `${system}/${failure}`)).toEqual(wanted)
  expect(result.rows).toHaveLength(3 * wanted.length)
})

test('ours keeps its promises in it', () => {
  const own = result.rows.filter(({ system }) => isOurs(system))
  const failed = new Set(failures.filter(({ to }) => to === 'server').map(({ name }) => name))
  for (const row of own.filter((one) => promisesToFind(one.system, one.failure))) {
    expect(row).toMatchObject({ detectMs: expect.any(Number), lostAfter: 0 })
    if (failed.has(row.failure)) expect(row).toMatchObject({ skewMs: 0 })
  }
})

test.each(failures)('the picture of $name is that of the kept result', async ({ name }) => {
  const picture = timelinePicture(name, result)
  const file = fileURLToPath(new URL(`docs/failover/${name}.svg`, root))
  expect(existsSync(file)).toBe(true)
  // After a change to how it is drawn: npx vitest run --project unit bench -u
  await expect(picture).toMatchFileSnapshot(file)
  const tags = parseXml(picture)
  expect(tags[0]).toMatchObject({ name: 'svg', attributes: { role: 'img' } })
  for (const system of systemNames) {
    expect(tags.some((tag) => tag.name === 'text' && tag.text === system)).toBe(true)
  }
})

const page = read('docs/keepalived.md')
const blocks = [...page.matchAll(/```(?:\w*)\n([\s\S]*?)```/g)].map(([, code]) => code!)

test('docs/keepalived.md shows the programs that are measured', () => {
  expect(blocks).toEqual(
    ['notify.conf', 'notify-udp.sh', 'dns.ts'].map((name) =>
      read(`bench/failover/systems/${name}`),
    ),
  )
})

test('every line of the old configuration is in its table', () => {
  const table = page.slice(page.indexOf('## Line by line'), page.indexOf('More that such files'))
  // The first word, or for those that fork ipvsadm what they do.
  const words = (config: string) =>
    config
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#') && line !== '}')
      .map((line) => /^(ipvsadm -\w|\w+)/.exec(line)![0])
  for (const word of new Set(blocks.slice(0, 2).flatMap(words))) {
    if (word !== 'global_defs') expect(table).toContain(`\`${word}`)
  }
})
