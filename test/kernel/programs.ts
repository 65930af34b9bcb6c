// Runs the small programs in test/kernel/programs: what must be seen from outside a process, or may end one.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Path of a program. It imports the compiled library (dist), as `npm run lab` leaves it. */
export function programPath(name: string): string {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url))
}

export interface ProgramResult {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ProgramOptions {
  /** Words before `node`, as in `unshare -Urn node program.mjs`. */
  readonly under?: readonly string[]
  /** Options of node. */
  readonly node?: readonly string[]
  readonly uid?: number
  readonly env?: Readonly<Record<string, string>>
}

/** Against hanging only, and before the test's own limit, so that what it printed is seen. */
const LIMIT_MS = 590_000

/** Runs `node program args` and waits. */
export function program(
  name: string,
  args: readonly string[] = [],
  { under = [], node = [], uid, env = {} }: ProgramOptions = {},
): ProgramResult {
  const words = [...under, process.execPath, ...node, programPath(name), ...args]
  const { status, signal, stdout, stderr, error } = spawnSync(words[0]!, words.slice(1), {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 256 * 2 ** 20,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    ...(uid !== undefined && { uid, gid: uid }),
  })
  if (error !== undefined) throw error
  return { status, signal, stdout, stderr }
}

/** Runs a program that prints one JSON value and ends well. */
export function programValue<T>(
  name: string,
  args: readonly string[] = [],
  options: ProgramOptions = {},
): T {
  const { status, signal, stdout, stderr } = program(name, args, options)
  if (status === 0) return JSON.parse(stdout) as T
  throw new Error(`${name} ended with ${signal ?? status}:\n${stdout}\n${stderr}`)
}
