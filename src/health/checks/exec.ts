/**
 * A program of your own as a check. The only part of the package that starts processes.
 *
 * @module ipvs/checks/exec
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { onAbort } from '../../abort.js'
import { typeError } from '../../errors.js'
import { checkInteger, checkOptions } from '../../validate.js'
import { describe, describeAbort, Inconclusive } from '../outcome.js'
import type { Check, CheckSuccess, HealthMember } from '../types.js'

/** Options of {@link exec}. */
export interface ExecCheckOptions {
  /** A program: its path, or a name that is looked for in PATH. No shell is involved. */
  readonly command: string
  /** Its arguments, or a function that returns them: `({ address, port }) => ['-H', address, '-p', String(port)]`. Default: none. */
  readonly args?: readonly string[] | ((member: HealthMember) => readonly string[]) | undefined
  /**
   * Added to the environment of this process. `IPVS_ADDRESS`, `IPVS_PORT` and `IPVS_KEY` always are: what is checked,
   * and the member's key, such as `10.1.0.1:53`. Default: nothing else.
   */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Exit codes, 0 to 255, with a meaning; all others mean failure. Default: those of each. */
  readonly exitCodes?:
    | {
        /** Default `[0]`. */
        readonly healthy?: readonly number[] | undefined
        /** Those that say nothing about the member. Default `[]`. */
        readonly unknown?: readonly number[] | undefined
      }
    | undefined
  /** The weight factor, 0 to 1, for an exit code that means healthy. Default 1. */
  readonly weightFactor?: ((exitCode: number) => number) | undefined
}

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
}

/** So much of the output's end is kept, and so much of its last line is told. */
const KEPT_BYTES = 4096
const TOLD_CHARACTERS = 200

/** How long a pipe may stay open after the program's end. */
const LINGER_MS = 100

/**
 * Runs a program for each check. Healthy when it exits with 0; the last line of its output, standard or error, goes
 * into the reason. Unknown when it could not be started or was killed by somebody else: that says nothing about the
 * server. When the check is over, by an abort too, whatever is left in its process group is killed (SIGKILL).
 *
 * To start a process costs thirty times a TCP check, beside what the program itself costs, and this process stands
 * still while it is forked: for few servers and long intervals.
 *
 * @throws ArgumentError
 */
export function exec(options: ExecCheckOptions): Check {
  const fields = checkOptions(options, 'options', [
    'command',
    'args',
    'env',
    'exitCodes',
    'weightFactor',
  ])
  const command = readText(fields.command, 'options.command')
  if (command === '') throw typeError('options.command', 'the path or name of a program', command)
  const argsOf = readArgs(fields.args)
  const env = readEnv(fields.env)
  const codes = checkOptions(fields.exitCodes, 'options.exitCodes', ['healthy', 'unknown'])
  const { healthy: good = [0], unknown: inconclusive = [] } = codes
  const healthy = readCodes(good, 'options.exitCodes.healthy')
  const unknown = readCodes(inconclusive, 'options.exitCodes.unknown')
  const factorOf = readFactor(fields.weightFactor)

  return async (member, { signal }) => {
    const label = `exec ${command} for ${member.key}`
    if (signal.aborted) throw new Error(`${label}: ${describeAbort(signal)}`)
    const variables = {
      ...process.env,
      ...env,
      IPVS_ADDRESS: member.address,
      IPVS_PORT: String(member.port),
      IPVS_KEY: member.key,
    }
    const exit = await run(label, command, argsOf(member), variables, signal)
    const line = lastLine(exit.output)
    const words = line === '' ? '' : `: ${line}`
    if (signal.aborted) throw new Error(`${label}: ${describeAbort(signal)}${words}`)
    if (exit.code === null) throw new Inconclusive(`${label}: killed by ${exit.signal}${words}`)
    if (unknown.has(exit.code)) throw new Inconclusive(`${label}: exit code ${exit.code}${words}`)
    if (!healthy.has(exit.code)) throw new Error(`${label}: exit code ${exit.code}${words}`)
    const success: CheckSuccess = { detail: line === '' ? `exit code ${exit.code}` : line }
    return factorOf === undefined ? success : { ...success, weightFactor: factorOf(exit.code) }
  }
}

/** Resolves when the program has ended and nothing of it is left. */
function run(
  label: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<Exit> {
  return new Promise((resolve, reject) => {
    const notStarted = (error: unknown) =>
      reject(new Inconclusive(`${label}: not started: ${describe(error)}`, { cause: error }))
    let child: ChildProcess
    try {
      // Detached: with a process group of its own, that can be killed as a whole.
      child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    } catch (error) {
      return notStarted(error)
    }
    const kill = () => killGroup(child)
    const forget = onAbort(signal, kill)
    let output = Buffer.alloc(0)
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('error', () => {})
      stream?.on('data', (chunk: Buffer) => {
        output = Buffer.concat([output, chunk]).subarray(-KEPT_BYTES)
      })
    }
    child.once('error', (error) => {
      forget()
      notStarted(error)
    })
    child.once('exit', (code, by) => {
      forget()
      // What it has left behind would hold the pipes open.
      kill()
      let turn: NodeJS.Immediate | undefined
      const end = () => {
        clearTimeout(timer)
        clearImmediate(turn)
        child.stdout?.destroy()
        child.stderr?.destroy()
        resolve({ code, signal: by, output: output.toString() })
      }
      // All is read when the pipes are closed; who has left the group may hold them for ever. The turn in between reads
      // what has been written already: after a block of the loop, timers run before pipes.
      const timer = setTimeout(() => {
        turn = setImmediate(end)
      }, LINGER_MS)
      child.once('close', end)
    })
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nobody is left in it.
  }
}

/** Without what a terminal would obey. */
function lastLine(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/\p{Cc}+/gu, ' ').trim())
  return (lines.findLast((line) => line !== '') ?? '').slice(0, TOLD_CHARACTERS)
}

function readText(value: unknown, option: string): string {
  if (typeof value === 'string' && !value.includes('\0')) return value
  throw typeError(option, 'a text without NUL', value)
}

function readArgs(value: unknown): (member: HealthMember) => readonly string[] {
  if (typeof value === 'function') return (member) => readList(value(member))
  const args = readList(value === undefined ? [] : value)
  return () => args
}

function readList(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw typeError('options.args', 'a list of texts', value)
  return value.map((item, index) => readText(item, `options.args[${index}]`))
}

function readEnv(value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {}
  if (Object.prototype.toString.call(value) !== '[object Object]' || value === null)
    throw typeError('options.env', 'an object of names and texts', value)
  return Object.fromEntries(
    Object.entries(value).map(([name, text]) => [name, readText(text, `options.env.${name}`)]),
  )
}

function readCodes(value: unknown, option: string): ReadonlySet<number> {
  if (!Array.isArray(value)) throw typeError(option, 'a list of exit codes', value)
  return new Set(value.map((code, index) => checkInteger(code, `${option}[${index}]`, 0, 255)))
}

function readFactor(value: unknown): ((exitCode: number) => number) | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'function')
    throw typeError('options.weightFactor', 'a function of the exit code', value)
  return (exitCode) => value(exitCode)
}
