// How the checks of one checker have ended, counted.
import type { CheckOutcome, HealthResultEvent } from '../health/types.js'
import { type FailureClass, failureClass } from './failure-class.js'

/** Since the checker was first seen. */
export class CheckCounts {
  readonly buckets: readonly number[]
  /** Of each bucket by itself; one more for what takes longer than all of them. */
  readonly durations: number[]
  seconds = 0
  readonly failures = new Map<FailureClass, number>()
  readonly #results = new Map<string, Map<CheckOutcome, number>>()

  /** @param buckets upper bounds in seconds, ascending */
  constructor(buckets: readonly number[]) {
    this.buckets = buckets
    this.durations = [...buckets, Number.POSITIVE_INFINITY].map(() => 0)
  }

  readonly add = ({ member, outcome, reason, durationMs }: HealthResultEvent): void => {
    const seconds = durationMs / 1000
    const bucket = this.buckets.findIndex((bound) => seconds <= bound)
    this.durations[bucket === -1 ? this.buckets.length : bucket]! += 1
    this.seconds += seconds
    if (outcome === 'failure') count(this.failures, failureClass(reason))
    const own = this.#results.get(member.key) ?? new Map<CheckOutcome, number>()
    this.#results.set(member.key, count(own, outcome))
  }

  results(member: string, outcome: CheckOutcome): number {
    return this.#results.get(member)?.get(outcome) ?? 0
  }

  /** Forgets all members but these. */
  keep(members: ReadonlySet<string>): void {
    for (const key of this.#results.keys()) if (!members.has(key)) this.#results.delete(key)
  }
}

export function count<K>(counts: Map<K, number>, key: K): Map<K, number> {
  return counts.set(key, (counts.get(key) ?? 0) + 1)
}
