// A short name for what a table holds.
import { createHash } from 'node:crypto'
import type { ServiceTree, Snapshot } from '../types.js'
import { formatRules } from './format.js'

/**
 * A digest of a table: 16 hexadecimal digits that are the same for tables with the same services, destinations and settings, in
 * whatever order and with whatever counters. For programs that look first and act later, and want to know that nobody has come between.
 *
 * @throws TypeError, RangeError as {@link formatRules} does
 */
export function tableDigest(services: Snapshot | Iterable<ServiceTree>): string {
  const rules = formatRules(services).split('\n').sort().join('\n')
  return createHash('sha256').update(rules).digest('hex').slice(0, 16)
}
