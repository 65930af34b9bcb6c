// Differences of two tables: as lines with + - ~, and as JSON.
import type { FieldChange, TableChange } from '../../table-changes.js'
import type { DestinationId, ServiceId } from '../../types.js'
import type { Paint } from '../paint.js'
import { bareDestination, bareService } from './bare.js'
import { endpoint, serviceName } from './seen.js'

/** A line for each. */
export function changeLines(changes: readonly TableChange[], paint: Paint): string {
  return changes.map((change) => `${changeLine(change, paint)}\n`).join('')
}

/** `+ udp 192.0.2.53:53 > 10.1.0.1:53  direct  weight 3` */
export function changeLine(change: TableChange, paint: Paint): string {
  const [sign, color] = SIGNS[change.type.replace(/.*-/, '') as keyof typeof SIGNS]
  return paint(color, `${sign} ${placeOf(change)}${detailOf(change)}`)
}

const SIGNS = {
  added: ['+', 'green'],
  removed: ['-', 'red'],
  changed: ['~', 'yellow'],
} as const

/** `udp 192.0.2.53:53`, or, of a destination in it, `udp 192.0.2.53:53 > 10.1.0.1:53`. */
export function placeOf({ service, ...rest }: Place): string {
  const name = serviceName(service)
  const { destination } = rest as { readonly destination?: DestinationId }
  return destination === undefined ? name : `${name} > ${endpoint(destination)}`
}

type Place =
  | { readonly service: ServiceId }
  | { readonly service: ServiceId; readonly destination: DestinationId }

function detailOf(change: TableChange): string {
  if ('differences' in change) {
    return change.differences
      .map(({ field, before, after }) => `  ${field} ${valueText(before)} -> ${valueText(after)}`)
      .join('')
  }
  if (change.type.endsWith('removed')) return ''
  return 'destination' in change
    ? `  ${settingsText(bareDestination(change.destination), ['address', 'port'])}`
    : `  ${settingsText(bareService(change.service), ['protocol', 'address', 'port', 'fwmark', 'family'])}`
}

/** What is not as it is by default: `direct weight 3`. */
function settingsText(of: object, identity: readonly string[]): string {
  return Object.entries(of)
    .filter(([name, value]) => !identity.includes(name) && !isDefault(name, value))
    .map(([name, value]) => (isPlain(name) ? String(value) : `${name} ${valueText(value)}`))
    .join('  ')
}

/** Its value says what it is. */
function isPlain(name: string): boolean {
  return name === 'scheduler' || name === 'forwarding'
}

function isDefault(name: string, value: unknown): boolean {
  return value === undefined || value === false || (value === 0 && name.endsWith('Threshold'))
}

function valueText(value: unknown): string {
  if (value === undefined) return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, part]) => `${name}=${part}`)
    .join(',')
}

export interface ChangeJson {
  readonly type: TableChange['type']
  readonly service: object
  readonly destination?: object
  readonly differences?: readonly FieldChange[]
}

export function changeJson(change: TableChange): ChangeJson {
  return {
    type: change.type,
    service: bareService(change.service),
    ...('destination' in change && { destination: bareDestination(change.destination) }),
    ...('differences' in change && { differences: change.differences }),
  }
}
