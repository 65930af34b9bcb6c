// The release build and the development build must not drift apart.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')
const gyp = read('native/binding.gyp')
const cmake = read('CMakeLists.txt')

test('both builds take every native/*.cc', () => {
  const sources = gyp.match(/"sources": \[([^\]]*)\]/)![1]!
  const native = new URL('../../native', import.meta.url)
  const there = readdirSync(native).filter((name) => name.endsWith('.cc'))
  expect([...sources.matchAll(/"([^"]+)"/g)].map(([, name]) => name)).toEqual(there.sort())
  expect(cmake).toMatch(/file\(GLOB SOURCES CONFIGURE_DEPENDS native\/\*\.cc\)/)
})

test('both builds have the same defines, export the same, and warn of the same', () => {
  const inGyp = [...gyp.match(/"defines": \[([^\]]*)\]/)![1]!.matchAll(/"([^"]+)"/g)].map(
    ([, define]) => define,
  )
  const inCMake = cmake.match(/target_compile_definitions\(ipvs PRIVATE ([^)]*)\)/)![1]!.split(' ')
  expect(inGyp).toEqual(inCMake)
  expect(inGyp).toContain('NAPI_VERSION=8')
  for (const flag of [
    ...['-Wall', '-Wextra', '-Werror', '-fvisibility=hidden', '-Wl,-z,nodelete', '-Wl,-z,now'],
    'exports.map',
  ]) {
    expect(gyp).toContain(flag)
    expect(cmake).toContain(flag)
  }
})

test("warnings are errors in our own builds, not in a user's; the C++ library is in prebuilds only", () => {
  expect(gyp).toContain(`["ipvs_build!='user'", {"cflags": ["-Werror"]}]`)
  expect(gyp).toContain(
    `["ipvs_build=='prebuild'", {"ldflags": ["-static-libstdc++", "-static-libgcc", "-s"]}]`,
  )
  expect(gyp.match(/-Werror|-static-libstdc\+\+/g)).toHaveLength(2)
  const { scripts } = JSON.parse(read('package.json'))
  expect(read('scripts/prebuilds.mjs')).toContain("IPVS_BUILD: 'prebuild'")
  expect(scripts['build:native']).toContain('IPVS_BUILD=own')
  expect(read('scripts/steps/addon.mjs')).toContain("IPVS_BUILD: 'own'")
})
