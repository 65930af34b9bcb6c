// What every command of the checkout shares: how its options are read, how it runs a program on a kernel with IPVS, and how it ends.
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { runInLab } from './guest/host.js'
import { nodeCommand } from './network/program.js'

/** All held; something did not; or nobody can tell, because the machine had no time for it (sysexits.h: EX_TEMPFAIL). */
export const exitStatus = { held: 0, failed: 1, busy: 75 } as const
export type Outcome = keyof typeof exitStatus

/** For the last line of a run that could not be judged. */
export const busySentence = (share: number) =>
  `This machine was too busy: ${Math.round(100 * share)} % of the time was missing. Neither held nor failed; try again.`

/** One option of a command: what is typed, and what it means. */
export interface Option<T> {
  readonly type: 'boolean' | 'string'
  /** Of the text as typed; `undefined` where it was left out. */
  read(typed: string | boolean | undefined, name: string): T
}

export const flag: Option<boolean> = { type: 'boolean', read: (typed) => typed === true }

export const text: Option<string | undefined> = {
  type: 'string',
  read: (typed) => typed as string | undefined,
}

export const whole = <Otherwise extends number | undefined>(
  otherwise: Otherwise,
  least: number,
  most: number,
) => numberOption(otherwise, least, most, 'a whole number', Number.isInteger)

export const decimal = <Otherwise extends number | undefined>(
  otherwise: Otherwise,
  least: number,
  most: number,
) => numberOption(otherwise, least, most, 'a number', Number.isFinite)

function numberOption<Otherwise extends number | undefined>(
  otherwise: Otherwise,
  least: number,
  most: number,
  what: string,
  isOne: (value: number) => boolean,
): Option<number | Otherwise> {
  return {
    type: 'string',
    read: (typed, name) => {
      if (typed === undefined) return otherwise
      const value = String(typed).trim() === '' ? Number.NaN : Number(typed)
      if (isOne(value) && value >= least && value <= most) return value
      throw new Error(`--${name} ${typed}: ${what} from ${least} to ${most}`)
    },
  }
}

/** What {@link runCommand} makes of them. */
export type Values<Options extends Readonly<Record<string, Option<unknown>>>> = {
  readonly [Name in keyof Options]: Options[Name] extends Option<infer T> ? T : never
}

export interface Command<Options extends Readonly<Record<string, Option<unknown>>>> {
  /** In front of its errors: `demo`. */
  readonly name: string
  readonly usage: string
  readonly options: Options
  /** It takes words besides its options. */
  readonly words?: true
  /** Resolves to the exit status. */
  run(values: Values<Options>, words: readonly string[]): Promise<number>
}

/** Reads the arguments and runs the command; an error is a line on stderr and exit status 1. */
export async function runCommand<Options extends Readonly<Record<string, Option<unknown>>>>(
  { name, usage, options, words = undefined, run }: Command<Options>,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  try {
    const known = Object.entries(options).map(([option, { type }]) => [option, { type }])
    const config: ParseArgsConfig = {
      args: [...args],
      allowPositionals: words === true,
      options: { ...Object.fromEntries(known), help: { type: 'boolean', short: 'h' } },
    }
    const { values: typed, positionals } = parseArgs(config)
    if (typed.help) {
      process.stdout.write(usage)
      return
    }
    const read = Object.entries(options).map(([option, { read }]) => [
      option,
      read(typed[option] as string | boolean | undefined, option),
    ])
    process.exitCode = await run(Object.fromEntries(read), positionals)
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : error}\n`)
    process.exitCode = exitStatus.failed
  }
}

export interface LabProgram {
  /** Of build/tools; it gets the plan as its one argument, in JSON. */
  readonly file: string
  readonly plan: object
  /** How long it takes on a quiet machine. What takes ten times as long hangs. */
  readonly seconds: number
  readonly env?: NodeJS.ProcessEnv
  readonly memory?: string
  /** Where its standard output goes. Default: to ours. */
  readonly stdout?: NodeJS.WriteStream
}

/** Runs a program of ours on a kernel that has IPVS, as root. Resolves to its exit status. */
export function runOnIpvs({ file, plan, seconds, ...rest }: LabProgram): Promise<number> {
  if ((process.env.IPVS_KERNEL ?? '') !== 'host') {
    process.stderr.write(
      'Booting a Linux kernel with IPVS as an ordinary process: takes some seconds.\n',
    )
  }
  return runInLab(nodeCommand(file, [JSON.stringify(plan)]), {
    ...rest,
    timeout: 10 * seconds * 1000 + 120_000,
    // ^C is to end the guest, not to be typed into it.
    terminal: false,
  })
}

/** The last line for programs, where they have asked for it. */
export function printJson(result: object, wanted: boolean): void {
  if (wanted) process.stdout.write(`${JSON.stringify(result)}\n`)
}
