// A command from its words to its exit status.
import { readFileSync } from 'node:fs'
import { didYouMean } from '../validate/spelling.js'
import { type CommandName, commands } from './commands.js'
import { endingOf, usageError } from './errors.js'
import { list } from './list.js'
import { print, tell } from './output.js'
import { parse } from './parse.js'
import { exitStatuses, type Run } from './spec.js'

/** What a command does is loaded when it is called; most of what `list` needs, the others need too. */
const runs: Readonly<Record<CommandName, () => Promise<Run>>> = {
  list: async () => list,
  top: async () => (await import('./top/top.js')).top,
  save: async () => (await import('./save.js')).save,
  restore: async () => (await import('./restore.js')).restore,
  diff: async () => (await import('./diff.js')).diff,
  apply: async () => (await import('./apply.js')).apply,
  watch: async () => (await import('./watch.js')).watch,
  doctor: async () => (await import('./doctor/doctor.js')).doctor,
  run: async () => (await import('./director/run.js')).runDirector,
  state: async () => (await import('./director/state.js')).state,
  events: async () => (await import('./director/events.js')).events,
  set: async () => (await import('./director/set.js')).set,
  check: async () => (await import('./director/check.js')).check,
  role: async () => (await import('./director/role.js')).role,
  reload: async () => (await import('./director/reload.js')).reload,
  import: async () => (await import('./import.js')).importFile,
  lab: async () => (await import('./lab/lab.js')).lab,
  'build-addon': async () => (await import('./build-addon.js')).buildAddon,
  completion: async () => (await import('./completion.js')).completion,
}

async function main([word, ...rest]: readonly string[]): Promise<number> {
  if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
    const { helpAll } = await import('./help.js')
    if (word === undefined) throw usageError(`a command is missing.\n\n${helpAll()}`)
    print(helpAll())
    return exitStatuses.done
  }
  if (word === '--version') {
    const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    print(`${(JSON.parse(manifest) as { version: string }).version}\n`)
    return exitStatuses.done
  }
  if (!Object.hasOwn(commands, word)) {
    const meant = didYouMean(word, Object.keys(commands))
    const what = word.startsWith('-') ? 'a command comes first, not' : 'there is no command'
    throw usageError(`${what} "${word}"${meant}. "ipvs --help" lists what there is.`)
  }
  return runCommand(word as CommandName, rest)
}

async function runCommand(name: CommandName, args: readonly string[]): Promise<number> {
  const command = commands[name]
  const call = parse(name, command, args)
  if (call.options.help) {
    print((await import('./help.js')).helpOf(name, command))
    return exitStatuses.done
  }
  return (await runs[name]())(call)
}

/** Resolves to the exit status, whatever happens. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    return await main(args)
  } catch (error) {
    const { message, status } = endingOf(error)
    const name = Object.hasOwn(commands, args[0] ?? '') ? `ipvs ${args[0]}` : 'ipvs'
    tell(`${name}: ${message}`)
    return status
  }
}
