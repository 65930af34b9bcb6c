// The command `ipvs`, from the package as it is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, inject, test } from 'vitest'
import { ownUser, run } from './user.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const nodedir = process.env.npm_config_nodedir ?? path.dirname(path.dirname(process.execPath))

function command(words: readonly string[], PATH: string, user = inject('packed').user) {
  const file = path.join(user, 'node_modules/ipvs/dist/bin/ipvs.cjs')
  return spawnSync(process.execPath, [file, ...words], {
    cwd: user,
    encoding: 'utf8',
    env: { PATH, npm_config_nodedir: nodedir },
  })
}

test('lists what it can, and knows no other word', () => {
  const help = command(['--help'], '')
  expect(help.stdout).toMatch(/^ {2}build-addon +compiles/m)
  expect([help.status, command([], '').status]).toEqual([0, 2])
  const other = command(['frobnicate'], '')
  expect([other.status, other.stderr]).toEqual([
    2,
    expect.stringMatching(/no command "frobnicate"/),
  ])
  expect(command(['--version'], '').stdout).toMatch(/^\d+\.\d+\.\d+/)
})

test('reads a table in YAML, by what is installed with the package', () => {
  const user = ownUser()
  writeFileSync(path.join(user, 'dns.yaml'), 'service: []\n')
  const { status, stderr } = command(['diff', 'dns.yaml'], '', user)
  expect([status, stderr]).toEqual([
    2,
    expect.stringMatching(/\ndns\.yaml:1:1: service .*did you mean "services"/),
  ])
})

test('what it adds to an installation weighs less than a megabyte', () => {
  const modules = path.join(inject('packed').user, 'node_modules')
  const sizes = ['yaml', 'ipvs/dist/bin', 'ipvs/schema'].flatMap((folder) =>
    readdirSync(path.join(modules, folder), { recursive: true, withFileTypes: true })
      // That of the director's file is the director's, as all of dist/director is.
      .filter((entry) => entry.isFile() && entry.name !== 'director.schema.json')
      .map((entry) => statSync(path.join(entry.parentPath, entry.name)).size),
  )
  expect(sizes.length).toBeGreaterThan(100)
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(2 ** 20)
})

test('build-addon names each missing tool and the packages that bring them', () => {
  const { status, stderr } = command(['build-addon'], '/nonexistent')
  expect(status).toBe(1)
  expect(stderr).toMatch(/not found: Python 3, make, a C\+\+ compiler/)
  expect(stderr).toMatch(/apt-get install python3 make g\+\+/)
  expect(stderr).toMatch(/dnf install python3 make gcc-c\+\+/)
  expect(stderr).toMatch(/apk add python3 make g\+\+/)
})

test('build-addon compiles the sources of the package, and what it made is loaded before what came with it', () => {
  const own = ownUser()
  const tools = path.join(own, 'tools')
  mkdirSync(tools)
  const gyp = path.join(checkout, 'node_modules/node-gyp/bin/node-gyp.js')
  symlinkSync(gyp, path.join(tools, 'node-gyp'))
  const PATH = [tools, path.dirname(process.execPath), '/usr/bin', '/bin'].join(':')
  const { status, stdout, stderr } = command(['build-addon'], PATH, own)
  expect(status, stderr).toBe(0)
  expect(stdout).toMatch(/build\/Release\/ipvs\.node is compiled, and loads/)
  const installed = path.join(own, 'node_modules/ipvs')
  expect(existsSync(path.join(installed, 'native/build'))).toBe(false)
  const maps = run(
    `import { readFileSync } from 'node:fs'
     import { Ipvs } from 'ipvs'
     await Ipvs.probe()
     console.log(readFileSync('/proc/self/maps', 'utf8').match(/\\S+\\/ipvs.*node$/m)[0])`,
    { user: own },
  )
  expect(maps.out, maps.err).toBe(path.join(installed, 'build/Release/ipvs.node'))
})
