// The changes of a call, checked.
import { typeError } from '../errors.js'
import type { Change } from '../types.js'
import { type CheckedChange, checkChanges } from '../validate.js'

/** On a list of changes that were made from checked parts, as pools do: they are not checked again. */
export const CHECKED: unique symbol = Symbol('ipvs.checked')

export type MadeChanges = readonly Change[] & { readonly [CHECKED]?: readonly CheckedChange[] }

/** Checks each as it is taken. @throws TypeError if `changes` is no array; the rest when the bad one is taken */
export function checkAll(changes: MadeChanges): Iterable<CheckedChange> {
  if (!Array.isArray(changes)) throw typeError('changes', 'an array of changes', changes)
  return (changes as MadeChanges)[CHECKED] ?? checkChanges(changes)
}
