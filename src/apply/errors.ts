// From the failures of a call to its errors. A lost answer is settled by reading the object back.
import { setImmediate } from 'node:timers/promises'
import type { IpvsError } from '../errors.js'
import { OUTCOME } from '../kernel/addon.js'
import { changeError } from '../kernel/errors.js'
import type { Cut, Failure, Kernel, WriteResult } from '../kernel/kernel.js'
import type { Change } from '../types.js'
import { type CheckedChange, checkServiceId } from '../validate.js'
import { changeOf, ownChange } from './sent.js'
import { settler } from './settle.js'

export const NO_ERRORS: ReadonlyMap<number, IpvsError> = new Map()

const LOST = 'its answer was lost'
/** Why changes have no answer of the kernel's. */
const REASONS: Readonly<Record<Cut, string>> = {
  answered: LOST,
  deadline: 'its deadline passed',
  signal: 'its signal was aborted',
}
/** After so many errors other work gets its turn: making one takes some microseconds. */
const ERRORS_PER_TURN = 1000

/**
 * Errors by index, in order: about what was sent, whatever the caller's objects say by now. A lost answer stays unknown
 * once the call's deadline has passed, and where the kernel still has the call.
 *
 * @param given the caller's own, which its errors carry as long as they still say what was sent
 */
export async function settleErrors(
  kernel: Kernel,
  sent: readonly CheckedChange[],
  { failures, cut, until }: WriteResult,
  given?: readonly Change[],
): Promise<Map<number, IpvsError>> {
  const errors = new Map<number, IpvsError>()
  if (failures.length === 0) return errors
  const release = kernel.hold()
  const left = () => Math.max(1, Math.ceil(until - performance.now()))
  const settle = settler({
    service: (id) => kernel.service(checkServiceId(id, 'service'), 'settling', left()),
    destinations: (id) => kernel.destinations(checkServiceId(id, 'service'), 'settling', left()),
  })
  try {
    for (const [n, { index, code, command }] of failures.entries()) {
      if (n % ERRORS_PER_TURN === ERRORS_PER_TURN - 1) await setImmediate()
      const change = changeOf(sent[index]!)
      const why = code === OUTCOME.unknown && cut === 'signal' ? LOST : REASONS[cut]
      const error = changeError(change, code, command, why)
      if (given !== undefined) {
        Object.assign(error, { change: ownChange(given[index]!, sent[index]!, change) })
      }
      if (code === OUTCOME.unknown && cut !== 'deadline' && performance.now() < until) {
        try {
          const { applied, observed } = await settle(change)
          if (applied) continue
          Object.assign(error, { observed })
        } catch (cause) {
          Object.assign(error, { cause })
        }
      }
      errors.set(index, error)
    }
  } finally {
    release()
  }
  return errors
}

/** Errors by index of a call that has no time to settle anything. */
export function errorsNow(
  changes: readonly Change[],
  failures: readonly Failure[],
): Map<number, IpvsError> {
  return new Map(
    failures.map(({ index, code, command }) => [
      index,
      changeError(changes[index]!, code, command, LOST),
    ]),
  )
}
