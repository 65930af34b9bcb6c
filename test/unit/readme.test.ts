// The README's claims that need no kernel; test/kernel/readme.test.ts runs its code.
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

test('every npm script that the README names exists', () => {
  const names = [...readme.matchAll(/npm run ([a-z:-]+)/g)].map(([, name]) => name!)
  expect(names).toEqual(expect.arrayContaining(['demo', 'lab', 'prebuilds']))
  for (const name of names) expect(Object.keys(manifest.scripts)).toContain(name)
})

test('every link in it leads somewhere', () => {
  const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!)
  expect(links).toEqual(expect.arrayContaining(['docs/lab.md', 'CONTRIBUTING.md']))
  for (const path of links) expect(existsSync(new URL(path, root)), path).toBe(true)
})

test('the Node versions it names are those of package.json', () => {
  expect(manifest.engines.node).toBe('^20.19.0 || >=22.12.0')
  expect(readme).toMatch(/Node 20\.19 or 22\.12 and up/)
})
