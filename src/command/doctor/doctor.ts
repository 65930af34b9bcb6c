// ipvs doctor: what is wrong or will be, with reason and remedy. Only reads, unless --fix or --probe is given.
import { isatty } from 'node:tty'
import { usageError } from '../errors.js'
import { print, printJson, tell } from '../output.js'
import { painter } from '../paint.js'
import { type Call, exitStatuses, type Run } from '../spec.js'
import { loadDesired } from '../table/load.js'
import type { Facts } from './facts.js'
import { always, type Fixed, fix, onTerminal, wanted } from './fix.js'
import { gather } from './gather.js'
import { runInNamespace } from './namespace.js'
import { report } from './report.js'
import { show } from './show.js'

export const doctor: Run = async (call) => {
  const { words, options } = call
  checkOptions(call)
  if (options.netns !== undefined) return runInNamespace(String(options.netns))
  const file = words[0] === undefined ? undefined : await loadDesired(words[0])
  const look = { file, probe: options.probe === true }
  const paint = painter(call)
  let facts = await gather(look)
  let fixed: Fixed = { done: [], failed: [] }
  const changes = options.fix ? wanted(report(facts).findings) : []
  if (changes.length > 0) {
    // What is asked about has to be seen before.
    if (!options.yes) print(show(report(facts), paint, process.stdout.columns))
    fixed = await fix(changes, options.yes ? always : onTerminal)
    if (fixed.done.length > 0) facts = await gather(look)
  }
  const found = report(facts, fixed.done)
  if (options.json) printJson(found)
  else print(show(found, paint, process.stdout.columns))
  for (const { change, error } of fixed.failed)
    tell(`ipvs doctor: ${change.name} could not be set to ${change.value}: ${error.message}.`)
  return statusOf(facts, found.findings.length)
}

function checkOptions({ words, options }: Call): void {
  if (options.yes && !options.fix)
    throw usageError('--yes is the answer to what --fix asks: it needs --fix.')
  if (!options.fix || options.yes) return
  if (options.json) throw usageError('--fix asks, and JSON has no room for that: add --yes.')
  // The file may come from stdin.
  if (!isatty(0) || words[0] === '-')
    throw usageError(
      '--fix asks before each change, and there is no terminal to ask on. Nothing was changed: add --yes to have all of them made.',
    )
}

function statusOf({ access, table }: Facts, findings: number): number {
  // Then there is nothing that the doctor could have looked at.
  if (!access.granted && 'because' in table) return exitStatuses.refused
  return findings === 0 ? exitStatuses.done : exitStatuses.failed
}
