// The command on the real kernel: as a process, as users run it, or in this process, where hundreds of runs are wanted.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/** As it ships (scripts/steps/command.mjs). */
export const bin = fileURLToPath(new URL('../../../dist/bin/ipvs.cjs', import.meta.url))

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly input?: string
  readonly uid?: number
  readonly env?: Readonly<Record<string, string>>
  /** Words before `node`. */
  readonly under?: readonly string[]
  /** A descriptor in place of a pipe. */
  readonly stdout?: number
}

/** A process of its own. */
export function ipvs(words: readonly string[], options: RunOptions = {}): Ended {
  expect(existsSync(bin)).toBe(true)
  const { input, uid, env = {}, under = [], stdout } = options
  const [file, ...args] = [...under, process.execPath, bin, ...words]
  const ended = spawnSync(file!, args, {
    encoding: 'utf8',
    input: input ?? '',
    maxBuffer: 64 * 2 ** 20,
    env: { PATH: process.env.PATH, ...env },
    ...(stdout !== undefined && { stdio: ['pipe', stdout, 'pipe'] }),
    ...(uid !== undefined && { uid, gid: uid }),
  })
  return { status: ended.status, stdout: ended.stdout ?? '', stderr: ended.stderr }
}
