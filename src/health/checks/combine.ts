// checks.all, any, atLeast and not: several checks as one.
import { typeError } from '../../errors.js'
import { checkInteger } from '../../validate.js'
import { classify, describe, Inconclusive } from '../outcome.js'
import { readSuccess } from '../success.js'
import type { Check } from '../types.js'
import { gather } from './gather.js'

/**
 * Healthy when every check succeeds. The first true failure settles it; without one, a check that could not find out
 * leaves it unknown. The weight factor is the smallest one.
 *
 * @throws ArgumentError
 */
export function all(...checks: readonly Check[]): Check {
  return combine(checks.length, checks)
}

/**
 * Healthy when one check succeeds: the first success settles it, and its weight factor counts. If none does, one
 * check that could not find out leaves it unknown.
 *
 * @throws ArgumentError
 */
export function any(...checks: readonly Check[]): Check {
  return combine(1, checks)
}

/**
 * Healthy when `count` of the checks succeed; the first `count` successes settle it, with the smallest weight factor
 * among them. It fails when so many checks have truly failed that the others cannot make it up; otherwise, a check
 * that could not find out leaves it unknown.
 *
 * @throws ArgumentError
 */
export function atLeast(count: number, ...checks: readonly Check[]): Check {
  readChecks(checks)
  return combine(checkInteger(count, 'count', 1, checks.length), checks)
}

/**
 * Healthy when the check fails, and the other way round: for what must not be there, such as a file of a server under
 * maintenance. What could not be found out stays unknown: a check without an answer in its time, one without a route,
 * one that does not fit the member.
 *
 * @throws ArgumentError
 */
export function not(check: Check): Check {
  readChecks([check])
  return async (member, context) => {
    let detail: string
    try {
      detail = readSuccess(await check(member, context)).detail
    } catch (error) {
      const reason = describe(error)
      if (context.signal.aborted || classify(error) !== 'failure')
        throw new Inconclusive(reason, { cause: error })
      return { detail: `not: ${reason}` }
    }
    throw new Error(`not: ${detail}`)
  }
}

/** All run at once with a signal of their own; those that can no longer change the outcome are aborted. */
function combine(needed: number, checks: readonly Check[]): Check {
  readChecks(checks)
  return async (member, { signal }) => {
    const tasks = checks.map(
      (check) => async (own: AbortSignal) => readSuccess(await check(member, { signal: own })),
    )
    const successes = await gather(needed, tasks, signal)
    return {
      detail: successes.map(({ detail }) => detail).join('; '),
      weightFactor: Math.min(...successes.map(({ weightFactor }) => weightFactor)),
    }
  }
}

function readChecks(checks: readonly unknown[]): void {
  if (checks.length === 0) throw typeError('checks', 'one or more checks', checks)
  for (const [index, check] of checks.entries()) {
    if (typeof check !== 'function')
      throw typeError(`checks[${index}]`, 'a check, for example checks.tcp()', check)
  }
}
