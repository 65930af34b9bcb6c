// Once for all tests of the package: packed as npm packs it, and unpacked elsewhere, beside what it depends on and nothing else.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

interface Packed {
  /** The file that would be published, and the names of what is in it. */
  readonly tarball: string
  readonly files: readonly string[]
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** With a program's folder that has it installed. */
    readonly packed: Packed & { readonly user: string }
  }
}

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** Those of a release, which `npm run release:check` has made; otherwise one is made here, by this machine's compiler. */
const release = process.env.IPVS_PREBUILDS

let work = ''

export function setup(project: TestProject): void {
  work = mkdtempSync(path.join(tmpdir(), 'ipvs-package-'))
  const options = ['--out', work, ...(release === undefined ? [] : ['--prebuilds', release])]
  const script = path.join(checkout, 'scripts/pack.mjs')
  const printed = execFileSync(process.execPath, [script, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const packed: Packed = JSON.parse(printed)
  const user = path.join(work, 'user')
  const installed = path.join(user, 'node_modules/ipvs')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', packed.tarball, '--strip-components=1', '-C', installed])
  // The runtime dependencies, and only they, as npm would lay them out.
  const manifest = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'))
  for (const name of [...Object.keys(manifest.dependencies), '@leichtgewicht/ip-codec']) {
    const from = path.join(checkout, 'node_modules', name)
    cpSync(from, path.join(user, 'node_modules', name), { recursive: true })
  }
  project.provide('packed', { ...packed, user })
}

export function teardown(): void {
  rmSync(work, { recursive: true, force: true })
}
