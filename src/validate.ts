// Checks what callers give before anything is sent. The kernel accepts much that it should not.
import { rangeError, typeError } from './errors.js'
import type { Change } from './types.js'
import {
  type CheckedDestination,
  type CheckedDestinationId,
  checkDestination,
  checkDestinationId,
} from './validate/destination.js'
import { checkObject, inheritedKey, pathOf, unknownKey } from './validate/options.js'
import {
  type CheckedService,
  type CheckedServiceId,
  checkService,
  checkServiceId,
} from './validate/service.js'
import { didYouMean, quoted } from './validate/spelling.js'

export * from './validate/destination.js'
export {
  checkBoolean,
  checkInteger,
  checkModuleName,
  checkName,
  checkOptions,
  checkSignal,
  DAY_MS,
  readFields,
} from './validate/options.js'
export { schedulerFlagNames, schedulerFlagsOf } from './validate/scheduler-flags.js'
export * from './validate/service.js'

/** One change, checked. */
export type CheckedChange =
  | {
      readonly op: 'add-service' | 'replace-service' | 'ensure-service'
      readonly service: CheckedService
      readonly destination: undefined
    }
  | {
      readonly op: 'remove-service' | 'ensure-no-service'
      readonly service: CheckedServiceId
      readonly destination: undefined
    }
  | {
      readonly op: 'add-destination' | 'replace-destination' | 'ensure-destination'
      readonly service: CheckedServiceId
      readonly destination: CheckedDestination
    }
  | {
      readonly op: 'remove-destination' | 'ensure-no-destination'
      readonly service: CheckedServiceId
      readonly destination: CheckedDestinationId
    }

const OPS: readonly Change['op'][] = [
  'add-service',
  'replace-service',
  'ensure-service',
  'remove-service',
  'ensure-no-service',
  'add-destination',
  'replace-destination',
  'ensure-destination',
  'remove-destination',
  'ensure-no-destination',
]

const EXAMPLE = "{ op: 'ensure-service', service }"
/** Services that are remembered in one call: where each change has an object of its own, all of them would be a burden. */
const MOST_KNOWN = 1024
/** Up to so many changes, remembering costs more than checking. */
const FEW = 4

/**
 * Checks one change.
 *
 * @param option path of the change, e.g. `changes[3]`; `''` names the fields alone: `service.port`
 * @param known services that destinations were changed of before, by the caller's object
 * @throws TypeError, RangeError
 */
export function checkChange(
  value: unknown,
  option: string,
  known?: Map<unknown, CheckedServiceId>,
): CheckedChange {
  const { op, service, destination } = changeFields(value, option)
  const at = pathOf(option, 'service')
  switch (op) {
    case 'add-service':
    case 'replace-service':
    case 'ensure-service':
      refuseDestination(destination, option, op)
      return { op, service: checkService(service, at, op), destination: undefined }
    case 'remove-service':
    case 'ensure-no-service':
      refuseDestination(destination, option, op)
      return { op, service: checkServiceId(service, at), destination: undefined }
    case 'add-destination':
    case 'replace-destination':
    case 'ensure-destination': {
      const id = checkOwner(service, at, known)
      const checked = checkDestination(destination, pathOf(option, 'destination'), id)
      return { op, service: id, destination: checked }
    }
    case 'remove-destination':
    case 'ensure-no-destination': {
      const id = checkOwner(service, at, known)
      const checked = checkDestinationId(destination, pathOf(option, 'destination'))
      return { op, service: id, destination: checked }
    }
    default: {
      const rule = `one of ${quoted(OPS)}${didYouMean(op, OPS)}`
      throw typeof op === 'string'
        ? rangeError(pathOf(option, 'op'), rule, op)
        : typeError(pathOf(option, 'op'), rule, op)
    }
  }
}

/**
 * Checks the changes of one call, each as it is taken. In one call most of them are about few services: each of a
 * caller's objects is checked once.
 *
 * @param taken where those that were taken are kept
 * @throws TypeError, RangeError when the bad one is taken
 */
export function* checkChanges(
  changes: readonly Change[],
  taken?: CheckedChange[],
): Generator<CheckedChange, void, void> {
  const known = changes.length > FEW ? new Map<unknown, CheckedServiceId>() : undefined
  for (let i = 0; i < changes.length; i++) {
    let checked: CheckedChange
    try {
      checked = checkChange(changes[i], '', known)
    } catch {
      // Ten thousand paths would take longer to spell than ten thousand changes to check.
      checked = checkChange(changes[i], `changes[${i}]`)
    }
    taken?.push(checked)
    yield checked
  }
}

/** The service of a destination. */
function checkOwner(
  service: unknown,
  option: string,
  known: Map<unknown, CheckedServiceId> | undefined,
): CheckedServiceId {
  const before = known?.get(service)
  if (before !== undefined) return before
  const id = checkServiceId(service, option)
  if (known !== undefined && known.size < MOST_KNOWN) known.set(service, id)
  return id
}

const CHANGE_KEYS = ['op', 'service', 'destination'] as const

/** The parts of a change, each read once. */
function changeFields(value: unknown, option: string) {
  const from = checkObject(value, option, EXAMPLE)
  let op: unknown
  let service: unknown
  let destination: unknown
  for (const key in from) {
    if (!Object.hasOwn(from, key)) throw inheritedKey(from, key, option)
    switch (key) {
      case 'op':
        op = from.op
        break
      case 'service':
        service = from.service
        break
      case 'destination':
        destination = from.destination
        break

      default:
        throw unknownKey(from, key, option, CHANGE_KEYS)
    }
  }
  return { op, service, destination }
}

function refuseDestination(destination: unknown, option: string, op: string): void {
  if (destination === undefined) return
  throw typeError(
    pathOf(option, 'destination'),
    `left out: ${op} takes a service only`,
    destination,
  )
}
