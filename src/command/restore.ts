// ipvs restore: makes the table what rules say. It is silent, as ipvsadm --restore is.
import { isatty } from 'node:tty'
import { tell } from './output.js'
import type { Run } from './spec.js'
import { loadDesired } from './table/load.js'
import { reconcileTable } from './table/reconcile.js'

export const restore: Run = async (call) => {
  const [file = '-'] = call.words
  if (file === '-' && isatty(0)) tell('ipvs restore: reads rules from the terminal, up to ^D.')
  return reconcileTable(call, await loadDesired(file), () => {})
}
