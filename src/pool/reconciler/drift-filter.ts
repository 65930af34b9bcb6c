// Which differences of others' making a pass leaves as they are.
import type { DriftPolicy } from '../config/options.js'
import { destinationAfter } from '../state/state-cache.js'
import { ConflictDetector } from './conflicts.js'
import type { Drift, Step } from './steps.js'

export class DriftFilter {
  readonly #policy: DriftPolicy
  readonly #conflicts = new ConflictDetector()
  /** What was told of each object that is left, so that it is told once. */
  #told = new Map<string, string>()

  constructor(policy: DriftPolicy) {
    this.#policy = policy
  }

  /** Keys of what another owner fights for. */
  get contested(): readonly string[] {
    return this.#conflicts.keys
  }

  /** A repair has failed: that the difference comes back is nobody else's doing. */
  repairFailed(drift: Drift): void {
    this.#conflicts.forget(drift)
  }

  /** Takes out of a pass's steps what is left alone, and marks it. */
  sort(steps: readonly Step[]): {
    readonly send: readonly Step[]
    readonly news: readonly Drift[]
  } {
    const drifts = steps.flatMap(({ drift }) => drift ?? [])
    const left = this.#policy === 'report' ? new Set(drifts) : this.#conflicts.judge(drifts)
    const told = new Map<string, string>()
    const send: Step[] = []
    const news: Drift[] = []
    // Without the service there is no place for its servers, whoever asks.
    const gone = new Set(
      steps.flatMap(({ front, entry, drift }) =>
        entry === undefined && drift?.found === 'missing' && left.has(drift) ? front : [],
      ),
    )
    for (const step of steps) {
      const { drift, entry, front } = step
      if (entry !== undefined && gone.has(front)) {
        if (entry.failure === undefined) entry.ignore(destinationAfter(step.change))
        continue
      }
      if (drift === undefined || !left.has(drift) || entry?.phase === 'owed') {
        send.push(step)
        continue
      }
      if (entry === undefined) front.entry.ignore(front.service)
      else entry.ignore(destinationAfter(step.change))
      const key = `${drift.service} ${drift.destination ?? ''}`
      const what = JSON.stringify([drift.found, drift.before])
      if (this.#told.get(key) !== what) news.push(drift)
      told.set(key, what)
    }
    this.#told = told
    return { send, news }
  }
}
