// Rise and fall of one member: pure bookkeeping, no time, no events.
import type { HealthState } from './types.js'

/** What a result has led to. */
export interface Decision {
  readonly from: HealthState
  readonly to: 'up' | 'down'
  /** The first decision since the start: it may confirm the presumed state. */
  readonly initial: boolean
}

/**
 * Counts results in a row. `rise` successes make a member up, `fall` failures make it down. The first result
 * that agrees with a presumed `up` or `down` confirms it: nothing has to be waited for.
 */
export class MemberState {
  state: HealthState
  decided = false
  successes = 0
  failures = 0
  readonly #rise: number
  readonly #fall: number

  constructor(presumed: HealthState, rise: number, fall: number) {
    this.state = presumed
    this.#rise = rise
    this.#fall = fall
  }

  /** Enough successes in a row to be up; more than that for a member that is held down. */
  get risen(): boolean {
    return this.successes >= this.#rise
  }

  /** `held`: asked when it would go up; if so, it stays as it is. */
  success(held: () => boolean = () => false): Decision | undefined {
    this.failures = 0
    this.successes++
    return this.state === 'up' ? this.#confirm('up') : this.#reach('up', this.risen && !held())
  }

  /** `count`: more than one when results held back until now turn out to be failures. */
  failure(count = 1): Decision | undefined {
    this.successes = 0
    this.failures += count
    return this.state === 'down'
      ? this.#confirm('down')
      : this.#reach('down', this.failures >= this.#fall)
  }

  #confirm(state: 'up' | 'down'): Decision | undefined {
    return this.#reach(state, !this.decided)
  }

  #reach(to: 'up' | 'down', reached: boolean): Decision | undefined {
    if (!reached) return undefined
    const decision = { from: this.state, to, initial: !this.decided }
    this.state = to
    this.decided = true
    return decision
  }
}
