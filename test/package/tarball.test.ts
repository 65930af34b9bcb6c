// What is in the file that would be published.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { describe, expect, inject, test } from 'vitest'
import {
  dynamicSection,
  dynamicSymbols,
  hasStaticTls,
  newestGlibc,
  programHeaders,
} from '../native/elf.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const { tarball, files, user } = inject('packed')
const installed = path.join(user, 'node_modules/ipvs')
const read = (name: string) => readFileSync(path.join(installed, name), 'utf8')
const manifest = JSON.parse(read('package.json'))

/** All four in a release; else the one that this machine's compiler has made for these tests. */
const isRelease = process.env.IPVS_PREBUILDS !== undefined
const binaries = isRelease
  ? ['arm64', 'x64'].flatMap((arch) =>
      ['glibc', 'musl'].map((libc) => `prebuilds/linux-${arch}/ipvs.${libc}.node`),
    )
  : [`prebuilds/linux-${process.arch}/ipvs.glibc.node`]

/** RHEL 7's, of 2012, is what Node.js itself began with; a compiler's own is whatever the machine has. */
const oldestGlibc = isRelease ? [2, 17] : glibcOf(process.report.getReport())

function glibcOf(report: unknown): number[] {
  const { header } = report as { header: { glibcVersionRuntime: string } }
  return header.glibcVersionRuntime.split('.').map(Number)
}

