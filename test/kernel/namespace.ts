// What all kernel tests share: fresh network namespaces, the witnesses' views of them, and the rule for skipping.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { describe, test } from 'vitest'

/** A network namespace of one test, and what ipvsadm and /proc see in it. */
export interface Namespace extends Disposable {
  /** As `ip netns` knows it. */
  readonly name: string
  /** Runs a command in the namespace and returns its stdout. Throws with its stderr if it fails. */
  run(command: string[]): string
  ipvsadm(...args: string[]): string
  /** The lines of `ipvsadm -Sn`, sorted. */
  rules(): string[]
  /** The namespace's /proc/net/ip_vs. */
  proc(): string
  close(): void
}

/** Makes a network namespace whose loopback is up: without that, every destination is refused (EINVAL). */
export function namespace(): Namespace {
  const name = `ipvs-${randomBytes(5).toString('hex')}`
  const path = `/run/netns/${name}`
  command(['ip', 'netns', 'add', name])
  command(['ip', '-n', name, 'link', 'set', 'lo', 'up'])
  let resident: Resident | undefined
  // As `ip netns exec` does, without the mounts that make it slow.
  const run = (words: string[]): string => command(['nsenter', `--net=${path}`, ...words])
  const close = (): void => {
    resident?.end()
    command(['ip', 'netns', 'del', name])
  }
  return {
    name,
    run,
    ipvsadm: (...args) => run(['ipvsadm', ...args]),
    rules: () => lines(run(['ipvsadm', '-Sn'])).sort(),
    proc: () => {
      resident ??= settle(path)
      return readFileSync(`/proc/${resident.pid}/net/ip_vs`, 'utf8')
    },
    close,
    [Symbol.dispose]: close,
  }
}

/** A process that lives in a namespace, so that its /proc can be read without starting one each time. */
interface Resident {
  readonly pid: number
  end(): void
}

function settle(path: string): Resident {
  const child = spawn('nsenter', [`--net=${path}`, 'sleep', '3600'], { stdio: 'ignore' })
  child.unref()
  const inode = statSync(path).ino
  const pid = child.pid!
  while (statSync(`/proc/${pid}/ns/net`).ino !== inode) pause(2)
  return { pid, end: () => child.kill('SIGKILL') }
}

/** Blocks this thread. */
export function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Runs a command and returns its stdout. Throws with its stderr if it fails. */
export function command(words: string[]): string {
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
