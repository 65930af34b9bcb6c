// ipvs reload: makes a director read its file again.
import type { ReloadResult } from '../../director/index.js'
import { CommandError } from '../errors.js'
import { print, printJson } from '../output.js'
import { exitStatuses, type Run } from '../spec.js'
import { ask } from './control.js'

export const reload: Run = async (call) => {
  const result = await reloaded(call)
  if (call.options.json) printJson(result)
  else {
    const { added, changed, removed, same } = result
    const parts = Object.entries({ added, changed, removed }).flatMap(([what, names]) =>
      names.length === 0 ? [] : [`${what} ${names.join(', ')}`],
    )
    print(`${[...parts, `${same} the same`].join('; ')}\n`)
  }
  return exitStatuses.done
}

/** A file that is bad is the director's, and not one of this command. */
async function reloaded(call: Parameters<Run>[0]): Promise<ReloadResult> {
  try {
    return (await ask(call, { do: 'reload' })) as ReloadResult
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string }
    if (code !== 'ERR_IPVS_CONFIG') throw error
    throw new CommandError(`${message}\nEverything stays as it is.`, exitStatuses.failed, error)
  }
}
