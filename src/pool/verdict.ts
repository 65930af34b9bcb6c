// Verdicts as others' health checkers give them.
import { rangeError, typeError } from '../errors.js'

/** A verdict, read. */
export interface ReadVerdict {
  readonly key: string
  readonly healthy: boolean
  /** Part of the weight, 0 to 1. */
  readonly factor: number
  readonly reason: string | undefined
}

/** @throws TypeError, RangeError naming what cannot be used */
export function readVerdict(member: unknown, verdict: unknown): ReadVerdict {
  const { key } = fieldsOf(member, 'member', 'a member, as members() lists them')
  if (typeof key !== 'string') throw typeError('member.key', 'a string such as 10.1.0.1:53', key)
  const fields = fieldsOf(verdict, 'verdict', 'an object such as { healthy: true }')
  const { healthy, weightFactor: factor = 1, reason } = fields
  if (typeof healthy !== 'boolean') throw typeError('verdict.healthy', 'true or false', healthy)
  if (typeof factor !== 'number') {
    throw typeError('verdict.weightFactor', 'a number from 0 to 1', factor)
  }
  if (!(factor >= 0 && factor <= 1)) {
    throw rangeError('verdict.weightFactor', 'a number from 0 to 1', factor)
  }
  if (reason !== undefined && typeof reason !== 'string') {
    throw typeError('verdict.reason', 'a string', reason)
  }
  return { key, healthy, factor, reason }
}

function fieldsOf(value: unknown, option: string, rule: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  throw typeError(option, rule, value)
}
