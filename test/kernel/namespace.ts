// What all kernel tests share: fresh network namespaces, the witnesses' views of them, and the rule for skipping.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'vitest'
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

/**
 * A `describe` for tests of the real kernel. Where there is none they are skipped, and say how to run them; with
 * IPVS_SKIPS_FAIL=1, as in CI, they fail instead.
 */
export function kernelSuite(name: string, body: () => void): void {
  suite(name, unusable(), body)
}

/** A `kernelSuite` for tests that would harm a machine in use: in the lab's guest only. */
export function labSuite(name: string, body: () => void): void {
  const inLab = hostname() === 'ipvs-lab'
  suite(name, unusable() ?? (inLab ? undefined : 'this is not the lab'), body)
}

function suite(name: string, reason: string | undefined, body: () => void): void {
  if (reason === undefined) {
    describe(name, body)
    return
  }
  const text = `${reason}. "npm run test:kernel" boots a kernel and runs these tests in it.`
  describe(name, () => {
    test('needs an IPVS kernel', (context) => {
      if (process.env.IPVS_SKIPS_FAIL === '1') throw new Error(`IPVS_SKIPS_FAIL=1: ${text}`)
      context.skip(text)
    })
  })
}

let checked: { readonly reason: string | undefined } | undefined

/** Why kernel tests cannot run here; `undefined` if they can. */
export function unusable(): string | undefined {
  checked ??= { reason: check() }
  return checked.reason
}

function check(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`
  if (process.getuid?.() !== 0) return 'this is not root'
  if (!existsSync('/proc/net/ip_vs')) spawnSync('modprobe', ['ip_vs'])
  if (!existsSync('/proc/net/ip_vs')) return 'this kernel has no IPVS'
  for (const tool of ['ip', 'ipvsadm']) {
    if (spawnSync(tool, ['-V']).error !== undefined) return `the witness "${tool}" is not installed`
  }
  return undefined
}
