// ipvs save: the kernel's table in the format of ipvsadm-save, or as a table in JSON.
import { formatRules } from '../rules/format.js'
import { wholeTable, withKernel } from './kernel.js'
import { print, printJson } from './output.js'
import { exitStatuses, type Run } from './spec.js'
import { bareTree } from './table/bare.js'

export const save: Run = async (call) => {
  const snapshot = await withKernel(call, wholeTable)
  if (call.options.json) printJson({ services: snapshot.services.map(bareTree) })
  else print(formatRules(snapshot))
  return exitStatuses.done
}
