// Linux as an ordinary process: boots it, runs a command in it, brings back its exit status. init.sh is the other half.
import { spawn } from 'node:child_process'
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import type { Duplex, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { packageFolder } from '../package-folder.js'
import { idleCpu } from './cpu.js'
import { passInput } from './input.js'

/** Where the things of a lab are. */
export interface LabFolders {
  /** Has `linux.uml`, `modules/lib/modules`, and `lib` if the kernel's program came with a C library of its own. */
  readonly kernel: string
  /** Programs that the machine may lack, as their packages have them. */
  readonly tools: string
  /** Each run has a folder in it, which is left behind only if something goes wrong. */
  readonly runs: string
  /** What the guest may write, besides the folder in which the command runs. */
  readonly writable: readonly string[]
}

export interface GuestOptions {
  /** Where the command runs. */
  cwd?: string | undefined
  env?: NodeJS.ProcessEnv | undefined
  /** As the kernel reads it: `2048M`. */
  memory?: string | undefined
  /** The host CPU that runs the guest; the idlest one when left out. */
  cpu?: number | undefined
  /** Stops the guest after so many milliseconds; the result is then 124. */
  timeout?: number | undefined
  stdout?: Writable | undefined
  stderr?: Writable | undefined
  /** Give the command our terminal, when we have one. Default: only if stdout is ours too. */
  terminal?: boolean | undefined
  /** Give the command what is piped into us. A terminal's keys go to it only together with its screen. Default: it reads nothing. */
  input?: boolean | undefined
}

/**
 * Boots the kernel, runs the command in it as root and resolves to its exit status (124 after a timeout). A signal to us is
 * passed to the command; the guest is stopped (128 + n) at the second one, or if the command does not end within seconds.
 * Rejects when there is no answer at all.
 */
export async function bootGuest(
  folders: LabFolders,
  command: readonly string[],
  options: GuestOptions = {},
): Promise<number> {
  const kernel = path.join(folders.kernel, 'linux.uml')
  const stdout = options.stdout ?? process.stdout
  const stderr = options.stderr ?? process.stderr
  const terminal =
    (options.terminal ?? options.stdout === undefined) &&
    process.stdin.isTTY === true &&
    process.stdout.isTTY === true
  const hasInput = options.input === true && process.stdin.isTTY !== true
  const memory = options.memory ?? '2048M'

  const name = `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}-${process.pid}-${++runs}`
  const runDir = path.join(folders.runs, name)
  mkdirSync(runDir, { recursive: true })
  forgetOldRuns(folders.runs)
  const start = startFile(command, options, terminal, hasInput, folders, runDir)
  // Owner only: it holds the caller's environment.
  writeFileSync(path.join(runDir, 'start'), start, {
    mode: 0o600,
  })

  const log = createWriteStream(path.join(runDir, 'console.log'))
  const lastLines: string[] = []
  const uml = spawn(
    'nice',
    [
      // First in line where we may be (root): each system call of the guest is several turns of the host's scheduler, so
      // beside one busy program it would be many times slower. Where we may not, nice says so and goes on.
      ...['-n', '-10', 'taskset'],
      // One CPU for the whole guest: spread over several, each system call costs 3 to 5 times more.
      ...['-c', String(options.cpu ?? (await idleCpu()))],
      ...ownLibraries(folders.kernel, runDir),
      kernel,
      ...[`mem=${memory}`, 'rootfstype=hostfs', 'rootflags=/', 'rw', 'quiet', 'noreboot'],
      ...[`init="${initFile()}"`, `LAB_RUN="${runDir}"`, 'uml_dir=./', 'umid=guest'],
      ...['con=null', 'con0=null,fd:1', 'con1=fd:3,fd:3', 'con2=fd:4,fd:4', 'con3=fd:5,fd:5'],
      'con4=fd:6,fd:6',
      'ssl=null',
      // A cheaper way to run the guest's programs, where kernel (7.2) and host have it.
      'seccomp=auto',
    ],
    {
      cwd: runDir,
      // A group of its own, to be killed as one.
      detached: true,
      env: { PATH: process.env.PATH, TMPDIR: memoryFolder(memory, runDir) },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    },
  )
  const killGroup = () => {
    try {
      if (uml.pid !== undefined) process.kill(-uml.pid, 'SIGKILL')
    } catch {
      // Already gone.
    }
  }
  process.once('exit', killGroup)

  for (const stream of [uml.stdout, uml.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      log.write(text)
      lastLines.push(...text.split(/\r?\n/).filter((line) => line.trim() !== ''))
      lastLines.splice(0, lastLines.length - 25)
    })
  }
  const [, , , line1, line2, control, input] = uml.stdio as unknown as Duplex[]
  for (const line of [line1!, line2!, control!, input!]) line.on('error', () => {})
  line1!.pipe(stdout, { end: false })
  line2!.pipe(stderr, { end: false })
  input!.resume()

  let ending: { status: number; say: string } | undefined
  const stop = (status: number, say: string) => {
    const again = ending !== undefined
    ending ??= { status, say }
    if (again || !up) return killGroup()
    // A closed line makes the guest power off; the kill is for one that hangs.
    control!.end()
    void sleep(2000, undefined, { ref: false }).then(killGroup)
  }

  let passed = false
  const onSignal = (signal: NodeJS.Signals) => {
    const end = () => stop(128 + constants.signals[signal], '')
    // A terminal passes its own.
    if (passed || terminal || !up) return end()
    passed = true
    control!.write(`signal ${signal}\n`)
    setTimeout(end, GRACE_MS).unref()
  }
  for (const signal of stopSignals) process.on(signal, onSignal)
  const timer =
    options.timeout === undefined
      ? undefined
      : setTimeout(() => {
          const seconds = Math.round(options.timeout! / 1000)
          stop(124, `lab: "${command.join(' ')}" did not end within ${seconds} s; guest stopped.\n`)
        }, options.timeout)
  // Until the guest is up, ^C is still ours.
  let up = false
  let release = () => {}
  control!.once('data', () => {
    up = true
    rmSync(path.join(runDir, 'start'), { force: true })
    const told = ({ message }: Error) =>
      stderr.write(`lab: what is piped in could not be read to its end: ${message}\n`)
    if (hasInput) release = passInput(process.stdin, input!, told)
    if (terminal) release = lendTerminal(line1!, control!, () => stop(130, ''))
  })

  try {
    await new Promise<void>((resolve, reject) => {
      uml.on('error', reject).on('close', () => resolve())
    })
  } finally {
    release()
    clearTimeout(timer)
    for (const signal of stopSignals) process.off(signal, onSignal)
    killGroup()
    process.off('exit', killGroup)
    log.end()
    rmSync(path.join(runDir, 'start'), { force: true })
  }

  const answer = readStatus(path.join(runDir, 'status'))
  if (ending === undefined && answer === undefined) {
    throw new Error(
      `The lab's guest ended without the command's exit status. The last it said:\n` +
        `${lastLines.map((line) => `    ${line}`).join('\n')}\n` +
        `Everything it said: ${runDir}/console.log`,
    )
  }
  rmSync(runDir, { recursive: true, force: true })
  // It may have ended just before it was to be stopped.
  if (answer !== undefined) return answer
  if (ending!.say) stderr.write(ending!.say)
  return ending!.status
}

