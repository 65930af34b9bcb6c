// Changes as they were sent: a caller may have gone on with its own objects since.
import { isDeepStrictEqual } from 'node:util'
import { destinationIdOf, destinationOf, serviceIdOf, serviceOf } from '../kernel/observed.js'
import type { Change } from '../types.js'
import { type CheckedChange, checkChange } from '../validate.js'

/** A change as values again, with every default filled in. */
export function changeOf({ op, service, destination }: CheckedChange): Change {
  switch (op) {
    case 'add-service':
    case 'replace-service':
    case 'ensure-service':
      return { op, service: serviceOf(service) }
    case 'remove-service':
    case 'ensure-no-service':
      return { op, service: serviceIdOf(service) }
    case 'add-destination':
    case 'replace-destination':
    case 'ensure-destination':
      return { op, service: serviceIdOf(service), destination: destinationOf(destination) }
    case 'remove-destination':
    case 'ensure-no-destination':
      return { op, service: serviceIdOf(service), destination: destinationIdOf(destination) }
  }
}

/** The caller's own change, as long as it says what was sent. */
export function ownChange(given: Change, sent: CheckedChange, made: Change): Change {
  try {
    return isDeepStrictEqual(checkChange(given, ''), sent) ? given : made
  } catch {
    return made
  }
}
