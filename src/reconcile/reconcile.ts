// Makes the kernel's table what is desired: reads it, plans, adds, and only then takes away.
import { Applied } from '../apply/result.js'
import { IpvsError } from '../errors.js'
import type { Kernel } from '../kernel/kernel.js'
import { tableDigest } from '../rules/digest.js'
import { inSlices } from '../slices.js'
import type { ApplyResult, Change, ChangeOutcome, ServiceTree } from '../types.js'
import { readDesired, type Wanted } from './desired.js'
import { holdBack, takesAway } from './hold.js'
import { observe } from './observe.js'
import { checkNotEmpty, type ReadOptions } from './options.js'
import { plan, type Step } from './plan.js'
import { kernelTable, type Table } from './table.js'
import { inTurn } from './turns.js'

/**
 * What reconcile has done. Of a dry run `total` counts the changes, `applied` and `failed` are 0, `errors` is empty
 * and every outcome is `not-sent`.
 */
export interface ReconcileResult extends ApplyResult {
  /** All that had to change, in order; none if the table was as desired. */
  readonly changes: readonly Change[]
}

/**
 * The caller leaves `desired` alone until the promise settles: a large one is checked in slices.
 *
 * @throws TypeError, RangeError before anything is read or sent
 */
export async function reconcile(
  kernel: Kernel,
  desired: Iterable<ServiceTree>,
  options: ReadOptions,
): Promise<ReconcileResult> {
  const until = performance.now() + options.deadlineMs
  const release = kernel.hold()
  // What others write while this reads and plans came later, and is not undone.
  const place = kernel.takePlace()
  try {
    return await inTurn(kernel, options.deadlineMs, checkDesired(desired, options), (wanted) =>
      reconcileTable(kernelTable(kernel, place, until, options.signal), wanted, options),
    )
  } finally {
    place.leave()
    release()
  }
}

async function checkDesired(
  desired: Iterable<ServiceTree>,
  options: ReadOptions,
): Promise<readonly Wanted[]> {
  const wanted = await inSlices(readDesired(desired))
  checkNotEmpty(wanted.length, options)
  return wanted
}

export async function reconcileTable(
  table: Table,
  wanted: readonly Wanted[],
  { prunes, dryRun, ifDigest }: Pick<ReadOptions, 'prunes' | 'dryRun' | 'ifDigest'>,
): Promise<ReconcileResult> {
  const { seen, pruned, verified } = await observe(table, wanted, prunes)
  if (ifDigest !== undefined) checkDigest([...seen.values()], ifDigest)
  const steps = await inSlices(plan(wanted, seen, pruned))
  const changes = steps.map(({ change }) => change)
  if (dryRun) return new Planned(changes)

  const failures = await run(
    table,
    steps.filter((step) => !takesAway(step)),
  )
  const held = holdBack(wanted, steps, failures, verified)
  const losses = await run(
    table,
    steps.filter((step) => takesAway(step) && !held.has(step)),
  )
  const errors = new Map<number, IpvsError>()
  const allWell = failures.size + losses.size + held.size === 0
  if (allWell) return new Reconciled(changes, errors)
  for (const [index, step] of steps.entries()) {
    const error = failures.get(step) ?? losses.get(step) ?? held.get(step)
    if (error !== undefined) errors.set(index, error)
  }
  return new Reconciled(changes, errors)
}

/** @throws IpvsError */
function checkDigest(services: readonly ServiceTree[], wanted: string): void {
  const digest = tableDigest(services)
  if (digest === wanted) return
  const text = `the table is not the one with digest ${wanted}: this one has ${digest}`
  throw new IpvsError('ERR_IPVS_CHANGED', text)
}

async function run(table: Table, steps: readonly Step[]): Promise<Map<Step, IpvsError>> {
  if (steps.length === 0) return new Map()
  const errors = await table.write(steps.map(({ change }) => change))
  return new Map([...errors].map(([index, error]) => [steps[index]!, error]))
}

class Reconciled extends Applied implements ReconcileResult {
  readonly changes: readonly Change[]

  constructor(changes: readonly Change[], errors: ReadonlyMap<number, IpvsError>) {
    super(changes, errors)
    this.changes = changes
  }
}

/** The result of a dry run. */
class Planned implements ReconcileResult {
  readonly changes: readonly Change[]
  readonly total: number
  readonly applied = 0
  readonly failed = 0
  readonly errors = []

  constructor(changes: readonly Change[]) {
    this.changes = changes
    this.total = changes.length
  }

  get outcomes(): readonly ChangeOutcome[] {
    return this.changes.map((change) => ({ change, status: 'not-sent' }))
  }
}
