// NODE_DEBUG=ipvs prints every change and what became of it.
import { debuglog } from 'node:util'
import type { IpvsError } from '../errors.js'
import { destinationKey, serviceKey } from '../identity.js'
import type { Change } from '../types.js'
import type { CheckedChange } from '../validate.js'
import { statusOf } from './result.js'
import { changeOf } from './sent.js'

const log = debuglog('ipvs')

export function traceChanges(
  sent: readonly CheckedChange[],
  errors: ReadonlyMap<number, IpvsError>,
): void {
  if (!log.enabled) return
  for (const [index, change] of sent.entries()) {
    const error = errors.get(index)
    const said = error === undefined ? 'applied' : `${statusOf(error)} (${error.message})`
    log('%s: %s', show(changeOf(change)), said)
  }
}

function show(change: Change): string {
  if (!('destination' in change))
    return `${change.op} ${serviceKey(change.service)} ${settings(change.service)}`
  const target = `${change.op} ${serviceKey(change.service)} -> ${destinationKey(change.destination)}`
  return `${target} ${settings(change.destination)}`
}

/** What is beside the identity. */
function settings(value: object): string {
  const identity = ['protocol', 'address', 'port', 'fwmark', 'family', 'stats']
  return Object.entries(value)
    .filter(([key]) => !identity.includes(key) && !key.endsWith('Connections'))
    .map(([key, setting]) => `${key}=${JSON.stringify(setting)}`)
    .join(' ')
}
