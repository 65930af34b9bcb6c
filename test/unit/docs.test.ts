// What the pages in docs/ point at is there.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Ipvs } from '../../src/client.js'

const root = new URL('../../', import.meta.url)
const pages = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md'))
const read = (name: string) => readFileSync(new URL(`docs/${name}`, root), 'utf8')

test.each(pages)('%s names no file that is not there', (name) => {
  const files = [
    ...read(name).matchAll(/`((?:src|test|native|lab|scripts|docs|demo|bench)\/[\w./-]+\.\w+)`/g),
  ]
  const links = [...read(name).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
  for (const [, path] of files) expect(existsSync(new URL(path!, root)), path).toBe(true)
  for (const [, path] of links)
    expect(existsSync(new URL(path!, new URL('docs/', root))), path).toBe(true)
})

test('every method in the table of the kernel interface exists', () => {
  const commands = read('kernel-interface.md').split('## Attributes')[0]!
  const rows = commands.split('\n').filter((line) => line.startsWith('| `'))
  const methods = rows.flatMap((row) => [...row.split('|')[2]!.matchAll(/`([a-zA-Z]+)`/g)])
  expect(methods.length).toBeGreaterThan(20)
  for (const [, name] of methods) {
    expect(name! in Ipvs.prototype || name! in Ipvs, name).toBe(true)
  }
})
