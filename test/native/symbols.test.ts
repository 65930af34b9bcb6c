// The built addon: it binds to no symbol of other addons, none of them to its, and what hardens it is there.
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { dynamicSection, dynamicSymbols, programHeaders } from './elf.js'

const built = fileURLToPath(new URL('../../build/Release/ipvs.node', import.meta.url))

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
