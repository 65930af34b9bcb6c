// NODE_DEBUG=ipvs prints every change and what became of it.
import { debuglog } from 'node:util'
import { destinationKey, serviceKey } from '../identity.js'
import type { ApplyResult, Change } from '../types.js'

const log = debuglog('ipvs')

export function traceChanges(result: ApplyResult): void {
  if (!log.enabled) return
  for (const { change, status, error } of result.outcomes) {
    log('%s: %s%s', show(change), status, error === undefined ? '' : ` (${error.message})`)
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
