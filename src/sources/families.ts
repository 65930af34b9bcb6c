// Which addresses of servers that have several.
import { rangeError, typeError } from '../errors.js'
import type { Family } from '../types.js'
import { checkName } from '../validate.js'

const FAMILIES = new Map<string, Family>([
  ['ipv4', 'ipv4'],
  ['ipv6', 'ipv6'],
])

/** The option `families`, each once; by default IPv4 only. @throws TypeError, RangeError */
export function readFamilies(families: unknown): readonly Family[] {
  if (families === undefined) return ['ipv4']
  if (!Array.isArray(families)) {
    throw typeError('options.families', 'an array of "ipv4", "ipv6" or both', families)
  }
  if (families.length === 0) throw rangeError('options.families', 'not empty', families)
  const checked = families.map((family: unknown, index) =>
    checkName(family, `options.families[${index}]`, FAMILIES),
  )
  return [...new Set(checked)]
}
