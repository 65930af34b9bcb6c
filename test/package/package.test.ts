// The package as users get it: packed, unpacked elsewhere, without a compiler, on other systems.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dynamicSection, dynamicSymbols } from '../native/elf.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const work = mkdtempSync(path.join(tmpdir(), 'ipvs-package-'))
const user = path.join(work, 'user')
const installed = path.join(user, 'node_modules/ipvs')
let packed: string[] = []

function nodedir(): string {
  return process.env.npm_config_nodedir ?? path.dirname(path.dirname(process.execPath))
}

/** Runs a program of a user's, with nothing on the PATH. */
function run(code: string, options: { file?: string; env?: Record<string, string> } = {}) {
  const file = path.join(user, options.file ?? 'main.mjs')
  writeFileSync(file, code)
  const result = spawnSync(process.execPath, [file], {
    cwd: user,
    encoding: 'utf8',
    env: { PATH: '/nonexistent', ...options.env },
    timeout: 60_000,
  })
  return { status: result.status, out: result.stdout.trim(), err: result.stderr }
}

beforeAll(() => {
  // prebuildify empties build/, so it gets a copy of its own.
  const copy = path.join(work, 'copy')
  mkdirSync(copy)
  const parts = [
    'package.json',
    'binding.gyp',
    'native',
    'dist',
    'scripts',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ]
  for (const part of parts) {
    if (existsSync(path.join(checkout, part))) {
      cpSync(path.join(checkout, part), path.join(copy, part), { recursive: true })
    }
  }
  symlinkSync(path.join(checkout, 'node_modules'), path.join(copy, 'node_modules'))
  const env = { ...process.env, npm_config_nodedir: nodedir() }
  execFileSync('npm', ['run', 'prebuild'], { cwd: copy, env, stdio: 'pipe' })
  const list = execFileSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', work],
    {
      cwd: copy,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  const pack = Object.values(JSON.parse(list))[0] as { filename: string; files: { path: string }[] }
  packed = pack.files.map((file) => file.path)
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', [
    '-xzf',
    path.join(work, pack.filename),
    '--strip-components=1',
    '-C',
    installed,
  ])
  // The runtime dependencies, and only they, as npm would lay them out.
  const names = Object.keys(
    JSON.parse(execFileSync('cat', [path.join(checkout, 'package.json')], { encoding: 'utf8' }))
      .dependencies,
  )
  for (const name of [...names, '@leichtgewicht/ip-codec']) {
    const from = path.join(checkout, 'node_modules', name)
    cpSync(from, path.join(user, 'node_modules', name), { recursive: true })
  }
}, 900_000)

afterAll(() => rmSync(work, { recursive: true, force: true }))

describe('the tarball', () => {
  test('has a binary that brings its C++ library, and neither gives symbols to others nor takes them', () => {
    const binary = path.join(installed, `prebuilds/linux-${process.arch}/ipvs.glibc.node`)
    expect(dynamicSymbols(binary).exported).toEqual([
      'napi_register_module_v1',
      'node_api_module_get_api_version_v1',
    ])
    expect(dynamicSection(binary).needed.filter((name) => /stdc|gcc/.test(name))).toEqual([])
    const ofCxx = dynamicSymbols(binary).imported.filter((name) => /^_Z|GLIBCXX|CXXABI/.test(name))
    // Weak, of transactional memory, which nobody has.
    expect(ofCxx.filter((name) => !name.startsWith('_ZGTt'))).toEqual([])
  })

  test('has the build, the prebuild, the sources to compile elsewhere, and nothing of the workshop', () => {
    for (const file of [
      'dist/index.js',
      'dist/index.d.ts',
      'binding.gyp',
      'native/addon.cc',
      'native/exports.map',
      'scripts/install.mjs',
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
    ]) {
      expect(packed).toContain(file)
    }
    expect(packed.filter((file) => file.endsWith('.node'))).toEqual([
      `prebuilds/linux-${process.arch}/ipvs.glibc.node`,
    ])
    const strangers = packed.filter((file) =>
      /^(test|demo|lab|bench|build|src|\.)|native\/test|tsbuildinfo/.test(file),
    )
    expect(strangers).toEqual([])
  })
})