/** In the checkout, or as it ships. */
function initFile(): string {
  const files = ['src/command/lab/init.sh', 'dist/bin/init.sh'].map((file) => packageFolder + file)
  return files.find((file) => existsSync(file))!
}

/** For a command to end that was told to. */
const GRACE_MS = 10_000

let runs = 0
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * A kernel fetched from another Debian comes with its own C library, for itself alone: `taskset`, which
 * starts it, uses the machine's. Its loader is `ld.so` in the folder it starts in (kernel.ts says why).
 */
function ownLibraries(kernelFolder: string, runDir: string): string[] {
  const libraries = path.join(kernelFolder, 'lib')
  if (!existsSync(libraries)) return []
  symlinkSync(path.join(libraries, 'ld.so'), path.join(runDir, 'ld.so'))
  return ['env', `LD_LIBRARY_PATH=${libraries}`]
}

/** The file that init.sh reads. NUL-separated, so that every argument arrives as it is. */
function startFile(
  command: readonly string[],
  options: GuestOptions,
  terminal: boolean,
  hasInput: boolean,
  folders: LabFolders,
  runDir: string,
): string {
  const env = Object.entries(guestEnvironment(options.env ?? process.env, folders.tools))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value}`)
  const cwd = path.resolve(options.cwd ?? process.cwd())
  const kept = keptFolders(folders, runDir, cwd)
  const words = [
    cwd,
    path.join(folders.kernel, 'modules/lib'),
    String(terminal ? process.stdout.rows : 0),
    String(terminal ? process.stdout.columns : 0),
    hasInput ? 'input' : '',
    String(kept.length),
    ...kept,
    String(env.length),
    ...env,
    ...command,
  ]
  const bad = words.find((word) => word.includes('\0'))
  if (bad !== undefined) throw new Error(`A command cannot hold a NUL byte: ${JSON.stringify(bad)}`)
  return words.map((word) => `${word}\0`).join('')
}

/** The guest has these of its own. */
const SCRATCH = ['/tmp', '/var/tmp', '/run']

/** Folders of the host that stay in sight: `r/path` to be read, where they lie in a scratch folder, `w/path` to be written. */
function keptFolders(folders: LabFolders, runDir: string, cwd: string): string[] {
  const within = (folder: string, others: readonly string[]) =>
    others.some((other) => `${folder}/`.startsWith(`${other}/`))
  const writable = [...folders.writable]
  for (const folder of [cwd, runDir]) if (!within(folder, writable)) writable.push(folder)
  const node = path.dirname(path.dirname(process.execPath))
  const readable = [folders.kernel, folders.tools, node, path.resolve(packageFolder)].filter(
    (folder) => existsSync(folder) && within(folder, SCRATCH) && !within(folder, writable),
  )
  return [...readable.map((folder) => `r${folder}`), ...writable.map((folder) => `w${folder}`)]
}

function guestEnvironment(env: NodeJS.ProcessEnv, tools: string): NodeJS.ProcessEnv {
  const { TMPDIR: _, TMP: __, TEMP: ___, ...rest } = env
  return {
    ...rest,
    ...toolPaths(env, tools),
    HOME: '/run/lab/home',
    USER: 'root',
    LOGNAME: 'root',
    // For `modprobe` by hand; the kernel's own calls go through /run/lab/modprobe.
    MODPROBE_OPTIONS: '-d /run/lab',
    // Inside, the kernel we are on is the one to use.
    IPVS_KERNEL: 'host',
  }
}

/** Debian's name of the folder that has this machine's libraries. */
const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'

/** Search paths with the fetched tools last: what the machine has itself comes first. */
export function toolPaths(
  env: NodeJS.ProcessEnv,
  tools: string,
): { PATH: string; LD_LIBRARY_PATH: string } {
  const under = (folders: string[]) => folders.map((folder) => path.join(tools, folder))
  return {
    PATH: [
      env.PATH ?? '',
      ...['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
      ...under(['usr/sbin', 'usr/bin', 'sbin', 'bin']),
    ].join(':'),
    LD_LIBRARY_PATH: [
      ...(env.LD_LIBRARY_PATH ? [env.LD_LIBRARY_PATH] : []),
      ...under([`usr/lib/${multiarch}`, `lib/${multiarch}`, 'usr/lib', 'lib']),
    ].join(':'),
  }
}

/**
 * Where UML keeps the guest's memory file. A tmpfs is fastest, but it must allow exec and be large
 * enough: a container's /dev/shm is often neither, and UML would die in the middle.
 */
function memoryFolder(memory: string, runDir: string): string {
  const unit = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[memory.at(-1)!.toUpperCase()] ?? 1
  const bytes = Number.parseInt(memory, 10) * unit
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
  const shm = mounts.map((line) => line.split(' ')).findLast((fields) => fields[1] === '/dev/shm')
  if (shm?.[2] === 'tmpfs' && !shm[3]?.split(',').includes('noexec')) {
    const free = statfsSync('/dev/shm')
    if (free.bavail * free.bsize > bytes * 1.5) return '/dev/shm'
  }
  return runDir
}

/** Keys go to the guest as they are, ^C too. Three ^C within a second end the guest itself. */
function lendTerminal(line: Duplex, control: Duplex, giveUp: () => void): () => void {
  let presses: number[] = []
  const onKeys = (keys: Buffer) => {
    line.write(keys)
    if (!keys.includes(3)) return
    presses = [...presses.filter((at) => at > Date.now() - 1000), Date.now()]
    if (presses.length >= 3) giveUp()
  }
  const onResize = () => control.write(`size ${process.stdout.rows} ${process.stdout.columns}\n`)
  process.stdin.setRawMode(true).on('data', onKeys).resume()
  process.stdout.on('resize', onResize)
  return () => {
    process.stdin.off('data', onKeys).setRawMode(false).pause()
    process.stdout.off('resize', onResize)
  }
}

/** What crashed guests left is kept for a week. */
function forgetOldRuns(folder: string): void {
  for (const name of readdirSync(folder)) {
    const run = path.join(folder, name)
    const changed = statSync(run, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    if (changed < Date.now() - 7 * 24 * 3600_000) rmSync(run, { recursive: true, force: true })
  }
}

function readStatus(file: string): number | undefined {
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  return /^\d+$/.test(text) ? Number(text) : undefined
}
