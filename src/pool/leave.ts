// Which differences of others' making a pass leaves as they are.
import { Contest } from './contest.js'
import type { Seat } from './member.js'
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

  /** A repair has failed: that the difference comes back is nobody else's doing. */
  failed(drift: Drift): void {
    this.#contest.forget(drift)
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
    // Without the service there is no place for its servers.
    const gone = new Set(
      steps.flatMap(({ front, seat, drift }) =>
        seat === undefined && drift?.found === 'missing' && rest.has(drift) ? front : [],
      ),
    )
    for (const step of steps) {
      const { drift, seat, front } = step
      if (seat !== undefined && !seat.due && gone.has(front)) {
        leave(seat)
        continue
      }
      if (drift === undefined || !rest.has(drift) || seat?.due) {
        send.push(step)
        continue
      }
      if (seat !== undefined) leave(seat)
      else if (drift.destination !== undefined) front.spared.add(drift.destination)
      else front.left = front.known
      const key = `${drift.service} ${drift.destination ?? ''}`
      const what = JSON.stringify([drift.found, drift.before])
      if (this.#told.get(key) !== what) news.push(drift)
      told.set(key, what)
    }
    this.#told = told
    return { send, news }
  }
}

function leave(seat: Seat): void {
  const wanted = seat.member.wanted(seat)
  if (wanted !== 'as-is') seat.left = { known: seat.known, wanted }
}