test('declarations ask for types of no other package', () => {
  const declarations = files.filter((file) => file.endsWith('.d.ts'))
  const asked = declarations.flatMap((file) =>
    [...read(file).matchAll(/(?:\bfrom|\bimport\()\s*['"]([^'"]+)['"]/g)].map(([, name]) => name!),
  )
  expect(declarations.length).toBeGreaterThan(50)
  expect(asked.filter((name) => !/^(\.{1,2}\/|node:)/.test(name))).toEqual([])
})

test('the binaries are those of every target, and no others', () => {
  expect(files.filter((file) => file.endsWith('.node'))).toEqual(binaries)
})

describe.each(binaries)('%s', (name) => {
  const file = path.join(installed, name)

  test('brings its C++ library, and neither gives symbols to others nor takes them', () => {
    expect(dynamicSymbols(file).exported).toEqual([
      'napi_register_module_v1',
      'node_api_module_get_api_version_v1',
    ])
    expect(dynamicSection(file).needed.filter((library) => /stdc|c\+\+|gcc/.test(library))).toEqual(
      [],
    )
    const ofCxx = dynamicSymbols(file).imported.filter((symbol) =>
      /^_Z|GLIBCXX|CXXABI/.test(symbol),
    )
    // Weak, of transactional memory, which nobody has.
    expect(ofCxx.filter((symbol) => !symbol.startsWith('_ZGTt'))).toEqual([])
  })

  test('is for the C library that it is named after, and for old ones', () => {
    const newest = newestGlibc(file)
    if (name.includes('musl')) {
      expect(newest).toBeUndefined()
      expect(dynamicSection(file).needed).toEqual(['libc.so'])
    } else {
      const [major, minor] = newest!
      expect(major).toBe(2)
      expect(minor).toBeLessThanOrEqual(oldestGlibc[1]!)
    }
  })

  test('is hardened, and stays in memory when its thread may still be in it', () => {
    expect(dynamicSection(file).flags).toMatch(/NOW/)
    expect(dynamicSection(file).flags).toMatch(/NODELETE/)
    expect(programHeaders(file)).toMatch(/GNU_RELRO/)
    expect(programHeaders(file)).toMatch(/GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ RW /)
    const { imported } = dynamicSymbols(file)
    expect(imported.some((symbol) => symbol.startsWith('__stack_chk_fail'))).toBe(true)
  })

  test('wants no place in a thread that is fixed when the process starts', () => {
    expect(hasStaticTls(file)).toBe(false)
  })

  test('knows nothing of the folders it was made in', () => {
    const text = readFileSync(file, 'latin1')
    expect(text).not.toMatch(/ipvs-prebuild|\/node_modules\//)
    expect(text).not.toContain(checkout)
  })
})

test('has what it needs, the sources to compile elsewhere, and nothing of the workshop', () => {
  for (const file of [
    'dist/index.js',
    'dist/index.d.ts',
    'dist/bin/ipvs.cjs',
    'dist/bin/ipvs.1',
    'dist/director/http/page.html',
    'schema/table.schema.json',
    'native/addon.cc',
    'native/binding.gyp',
    'native/exports.map',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'SECURITY.md',
    'THIRD-PARTY.md',
    'UPGRADING.md',
  ]) {
    expect(files).toContain(file)
  }
  const known =
    /^((dist\/.*\.(js|d\.ts|d\.ts\.map)|src\/.*\.ts|native\/\w+\.(cc|h)|native\/(binding\.gyp|exports\.map)|dist\/bin\/([\w-]+\.cjs|ipvs\.1|init\.sh)|dist\/director\/http\/page\.html|schema\/\w+\.schema\.json|prebuilds\/.*\.node|[A-Z-]+\.md|LICENSE|package\.json))$/
  expect(files.filter((file) => !known.test(file))).toEqual([])
  // The command is in dist/bin, and nothing else leads into its folder.
  expect(files.filter((file) => /^(dist|src)\/command\//.test(file))).toEqual([])
  expect(files).toContain(path.posix.normalize(manifest.man))
})

test('has nothing that a client would run at install, or take for such a thing', () => {
  const atInstall = /^(pre|post)?(install|prepare)$/
  expect(Object.keys(manifest.scripts).filter((name) => atInstall.test(name))).toEqual([])
  expect(files).not.toContain('binding.gyp')
})

test('shows where declarations come from: each has a map, to a source that is there', () => {
  const declarations = files.filter((file) => file.endsWith('.d.ts'))
  expect(declarations.length).toBeGreaterThan(100)
  for (const file of declarations) {
    const { sources } = JSON.parse(read(`${file}.map`)) as { sources: string[] }
    for (const source of sources) {
      expect(existsSync(path.join(installed, path.dirname(file), source)), file).toBe(true)
    }
  }
})

test('holds no secret, no registry and no folder of the machine that it was made on', () => {
  const secrets = [
    /-----BEGIN [A-Z ]*PRIVATE KEY/,
    /_authToken|npm_[A-Za-z0-9]{36}|gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}/,
    /https?:\/\/registry\./,
    /\/(home|root|Users)\/\w+\//,
  ]
  const found = files
    .filter((file) => !file.endsWith('.node'))
    .filter((file) => {
      const text = read(file)
      return text.includes(checkout) || secrets.some((secret) => secret.test(text))
    })
  expect(found).toEqual([])
})

test('is small: under 1.4 MB', () => {
  expect(statSync(tarball).size).toBeLessThan(1_400_000)
})

test('depends on little, and all that is shipped or installed with it may be used freely', () => {
  expect(Object.keys(manifest.dependencies)).toEqual([
    'dns-packet',
    'node-addon-api',
    'node-gyp-build',
    'yaml',
  ])
  const names = [...Object.keys(manifest.dependencies), '@leichtgewicht/ip-codec']
  const licences = names.map(
    (name) =>
      JSON.parse(readFileSync(path.join(user, 'node_modules', name, 'package.json'), 'utf8'))
        .license,
  )
  expect(licences.filter((licence) => !['MIT', 'ISC'].includes(licence))).toEqual([])
  expect(manifest.license).toBe('MIT')
  // Compiled into the binaries.
  for (const name of ['node-addon-api', 'libc++', 'zig']) {
    expect(read('THIRD-PARTY.md').toLowerCase()).toContain(name)
  }
})

test('publint has nothing to say', async () => {
  const { messages } = await publint({ pkgDir: installed, pack: false, strict: true })
  expect(messages.map((message) => formatMessage(message, manifest))).toEqual([])
})

test('arethetypeswrong finds every import typed, from modules and from CommonJS', () => {
  // That `require` gets a module is meant: Node 20.19 and 22.12 load it. What resolved types without exports is older.
  const options = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm']
  const attw = path.join(checkout, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  const output = execFileSync(
    process.execPath,
    [attw, tarball, '--format', 'json', '--no-emoji', ...options],
    { encoding: 'utf8' },
  )
  const { analysis, problems = {} } = JSON.parse(output)
  expect(Object.keys(analysis.entrypoints).sort()).toEqual(Object.keys(manifest.exports).sort())
  const found = (
    Object.values(problems).flat() as { kind: string; resolutionKind: string }[]
  ).filter(({ kind, resolutionKind }) => kind !== 'CJSResolvesToESM' && resolutionKind !== 'node10')
  expect(found).toEqual([])
})

test('its version has an entry in the changelog', () => {
  const [, version] = /^## (\S+)/m.exec(read('CHANGELOG.md')) ?? []
  expect(version).toBe(manifest.version)
})
