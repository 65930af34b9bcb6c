// Only what `import 'ipvs/checks/exec'` reaches can start a process; nothing else, and nothing in the addon.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules, createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

const ANY =
  /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*|createRequire\([^)]*\)\(\s*)['"]([^'"\s]+)['"]/g
/** Without import(), which loads what it names when it is called. */
const AT_ONCE =
  /(?:\bfrom\s*|\bimport\s*|\brequire\s*\(\s*|createRequire\([^)]*\)\(\s*)['"]([^'"\s]+)['"]/g

/** Every module reached from a file by import, export … from, import() or require, with the builtins. */
function graph(entry: string, pattern = ANY): { files: Set<string>; builtins: Set<string> } {
  const files = new Set<string>()
  const builtins = new Set<string>()
  const queue = [entry]
  for (const file of queue) {
    if (files.has(file)) continue
    files.add(file)
    if (!/\.[cm]?js$/.test(file)) continue
    const code = readFileSync(file, 'utf8')
    for (const [, name] of code.matchAll(pattern)) {
      const bare = name!.replace(/^node:/, '')
      if (name!.startsWith('node:') || builtinModules.includes(bare)) builtins.add(bare)
      else queue.push(createRequire(file).resolve(name!))
    }
  }
  return { files, builtins }
}

test.each(['index.js', 'testing/index.js'])(
  'the import graph of dist/%s never reaches child_process or cluster',
  (entry) => {
    const { files, builtins } = graph(path.join(checkout, 'dist', entry))
    expect(files.size).toBeGreaterThan(10)
    for (const forbidden of ['child_process', 'cluster']) expect(builtins).not.toContain(forbidden)
  },
)

const manifest = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'))
const entries = Object.entries<string | { default: string }>(manifest.exports).flatMap(
  ([name, target]) => (typeof target === 'string' ? [] : [[name, target.default] as const]),
)

test('ipvs/checks/exec is the only import that reaches child_process', () => {
  const starters = entries.filter(([, file]) =>
    graph(path.join(checkout, file)).builtins.has('child_process'),
  )
  expect(entries.length).toBeGreaterThan(2)
  // The director, when its file has a check or a hook that is a program.
  expect(starters.map(([name]) => name)).toEqual(['./director', './checks/exec'])
  const director = graph(path.join(checkout, 'dist/director/index.js'), AT_ONCE)
  expect(director.files.size).toBeGreaterThan(50)
  expect(director.builtins).not.toContain('child_process')
})

test('and it brings nothing of the rest along but what a check needs', () => {
  const { files } = graph(path.join(checkout, 'dist/health/checks/exec.js'))
  expect(
    [...files].filter((file) => /\.node$|native-kernel|addon|node_modules/.test(file)),
  ).toEqual([])
})

test('no import brings another along, nor the command, nor what that alone uses', () => {
  const files = entries.map(([, file]) => path.join(checkout, file))
  for (const file of files) {
    const reached = [...graph(file, AT_ONCE).files]
    expect(reached.filter((other) => other !== file && files.includes(other))).toEqual([])
    const ofCommand = /\/dist\/(command|bin)\//
    expect(reached.filter((other) => ofCommand.test(other))).toEqual([])
    // The director's file is YAML.
    const yaml = reached.filter((other) => other.includes('/node_modules/yaml/'))
    expect(yaml.length > 0).toBe(file.includes('/director/'))
  }
})

test('the kernel in memory brings no way to the addon', () => {
  const { files } = graph(path.join(checkout, 'dist/testing/index.js'))
  expect([...files].filter((file) => /load-addon|native-kernel/.test(file))).toEqual([])
})

test('the walk sees builtins and packages: these are known to be there', () => {
  const { files, builtins } = graph(path.join(checkout, 'dist/index.js'))
  expect([...builtins]).toEqual(expect.arrayContaining(['fs', 'dgram', 'net']))
  expect([...files].some((file) => file.includes('node_modules/dns-packet'))).toBe(true)
})

test('the walk would notice', () => {
  expect(
    graph(fileURLToPath(import.meta.url).replace(/package\/.*$/, 'package/starts-a-process.js'))
      .builtins,
  ).toContain('child_process')
})

test('nothing under native/ can start a process', () => {
  const forbidden = /\b(system|popen|fork|vfork|posix_spawnp?|exec[lv]p?e?|execveat|clone3?)\s*\(/
  for (const file of readdirSync(path.join(checkout, 'native')).filter((name) =>
    /\.(cc|h)$/.test(name),
  )) {
    expect(readFileSync(path.join(checkout, 'native', file), 'utf8'), file).not.toMatch(forbidden)
  }
  const symbols = execFileSync(
    'nm',
    ['-D', '--undefined-only', path.join(checkout, 'build/Release/ipvs.node')],
    { encoding: 'utf8' },
  )
  expect(symbols).toMatch(/recvmmsg/)
  expect(symbols).not.toMatch(
    / (system|popen|fork|vfork|posix_spawnp?|exec[lv]p?e?|execveat)(@|$)/m,
  )
})
