// A program of a user's, in a folder that has the package installed.
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { inject, onTestFinished } from 'vitest'

export interface RunOptions {
  readonly file?: string
  readonly env?: Record<string, string>
  readonly flags?: readonly string[]
  /** The folder, if not the one that all tests share. */
  readonly user?: string
}

/** Runs a program of a user's, with nothing on the PATH. */
export function run(code: string, options: RunOptions = {}) {
  const { user = inject('packed').user } = options
  const file = path.join(user, options.file ?? `${randomUUID()}.mjs`)
  writeFileSync(file, code)
  return runFile(file, options)
}

export function runFile(file: string, { env = {}, flags = [] }: RunOptions = {}) {
  const result = spawnSync(process.execPath, [...flags, file], {
    cwd: path.dirname(file),
    encoding: 'utf8',
    env: { PATH: '/nonexistent', ...env },
    timeout: 60_000,
  })
  return { status: result.status, out: result.stdout.trim(), err: result.stderr }
}

/** A copy of the folder, for a test that changes what is installed. */
export function ownUser(): string {
  const { user } = inject('packed')
  const own = mkdtempSync(`${user}-`)
  cpSync(user, own, { recursive: true })
  onTestFinished(() => rmSync(own, { recursive: true }))
  return own
}
