// Checks what callers give before anything is sent. The kernel accepts much that it should not.
import { rangeError, typeError } from './errors.js'
import type { Change } from './types.js'
import {
  type CheckedDestination,
  type CheckedDestinationId,
  checkDestination,
  checkDestinationId,
} from './validate/destination.js'
import { pathOf, readFields } from './validate/options.js'
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
  readFields,
} from './validate/options.js'
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

/**
 * Checks one change.
 *
 * @param option path of the change, e.g. `changes[3]`; `''` names the fields alone: `service.port`
 * @throws TypeError, RangeError
 */
export function checkChange(value: unknown, option: string): CheckedChange {
  const fields = readFields(value, option, changeFields(), EXAMPLE)
  const { op, service, destination } = fields
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
      const id = checkServiceId(service, at)
      const checked = checkDestination(destination, pathOf(option, 'destination'), id)
      return { op, service: id, destination: checked }
    }
    case 'remove-destination':
    case 'ensure-no-destination': {
      const id = checkServiceId(service, at)
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

function changeFields() {
  const absent: unknown = undefined
  return { op: absent, service: absent, destination: absent }
}

function refuseDestination(destination: unknown, option: string, op: string): void {
  if (destination === undefined) return
  throw typeError(
    pathOf(option, 'destination'),
    `left out: ${op} takes a service only`,
    destination,
  )
}
