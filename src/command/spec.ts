// What the command is made of: one entry for each of its commands. Parsing, help, completions and the man page follow from it.

/** An option of a command. Without `value` it is a flag. */
export interface Option {
  /** What it does, in a line. */
  readonly line: string
  /** What its value is, as help shows it: `FILE`. */
  readonly value?: string
  /** The values that it can have, where these are few. */
  readonly values?: readonly string[]
}

export type Options = Readonly<Record<string, Option>>

/** A word that is no option. */
export interface Word {
  /** As help shows it: `FILE`. */
  readonly name: string
  readonly optional?: true
  /** It and all that come behind it, options too: they are of another program. */
  readonly rest?: true
  readonly values?: readonly string[]
}

export interface Example {
  readonly command: string
  readonly line: string
}

export interface Command {
  /** What it does, in a line. */
  readonly line: string
  /** What else there is to know of it: paragraphs. */
  readonly about?: readonly string[]
  readonly words?: readonly Word[]
  readonly options?: Options
  /** Without `--json` and `--netns`: what it prints is of no namespace, and for another program. */
  readonly plain?: true
  /** With `--control` in place of `--netns`: it speaks to a director that runs. */
  readonly toDirector?: true
  readonly examples: readonly Example[]
  /** What 0 and 1 mean to it. */
  readonly exits: { readonly 0: string; readonly 1: string }
}

/** What was typed. */
export interface Call {
  readonly words: readonly string[]
  /** The text of a value, `true` of a flag. */
  readonly options: Readonly<Record<string, string | true | undefined>>
}

/** Does what was typed, and resolves to the exit status. */
export type Run = (call: Call) => Promise<number>

/** Of every command, the last two not of a plain one, the last one not of one that speaks to a director. */
export const globalOptions = {
  help: { line: 'what the command does, with an example' },
  'no-color': { line: 'no colours, as NO_COLOR does' },
  json: { line: 'JSON: one document, or a line for each of what comes one by one' },
  netns: {
    line: 'another network namespace: a name of "ip netns", a path, or a process',
    value: 'NAME|PATH|PID',
  },
} as const satisfies Options

const ofPlain: Options = { help: globalOptions.help, 'no-color': globalOptions['no-color'] }

/** Of those that speak to a director. */
export const directorOptions = {
  control: {
    line: 'the socket of the director; $IPVS_CONTROL or /run/ipvs/director.sock without it',
    value: 'PATH',
  },
} as const satisfies Options

/** Its own, and those that all have. */
export function optionsOf({ options, plain, toDirector }: Command): Options {
  if (toDirector) return { ...options, ...ofPlain, json: globalOptions.json, ...directorOptions }
  return { ...options, ...(plain ? ofPlain : globalOptions) }
}

/** The same for all. */
export const exitStatuses = {
  done: 0,
  /** It did not work, or there is something to tell. */
  failed: 1,
  usage: 2,
  refused: 3,
} as const

export const exitLines: Readonly<Record<2 | 3, string>> = {
  2: 'bad usage, or a file that cannot be read',
  3: 'not permitted, or no IPVS here',
}

/** `FILE`, `[FILE]`, `-- COMMAND...` */
export function wordText({ name, optional, rest }: Word): string {
  if (rest) return `-- ${name}...`
  return optional ? `[${name}]` : name
}
