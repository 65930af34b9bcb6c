// What CONTRIBUTING.md and the pages in docs/ point at is there.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Ipvs } from '../../src/client.js'

const root = new URL('../../', import.meta.url)
const docs = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md'))
const pages = ['CONTRIBUTING.md', ...docs.map((name) => `docs/${name}`)]
const read = (name: string) => readFileSync(new URL(name, root), 'utf8')

test.each(pages)('%s names no file that is not there', (name) => {
  const files = read(name).matchAll(
    /`((?:src|test|native|lab|scripts|docs|demo|bench)\/[\w./-]+\.\w+)`/g,
  )
  const links = read(name).matchAll(/\]\((?!https?:|#)([^)#]+)/g)
  for (const [, path] of files) {
    // A recipe's file that is yet to be written.
    if (path!.includes('/NAME.')) continue
    expect(existsSync(new URL(path!, root)), path).toBe(true)
  }
  for (const [, path] of links)
    expect(existsSync(new URL(path!, new URL(name, root))), path).toBe(true)
})

const manifest = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

test('CONTRIBUTING.md names no folder and no command that is not there', () => {
  const page = read('CONTRIBUTING.md')
  const folders = [...page.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) => [
    ...cell!.matchAll(/`([\w/]+\/)`/g),
  ])
  expect(folders.length).toBeGreaterThan(15)
  for (const [, folder] of folders) expect(existsSync(new URL(folder!, root)), folder).toBe(true)
  for (const [, script] of page.matchAll(/npm run ([a-z:-]+)/g))
    expect(Object.keys(manifest.scripts)).toContain(script)
})

test('npm run help has a line for every command, and the index one for every page', () => {
  const help = new URL('scripts/help.mjs', root)
  expect(execFileSync(process.execPath, [help.pathname], { encoding: 'utf8' })).toContain('demo')
  for (const name of docs.filter((page) => page !== 'README.md')) {
    expect(read('docs/README.md')).toContain(`(${name})`)
  }
})

/** linux/ip_vs.h without what is only a bound or padding, and SET_INFO, which the kernel only sends as an answer. */
const HEADER = '/usr/include/linux/ip_vs.h'

test.skipIf(!existsSync(HEADER))(
  `every command and attribute of ${HEADER} is in the tables (skipped without that file: install linux-libc-dev)`,
  () => {
    const text = readFileSync(HEADER, 'utf8')
    const names = new Set(
      [...text.matchAll(/\bIPVS_(CMD_\w+|[A-Z]+_ATTR_\w+)\b/g)].map(([, name]) => name!),
    )
    for (const name of names) {
      if (/_(UNSPEC|MAX|PAD|SET_INFO)$/.test(name) || name.startsWith('__')) names.delete(name)
    }
    expect(names.size).toBeGreaterThan(60)

    const listed = new Set<string>()
    for (const row of read('docs/kernel-interface.md').split('\n')) {
      const tokens = [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, token]) => token!)
      const prefix = /^[A-Z]+_ATTR_/.exec(tokens[0] ?? '')?.[0]
      for (const token of tokens) {
        if (prefix === undefined) listed.add(`CMD_${token}`)
        else listed.add(token.startsWith(prefix) ? token : prefix + token)
      }
    }
    expect([...names].filter((name) => !listed.has(name))).toEqual([])
  },
)

test('every method in the table of the kernel interface exists', () => {
  const commands = read('docs/kernel-interface.md').split('## Attributes')[0]!
  const rows = commands.split('\n').filter((line) => line.startsWith('| `'))
  const methods = rows.flatMap((row) => [...row.split('|')[2]!.matchAll(/`([a-zA-Z]+)`/g)])
  expect(methods.length).toBeGreaterThan(20)
  for (const [, name] of methods) {
    expect(name! in Ipvs.prototype || name! in Ipvs, name).toBe(true)
  }
})
