// The release build and the development build must not drift apart.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const gyp = read('binding.gyp')
const cmake = read('CMakeLists.txt')

test('both builds take every native/*.cc', () => {
  expect(gyp).toMatch(/readdirSync\('native'\)\.filter\(f => f\.endsWith\('\.cc'\)\)/)
  expect(cmake).toMatch(/file\(GLOB SOURCES CONFIGURE_DEPENDS native\/\*\.cc\)/)
})

test('both builds have the same defines, and warnings are errors in both', () => {
  const inGyp = [...gyp.match(/"defines": \[([^\]]*)\]/)![1]!.matchAll(/"([^"]+)"/g)].map(
    ([, define]) => define,
  )
  const inCMake = cmake.match(/target_compile_definitions\(ipvs PRIVATE ([^)]*)\)/)![1]!.split(' ')
  expect(inGyp).toEqual(inCMake)
  expect(inGyp).toContain('NAPI_VERSION=8')
  for (const flag of ['-Wall', '-Wextra', '-Werror', '-Wl,-z,nodelete']) {
    expect(gyp).toContain(flag)
    expect(cmake).toContain(flag)
  }
})
