// ipvs diff: what would have to change. Only reads.
import { readKernel } from './kernel.js'
import { print, printJson } from './output.js'
import { painter } from './paint.js'
import { type Call, exitStatuses, type Run } from './spec.js'
import { changeJson, changeLines } from './table/changes.js'
import { compare } from './table/compare.js'
import { digestOf } from './table/digest.js'
import { loadDesired } from './table/load.js'

export const diff: Run = (call) => showDifference('ipvs diff', call)

/** As `ipvs apply --dry-run` does, too. */
export async function showDifference(name: string, call: Call): Promise<number> {
  const { words, options } = call
  const desired = await loadDesired(words[0]!)
  const seen = await readKernel(name, call)
  const digest = digestOf(seen, call)
  const changes = compare(seen, desired, options.prune === true)
  if (options.json) {
    const { source, lacks } = seen
    printJson({ source, lacks, digest: digest ?? null, changes: changes.map(changeJson) })
  } else {
    const paint = painter(call)
    const last = digest === undefined ? '' : `${paint('dim', `digest ${digest}`)}\n`
    print(changeLines(changes, paint) + last)
  }
  return changes.length === 0 ? exitStatuses.done : exitStatuses.failed
}
