// The package as users get it: without a compiler, on other systems, under Node.js's own restrictions.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { ownUser, run } from './user.js'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const { user } = inject('packed')
const installed = path.join(user, 'node_modules/ipvs')
const binary = `prebuilds/linux-${process.arch}/ipvs.glibc.node`

/** Prints what open() rejects with. */
const openError = `const { Ipvs } = await import('ipvs')
  const error = await Ipvs.open().catch((error) => error)
  console.log(JSON.stringify([error.code, error.reason, error.message]))`

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
       import 'ipvs/checks/exec'
       import 'ipvs/metrics'
       import 'ipvs/testing'
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
    // Of Node.js alone: nobody has those of what the package needs itself.
    mkdirSync(path.join(user, 'node_modules/@types'))
    symlinkSync(
      path.join(checkout, 'node_modules/@types/node'),
      path.join(user, 'node_modules/@types/node'),
    )
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

  test('without a fitting binary importing works, and open() says what it looked for, what is there and what to do', () => {
    const own = ownUser()
    const installed = path.join(own, 'node_modules/ipvs')
    const prebuilds = path.join(installed, 'prebuilds')
    rmSync(prebuilds, { recursive: true })
    mkdirSync(path.join(prebuilds, 'linux-mips'), { recursive: true })
    writeFileSync(path.join(prebuilds, 'linux-mips/ipvs.glibc.node'), '')
    const { out, err } = run(openError, { user: own })
    const [code, reason, message] = JSON.parse(out || err)
    expect([code, reason]).toEqual(['ERR_IPVS_UNAVAILABLE', 'no-binary'])
    const { arch } = process
    expect(message).toContain(`no native part for linux-${arch} with glibc`)
    expect(message).toContain(`${installed}/build/Release/ipvs.node (not there)`)
    expect(message).toContain(`${installed}/prebuilds/linux-${arch}/ipvs.glibc.node (not there)`)
    expect(message).toContain(`Found: linux-mips/ipvs.glibc.node in ${prebuilds}.`)
    expect(message).toContain('"npx ipvs build-addon" compiles it here')
  })

  test('IPVS_ADDON names the binary to load, and no other is looked for', () => {
    const named = path.join(ownUser(), 'named.node')
    copyFileSync(path.join(installed, binary), named)
    const open = `const { Ipvs } = await import('ipvs'); console.log((await Ipvs.probe()).advice.join())`
    expect(run(open, { env: { IPVS_ADDON: named } }).out).not.toContain('no native part')
    const gone = path.join(user, 'gone.node')
    const { out } = run(open, { env: { IPVS_ADDON: gone } })
    expect(out).toContain(`Looked for: ${gone} (not there). Found: `)
  })

  test('under --permission without --allow-addons, open() and probe() say which option is missing', () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission'
    const flags = [flag, '--allow-fs-read=*', '--no-warnings']
    const [code, reason, message] = JSON.parse(run(openError, { flags }).out)
    expect([code, reason]).toEqual(['ERR_IPVS_UNAVAILABLE', 'addons-disabled'])
    expect(message).toMatch(/--permission.*--allow-addons/)
    const probe = `import { Ipvs } from 'ipvs'; console.log(JSON.stringify(await Ipvs.probe()))`
    const found = JSON.parse(run(probe, { flags }).out)
    expect(found).toMatchObject({ available: false, permission: false, advice: [message] })
    const allowed = JSON.parse(run(probe, { flags: [...flags, '--allow-addons'] }).out)
    expect(allowed.advice.join()).not.toMatch(/native|addons/)
  })

  test('under --no-addons they name that one', () => {
    const [, reason, message] = JSON.parse(run(openError, { flags: ['--no-addons'] }).out)
    expect(reason).toBe('addons-disabled')
    expect(message).toMatch(/--no-addons/)
  })
})