describe('an installed package', () => {
  test('loads its prebuild where no compiler is present', () => {
    expect(existsSync(path.join(installed, 'build'))).toBe(false)
    // Whether or not this machine has IPVS, the answer is the kernel's: the binary was found.
    const { out, err } = run(`
      import { Ipvs } from 'ipvs'
      const found = await Ipvs.open().then((ipvs) => (ipvs.close(), 'opened'), (error) => error.reason ?? error.code)
      console.log(found)`)
    expect(['opened', 'no-module', 'user-namespace', 'ERR_IPVS_PERMISSION'], err).toContain(out)
  })

  test('gives import and require the same classes', () => {
    const { out, err } = run(
      `const required = require('ipvs')
       import('ipvs').then((imported) => console.log(required.IpvsError === imported.IpvsError, typeof required.Ipvs.open))`,
      { file: 'main.cjs' },
    )
    expect(out, err).toBe('true function')
  })

  test('starts programs for who imports that, and for nobody else', () => {
    const { out, err } = run(`
      import { checks } from 'ipvs'
      import { exec } from 'ipvs/checks/exec'
      const check = exec({ command: process.execPath, args: ['-e', 'console.log(process.env.IPVS_PORT)'] })
      const member = { key: '10.1.0.1:53', address: '10.1.0.1', port: 53 }
      const { detail } = await check(member, { signal: AbortSignal.timeout(30_000) })
      console.log(detail, 'exec' in checks)`)
    expect(out, err).toBe('53 false')
  })

  test('exports what the contract names', () => {
    const { out, err } = run(
      `import * as ipvs from 'ipvs'; console.log(Object.keys(ipvs).sort().join(' '))`,
    )
    for (const name of [
      'Ipvs',
      'MirroredPool',
      'HealthChecker',
      'checks',
      'IpvsError',
      'isNotFound',
      'isExists',
      'serviceKey',
      'destinationKey',
    ]) {
      expect(out.split(' '), err).toContain(name)
    }
  })

  test('compiles in a strict TypeScript program', () => {
    writeFileSync(
      path.join(user, 'main.ts'),
      `import { Ipvs, MirroredPool, type Service, serviceKey } from 'ipvs'
       const service: Service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }
       // @ts-expect-error a firewall mark and an address cannot be mixed
       const mixed: Service = { fwmark: 1, protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }
       export async function main(ipvs: Ipvs): Promise<string> {
         await ipvs.addService(service)
         const seen = await ipvs.service(service)
         if (seen !== undefined) await ipvs.replaceService(seen)
         return serviceKey(mixed) + MirroredPool.name
       }`,
    )
    symlinkSync(path.join(checkout, 'node_modules/@types'), path.join(user, 'node_modules/@types'))
    symlinkSync(
      path.join(checkout, 'node_modules/undici-types'),
      path.join(user, 'node_modules/undici-types'),
    )
    const tsc = path.join(checkout, 'node_modules/typescript/bin/tsc')
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      'node',
      '--lib',
      'es2022,esnext.disposable',
    ]
    const result = spawnSync(process.execPath, [tsc, ...options, 'main.ts'], {
      cwd: user,
      encoding: 'utf8',
    })
    expect(result.stdout).toBe('')
    expect(result.status).toBe(0)
  })

  test('on another operating system importing works, and open() says why not', () => {
    const { out, err } = run(`
      Object.defineProperty(process, 'platform', { value: 'darwin' })
      const { Ipvs, serviceKey } = await import('ipvs')
      const error = await Ipvs.open().catch((error) => error)
      console.log(JSON.stringify([serviceKey({ fwmark: 7 }), error.code, error.reason, error.message]))`)
    const [key, code, reason, message] = JSON.parse(out || err)
    expect([key, code, reason]).toEqual(['fwmark 7 ipv4', 'ERR_IPVS_UNAVAILABLE', 'platform'])
    expect(message).toMatch(/Linux/)
  })

  test('without a fitting binary importing works, and open() says what to install', () => {
    const elsewhere = path.join(work, 'no-binary')
    mkdirSync(elsewhere)
    const { out, err } = run(
      `const { Ipvs } = await import('ipvs')
       const error = await Ipvs.open().catch((error) => error)
       console.log(JSON.stringify([error.code, error.reason, error.message]))`,
      { env: { IPVS_PREBUILD: elsewhere } },
    )
    const [code, reason, message] = JSON.parse(out || err)
    expect([code, reason]).toEqual(['ERR_IPVS_UNAVAILABLE', 'no-binary'])
    expect(message).toMatch(/g\+\+, make and python3.*npm rebuild ipvs/)
  })

  test('the install script does nothing off Linux and finds the prebuild on it', () => {
    const script = path.join(installed, 'scripts/install.mjs')
    const darwin = `Object.defineProperty(process, 'platform', { value: 'darwin' }); await import(${JSON.stringify(script)})`
    expect(run(darwin).status).toBe(0)
    const linux = spawnSync(process.execPath, [script], {
      cwd: installed,
      encoding: 'utf8',
      // As npm runs it: with the commands of its dependencies at hand.
      env: {
        PATH: `${checkout}/node_modules/.bin:${path.dirname(process.execPath)}:/bin:/usr/bin`,
      },
    })
    expect(linux.status, linux.stderr).toBe(0)
    expect(readdirSync(installed)).not.toContain('build')
  })
})
