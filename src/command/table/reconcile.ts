// Makes the kernel's table what is desired, and says what became of it.

import type { ReconcileResult } from '../../reconcile/reconcile.js'
import type { TableChange } from '../../table-changes.js'
import type { Change, ServiceTree } from '../../types.js'
import { CommandError, usageError } from '../errors.js'
import { wholeTable, withKernel } from '../kernel.js'
import { printJson } from '../output.js'
import { untilStopped } from '../signals.js'
import { type Call, exitStatuses } from '../spec.js'
import { changeJson, placeOf } from './changes.js'
import { compare } from './compare.js'
import { anotherTable, digestOf } from './digest.js'
import { KERNEL } from './seen.js'

/** Tens of thousands of changes take seconds, and a busy kernel longer. */
const DEADLINE_MS = 600_000
/** More errors than these nobody reads; `--json` has all. */
const MOST = 10

export interface Outcome {
  /** Of what had to change. */
  readonly made: readonly TableChange[]
}

/** @returns the exit status */
export function reconcileTable(
  call: Call,
  desired: readonly ServiceTree[],
  show: (outcome: Outcome) => void,
): Promise<number> {
  const prune = call.options.prune === true
  if (prune && desired.length === 0) {
    throw usageError(
      'there is no service in it, so that --prune would remove every service of this namespace. Nothing was changed. If that is meant: ipvsadm -C.',
    )
  }
  return withKernel(call, async (ipvs) => {
    const { services } = await wholeTable(ipvs)
    const seen = { source: KERNEL, services, lacks: [] }
    const digest = digestOf(seen, call)
    const changes = compare(seen, desired, prune)
    const ifDigest = call.options.if === undefined ? undefined : digest
    const { result, stopped } = await untilStopped(async (signal) => ({
      result: await ipvs
        .reconcile(desired, { prune, ifDigest, signal, deadlineMs: DEADLINE_MS })
        .catch((error: unknown) => {
          const { code, message } = error as { readonly code?: string; readonly message: string }
          // Somebody has come between the look for the list of changes and this one.
          throw code === 'ERR_IPVS_CHANGED' ? anotherTable(message, call) : error
        }),
      stopped: signal.aborted ? ` (stopped by ${signal.reason})` : '',
    }))
    const failed = new Set(result.errors.map(({ change }) => placeOf(change)))
    const made = changes.filter((change) => !failed.has(placeOf(change)))
    if (call.options.json) {
      const { total, applied, errors } = result
      printJson({
        digest,
        total,
        applied,
        failed: result.failed,
        changes: made.map(changeJson),
        errors: errors.map(({ change, error }) => errorJson(change, error)),
      })
    } else show({ made })
    if (result.failed === 0) return exitStatuses.done
    throw failure(result, stopped)
  })
}

function errorJson(change: Change, error: Error): object {
  const { code } = error as { readonly code?: string }
  return { op: change.op, place: placeOf(change), code, message: error.message }
}

function failure({ failed, total, errors }: ReconcileResult, stopped: string): CommandError {
  const lines = errors.slice(0, MOST).map(({ error }) => `  ${error.message}`)
  const rest = errors.length > MOST ? [`  … and ${errors.length - MOST} more; --json has all`] : []
  const others = failed === total ? 'The table is as it was.' : 'The others are made.'
  return new CommandError(
    [
      `${failed} of ${total} changes could not be made${stopped}. ${others} It can be done again: what is as it should be is not touched.`,
      ...lines,
      ...rest,
    ].join('\n'),
  )
}
