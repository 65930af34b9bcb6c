// What differs between an object as it is wanted and as the kernel shows it, however either is spelt.
import {
  DESTINATION_FIELDS,
  DESTINATION_SETTINGS,
  type DestinationSetting,
  type Field,
  SERVICE_FIELDS,
  SERVICE_SETTINGS,
  type ServiceSetting,
} from './fields.js'
import type { Destination, Service } from './types.js'

/** One property that differs. Values are as you would write them, with every default filled in. */
export interface FieldDifference {
  /** Name of the property: `weight`, `scheduler`, `persistence`... */
  readonly field: DestinationSetting | ServiceSetting
  /** As the kernel has it; `undefined` for none. */
  readonly actual: unknown
  /** As it is wanted; `undefined` for none. */
  readonly desired: unknown
}

/** The settings in which two services of one identity differ. Empty: nothing is to be changed. */
export function serviceDiff(desired: Service, actual: Service): FieldDifference[] {
  return diff(SERVICE_FIELDS, SERVICE_SETTINGS, desired, actual)
}

/** The fields in which two destinations of one identity differ. Empty: nothing is to be changed. */
export function destinationDiff(desired: Destination, actual: Destination): FieldDifference[] {
  return diff(DESTINATION_FIELDS, DESTINATION_SETTINGS, desired, actual)
}

/** Whether {@link destinationDiff} has nothing to tell; of ten thousand destinations most are the same. */
export function isSameDestination(desired: Destination, actual: Destination): boolean {
  for (const name of DESTINATION_SETTINGS) {
    const { full } = DESTINATION_FIELDS[name]
    if (!isSame(full(desired), full(actual))) return false
  }
  return true
}

function diff<Owner, Name extends FieldDifference['field']>(
  fields: Readonly<Record<Name, Field<Owner>>>,
  names: readonly Name[],
  desired: Owner,
  actual: Owner,
): FieldDifference[] {
  const differences: FieldDifference[] = []
  for (const field of names) {
    const { full, isSame: same = isSame } = fields[field]
    const [is, should] = [full(actual), full(desired)]
    if (!same(is as never, should as never)) {
      differences.push({ field, actual: is, desired: should })
    }
  }
  return differences
}

/** Of plain values, or of flat objects of them. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const key in left) if (left[key] !== right[key]) return false
  for (const key in right) if (left[key] !== right[key]) return false
  return true
}
