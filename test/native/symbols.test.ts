// The built addon: it binds to no symbol of other addons, none of them to its, and what hardens it is there.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { dynamicSection, dynamicSymbols, hasStaticTls, programHeaders } from './elf.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const built = path.join(checkout, 'build/Release/ipvs.node')
/** Those that come with the package, where they have been made (`npm run prebuilds`); a release has all four. */
const prebuilds = path.join(checkout, 'prebuilds')
const prebuilt = existsSync(prebuilds)
  ? readdirSync(prebuilds, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.node'))
      .map((name) => path.join(prebuilds, name))
  : []

test('it has two symbols for others: those that Node looks for', () => {
  expect(dynamicSymbols(built).exported).toEqual([
    'napi_register_module_v1',
    'node_api_module_get_api_version_v1',
  ])
})

test('it takes Node-API from Node, and all else from the C and C++ libraries', () => {
  const others = dynamicSymbols(built).imported.filter(
    (name) =>
      !/^napi_|@(GLIBC|GLIBCXX|CXXABI|GCC)_/.test(name) &&
      !['__cxa_finalize', '__gmon_start__'].includes(name) &&
      !name.startsWith('_ITM_'),
  )
  expect(others).toEqual([])
})

test('what hardens it is there: canaries, checked copies, no lazy binding, no executable stack', () => {
  const { imported } = dynamicSymbols(built)
  expect(imported.some((name) => name.startsWith('__stack_chk_fail'))).toBe(true)
  expect(imported.some((name) => /^__\w+_chk@/.test(name))).toBe(true)
  expect(dynamicSection(built).flags).toMatch(/NOW/)
  expect(dynamicSection(built).flags).toMatch(/NODELETE/)
  const headers = programHeaders(built)
  expect(headers).toMatch(/GNU_RELRO/)
  expect(headers).toMatch(/GNU_STACK\s+\S+ \S+ \S+ \S+ \S+ RW /)
})

test.each([built, ...prebuilt])('%s has no static thread-local storage', (file) => {
  expect(hasStaticTls(file)).toBe(false)
})

test('what is compiled for a place that is fixed at the start would be told', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ipvs-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'fixed.so')
  const code = '__thread int here; int get(void) { return here; }'
  const options = ['-shared', '-fPIC', '-ftls-model=initial-exec', '-x', 'c', '-o', file, '-']
  execFileSync('gcc', options, { input: code })
  expect(hasStaticTls(file)).toBe(true)
})
