// A check of one server now, question by question, for whoever wants to know why. It decides nothing.
import { CheckTimeoutError, classify, describe } from '../health/outcome.js'
import { readSuccess } from '../health/success.js'
import type { CheckOutcome, HealthMember } from '../health/types.js'
import type { CheckStep } from './config/checks.js'

/** One question, and what came of it. */
export interface CheckedStep {
  /** `tcp`, `dns` */
  readonly name: string
  readonly outcome: CheckOutcome
  /** In words. */
  readonly reason: string
  readonly durationMs: number
}

/** All questions at the same time. */
export function checkNow(
  steps: readonly CheckStep[],
  member: HealthMember,
  timeoutMs: number,
): Promise<CheckedStep[]> {
  return Promise.all(steps.map((step) => ask(step, member, timeoutMs)))
}

async function ask(
  { name, check }: CheckStep,
  member: HealthMember,
  timeoutMs: number,
): Promise<CheckedStep> {
  const begun = performance.now()
  const end = (outcome: CheckOutcome, reason: string): CheckedStep => {
    return {
      name,
      outcome,
      reason,
      durationMs: Math.round((performance.now() - begun) * 100) / 100,
    }
  }
  const over = new AbortController()
  const late = new CheckTimeoutError(timeoutMs)
  const timer = setTimeout(() => over.abort(late), timeoutMs)
  try {
    // One that ignores its signal is not waited for.
    const ignored = new Promise<never>((_, reject) => {
      over.signal.addEventListener('abort', () => setTimeout(reject, 100, late))
    })
    const answer = await Promise.race([check(member, { signal: over.signal }), ignored])
    return end('success', readSuccess(answer).detail)
  } catch (error) {
    return end(classify(error) === 'failure' ? 'failure' : 'unknown', describe(error))
  } finally {
    clearTimeout(timer)
  }
}
