// ipvs apply: makes the table what a file says.
import { showDifference } from './diff.js'
import { print } from './output.js'
import { painter } from './paint.js'
import type { Run } from './spec.js'
import { changeLines } from './table/changes.js'
import { loadDesired } from './table/load.js'
import { reconcileTable } from './table/reconcile.js'

export const apply: Run = async (call) => {
  if (call.options['dry-run']) return showDifference('ipvs apply', call)
  const desired = await loadDesired(call.words[0]!)
  return reconcileTable(call, desired, ({ made }) => {
    print(changeLines(made, painter(call)))
  })
}
