// What goes wrong before a kernel is booted. The rest: test/package/lab.test.ts.
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkMachine, lab } from '../../../../src/command/lab/lab.js'
import { relink } from '../../../../src/command/lab/relink.js'

let folder: string
const { XDG_CACHE_HOME: before } = process.env

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'ipvs-lab-'))
  process.env.XDG_CACHE_HOME = folder
})
afterAll(() => {
  if (before === undefined) delete process.env.XDG_CACHE_HOME
  else process.env.XDG_CACHE_HOME = before
  rmSync(folder, { recursive: true })
})

const run = (options: Record<string, string>) => lab({ words: ['true'], options })

test.each([
  [{ memory: '12' }, /--memory 12 is not a size; write it like 2048M/],
  [{ timeout: '0' }, /--timeout 0: a whole number of seconds/],
  [{ timeout: 'soon' }, /--timeout soon: a whole number of seconds/],
  [{ folder: '/nowhere/at-all' }, /--folder \/nowhere\/at-all: there is no such folder/],
])('%j is bad usage', async (options, message) => {
  await expect(run(options)).rejects.toMatchObject({
    status: 2,
    message: expect.stringMatching(message),
  })
})

const onLab = test.skipIf(process.platform !== 'linux' || process.arch !== 'x64')

onLab.each([
  [{ kernel: '5.0' }, /no lab kernel "5.0": it can be 6.1, 6.12, 7.2, or the path of a program/],
  [{ kernel: './nowhere' }, /--kernel \S+\/nowhere: there is no such file/],
  [{ kernel: '/bin/true' }, /--kernel \/bin\/true: it does not start as a user-mode Linux/],
])('%j is bad usage', async (options, message) => {
  await expect(run(options)).rejects.toMatchObject({
    status: 2,
    message: expect.stringMatching(message),
  })
})

onLab('a kernel that is not the one that was fetched is not booted', async () => {
  const kernel = path.join(folder, 'ipvs/lab/6.12')
  mkdirSync(kernel, { recursive: true })
  const refusal = {
    status: 1,
    message: expect.stringMatching(/6\.12 is not the one that was fetched .* delete that folder/),
  }
  // Cut off, and restored in part.
  await expect(run({ kernel: '6.12' })).rejects.toMatchObject(refusal)
  writeFileSync(path.join(kernel, 'fetched.json'), '{"version":"6.12.1","sha256":"00"}')
  await expect(run({ kernel: '6.12' })).rejects.toMatchObject(refusal)
  writeFileSync(path.join(kernel, 'linux.uml'), 'something else')
  await expect(run({ kernel: '6.12' })).rejects.toMatchObject(refusal)
})

test('on another machine it says what there is instead', () => {
  for (const machine of [
    { platform: 'darwin', arch: 'arm64' },
    { platform: 'linux', arch: 'arm64' },
  ])
    expect(() => checkMachine(machine)).toThrow(
      /x86-64 Linux only, and this is \w+ arm64.*ipvs\/testing/,
    )
  expect(() => checkMachine({ platform: 'linux', arch: 'x64' })).not.toThrow()
})

test('links of a package mean what the package brings', () => {
  const root = path.join(folder, 'root')
  mkdirSync(path.join(root, 'bin'), { recursive: true })
  mkdirSync(path.join(root, 'sbin'))
  writeFileSync(path.join(root, 'bin/kmod'), '')
  symlinkSync('/bin/kmod', path.join(root, 'sbin/modprobe'))
  symlinkSync('/etc/nowhere', path.join(root, 'sbin/other'))
  relink(root)
  expect(readlinkSync(path.join(root, 'sbin/modprobe'))).toBe('../bin/kmod')
  expect(readlinkSync(path.join(root, 'sbin/other'))).toBe('/etc/nowhere')
  expect(lstatSync(path.join(root, 'bin/kmod')).isFile()).toBe(true)
})
