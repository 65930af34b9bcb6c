// The changes of a call, checked.
import { rangeError, typeError } from '../errors.js'
import type { Change } from '../types.js'
import { type CheckedChange, checkChanges } from '../validate.js'

/** On a list of changes that were made from checked parts, as pools do: they are not checked again. */
export const CHECKED: unique symbol = Symbol('ipvs.checked')

export type MadeChanges = readonly Change[] & { readonly [CHECKED]?: readonly CheckedChange[] }

/** Half a gigabyte of records: who has more has miscounted, and a list with holes can be as long as a number. */
const MOST = 4_194_304

/**
 * The list as it is now: a long one is sent in slices, and what the caller does to it meanwhile is not in it.
 *
 * @throws TypeError, RangeError if `changes` is no array, or longer than any list of changes
 */
export function listOf(changes: MadeChanges): MadeChanges {
  if (!Array.isArray(changes)) throw typeError('changes', 'an array of changes', changes)
  const { length } = changes
  if (length > MOST) throw rangeError('changes', `at most ${MOST} changes in one call`, length)
  return (changes as MadeChanges)[CHECKED] === undefined ? changes.slice() : changes
}

/** The changes of one call on their way to the kernel. */
export interface Sending {
  /** Each is checked as it is taken. @throws TypeError, RangeError when the bad one is taken */
  readonly changes: Iterable<CheckedChange>
  /** Those that have been taken. */
  readonly sent: readonly CheckedChange[]
}

export function checkAll(changes: MadeChanges): Sending {
  const made = changes[CHECKED]
  if (made !== undefined) return { changes: made, sent: made }
  const sent: CheckedChange[] = []
  return { changes: checkChanges(changes, sent), sent }
}
