// Which differences of others' making a pass leaves as they are.
import { Contest } from './contest.js'
import type { Drift, Step } from './plan.js'

/** What is done about what others have changed. */
export type DriftPolicy = 'repair' | 'report'

export class Leave {
  readonly #policy: DriftPolicy
  readonly #contest = new Contest()
  /** What was told of each object that is left, so that it is told once. */
  #told = new Map<string, string>()

  constructor(policy: DriftPolicy) {
    this.#policy = policy
  }

  /** Keys of what another owner fights for. */
  get contested(): readonly string[] {
    return this.#contest.keys
  }

  /** Takes out of a pass's steps what is left alone, and marks it. */
  sort(steps: readonly Step[]): {
    readonly send: readonly Step[]
    readonly news: readonly Drift[]
  } {
    const drifts = steps.flatMap(({ drift }) => drift ?? [])
    const rest = this.#policy === 'report' ? new Set(drifts) : this.#contest.judge(drifts)
    const told = new Map<string, string>()
    const send: Step[] = []
    const news: Drift[] = []
    for (const step of steps) {
      const { drift } = step
      if (drift === undefined || !rest.has(drift)) {
        send.push(step)
        continue
      }
      mark(step, drift)
      const key = `${drift.service} ${drift.destination ?? ''}`
      const what = JSON.stringify([drift.found, drift.before])
      if (this.#told.get(key) !== what) news.push(drift)
      told.set(key, what)
    }
    this.#told = told
    return { send, news }
  }
}

function mark({ front, seat }: Step, { destination }: Drift): void {
  if (seat !== undefined) seat.left = seat.known
  else if (destination !== undefined) front.spared.add(destination)
  else front.left = front.known
}
