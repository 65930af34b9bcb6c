// Errors of one line: where it is, and the option as the line spells it.
import type { ArgumentError } from '../errors.js'

/** What validation calls the things that options of a rule set. */
const SPELLINGS: readonly [path: string, option: string][] = [
  ['service.scheduler', '-s'],
  ['service.onePacket', '-o'],
  ['service.persistence.timeoutSeconds', '-p'],
  ['service.persistence.netmask', '-M'],
  ['service.persistenceEngine', '--pe'],
  ['service.fwmark', '-f'],
  ['service.address', 'the address of the service'],
  ['service.port', 'the port of the service'],
  ['destination.address', 'the address of the server'],
  ['destination.port', 'the port of the server'],
  ['destination.weight', '-w'],
  ['destination.upperThreshold', '-x'],
  ['destination.lowerThreshold', '-y'],
  ['destination.tunnel.type', '--tun-type'],
  ['destination.tunnel.port', '--tun-port'],
]

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
  if (path.startsWith('service.schedulerFlags')) return '-b'
  return SPELLINGS.find(([known]) => known === path)?.[1] ?? path
}
