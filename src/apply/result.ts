// What `apply` tells: counts and errors at once, an outcome for each change when asked.
import type { IpvsError } from '../errors.js'
import type { ApplyResult, Change, ChangeOutcome } from '../types.js'

const NONE: Applied['errors'] = Object.freeze([])

export class Applied implements ApplyResult {
  readonly #changes: readonly Change[]
  readonly total: number
  readonly applied: number
  readonly failed: number
  readonly errors: readonly {
    readonly index: number
    readonly change: Change
    readonly error: IpvsError
  }[]
  #outcomes: readonly ChangeOutcome[] | undefined

  /** `errors` in the order of their index. */
  constructor(changes: readonly Change[], errors: ReadonlyMap<number, IpvsError>) {
    this.#changes = changes
    this.errors =
      errors.size === 0
        ? NONE
        : [...errors].map(([index, error]) => {
            return { index, change: error.change ?? changes[index]!, error }
          })
    this.total = changes.length
    this.failed = this.errors.length
    this.applied = this.total - this.failed
  }

  get outcomes(): readonly ChangeOutcome[] {
    if (this.#outcomes === undefined) {
      const outcomes: ChangeOutcome[] = this.#changes.map((change) => ({
        change,
        status: 'applied',
      }))
      for (const { index, change, error } of this.errors) {
        outcomes[index] = { change, status: statusOf(error), error }
      }
      this.#outcomes = outcomes
    }
    return this.#outcomes
  }
}

export function statusOf(error: IpvsError): ChangeOutcome['status'] {
  switch (error.code) {
    case 'ERR_IPVS_UNKNOWN_OUTCOME':
      return 'unknown'
    case 'ERR_IPVS_NOT_SENT':
      return 'not-sent'
    case 'ERR_IPVS_SUPERSEDED':
      return 'superseded'
    default:
      return 'failed'
  }
}
