// Errors of one line: where it is, and the option as the line spells it.
import type { ArgumentError } from '../errors.js'
import { DESTINATION_FIELDS, type Field, SERVICE_FIELDS } from '../fields.js'

/** What validation calls the things that options of a rule set. */
const SPELLINGS: ReadonlyMap<string, string> = new Map([
  ['service.fwmark', '-f'],
  ['service.address', 'the address of the service'],
  ['service.port', 'the port of the service'],
  ['destination.address', 'the address of the server'],
  ['destination.port', 'the port of the server'],
  ...spellings('service', SERVICE_FIELDS),
  ...spellings('destination', DESTINATION_FIELDS),
])

function* spellings(
  owner: string,
  fields: Readonly<Record<string, Field<never>>>,
): Generator<[path: string, option: string]> {
  for (const [name, { rule }] of Object.entries(fields)) {
    if (typeof rule === 'string') yield [`${owner}.${name}`, rule]
    for (const [part, option] of Object.entries(typeof rule === 'object' ? rule : {})) {
      yield [`${owner}.${name}.${part}`, option]
    }
  }
}

/** The error of a line: `option` is `line 3`, the message begins with it. */
export function lineError(number: number, error: ArgumentError): RangeError & ArgumentError {
  const { option, message, value } = error
  const text = message.startsWith(option)
    ? spelling(option) + message.slice(option.length)
    : message
  // All of it is text of the right type, whatever validation called it.
  return Object.assign(new RangeError(`line ${number}: ${text}`), {
    code: 'ERR_IPVS_ARGUMENT' as const,
    option: `line ${number}`,
    value,
  })
}

function spelling(path: string): string {
  // The one flag among many that is not right: `service.schedulerFlags[1]`.
  return SPELLINGS.get(path.replace(/\[\d+\]$/, '')) ?? path
}
