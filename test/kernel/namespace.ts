// What all kernel tests share: fresh network namespaces, and the witnesses' views of them.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Ipvs } from '../../src/client.js'
import type { OpenOptions } from '../../src/options.js'
import { programPath } from './programs.js'

/** A network namespace, and what ipvsadm and /proc see in it. */
export interface Namespace extends Disposable {
  /** As `ip netns` knows it. */
  readonly name: string
  /** A process that lives in it. */
  readonly pid: number
  /** For files; it goes when the namespace does. */
  readonly folder: string
  /** A client that waits for the kernel as long as it takes. */
  open(options?: OpenOptions): Promise<Ipvs>
  /** Runs a command in the namespace and returns its stdout. Throws with its stderr if it fails. */
  run(words: readonly string[]): string
  ipvsadm(...args: string[]): string
  /** The lines of `ipvsadm -Sn`, sorted. */
  rules(): string[]
  /** The namespace's /proc/net/ip_vs. */
  proc(): string
  close(): void
}

/**
 * Makes a network namespace whose loopback is up: without that, every destination is refused (EINVAL). A shell in it
 * starts the commands: to be copied for that, this process is large, and the lab's kernel slow.
 */
export function namespace(): Namespace {
  const name = `ipvs-${randomBytes(5).toString('hex')}`
  const folder = mkdtempSync(path.join(tmpdir(), `${name}-`))
  const file = (name: string): string => path.join(folder, name)
  const pid = Number(command(['bash', programPath('resident.sh'), name, folder]))
  // Each opening waits for the shell's.
  const commands = openSync(file('commands'), 'w')
  const status = openSync(file('status'), 'r')
  const answer = Buffer.alloc(8)
  const run = (words: readonly string[]): string => {
    writeSync(commands, `${words.map(quote).join(' ')}\0`)
    const code = answer.toString('utf8', 0, readSync(status, answer)).trim()
    if (code === '0') return readFileSync(file('stdout'), 'utf8')
    const how = code === '' ? 'its shell has ended' : `status ${code}`
    throw new Error(`${words.join(' ')}: ${how}\n${readFileSync(file('stderr'), 'utf8')}`)
  }
  const close = (): void => {
    run(['ip', 'netns', 'del', name])
    closeSync(commands)
    closeSync(status)
    rmSync(folder, { recursive: true })
  }
  return {
    name,
    pid,
    folder,
    open: (options) => Ipvs.open({ netns: name, deadlineMs: PATIENCE_MS, ...options }),
    run,
    ipvsadm: (...args) => run(['ipvsadm', ...args]),
    rules: () => lines(run(['ipvsadm', '-Sn'])).sort(),
    proc: () => readFileSync(`/proc/${pid}/net/ip_vs`, 'utf8'),
    close,
    [Symbol.dispose]: close,
  }
}

/** Longer than any test: only what hangs takes so long. */
const PATIENCE_MS = 3_600_000

/** A word for the shell. */
export const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** Runs a command and returns its stdout. Throws with its stderr if it fails. */
export function command(words: readonly string[]): string {
  const [file, ...args] = words
  const { status, signal, stdout, stderr, error } = spawnSync(file!, args, {
    encoding: 'utf8',
    maxBuffer: 256 * 2 ** 20,
  })
  if (status === 0) return stdout
  const how = error?.message ?? (signal === null ? `status ${status}` : signal)
  throw new Error(`${words.join(' ')}: ${how}\n${stderr}`)
}

export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
