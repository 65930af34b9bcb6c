// Everything the checker knows about one member while it runs.
import { MemberState } from './member-state.js'
import type { Schedule } from './schedule.js'
import type {
  CheckOutcome,
  HealthMember,
  HealthState,
  HealthStatus,
  HealthTarget,
  Verdict,
} from './types.js'

/** One target's share in a member. */
export interface Owner {
  /** The target's own object. */
  member: HealthMember
  /** Verdicts handed over so far. */
  calls: number
  accepted: boolean
  /** The latest verdict was refused: it is due again. */
  refused: boolean
  warned: boolean
}

export class Watched {
  readonly member: HealthMember
  readonly owners = new Map<HealthTarget, Owner>()
  /** Aborted when no target lists the member any more, and when the checker stops. */
  readonly gone = new AbortController()
  readonly state: MemberState
  readonly schedule: Schedule
  readonly rise: number
  readonly fall: number
  inFlight = false

  /** Milliseconds since the epoch, for people. */
  since = Date.now()
  last: CheckOutcome | undefined
  lastAt: number | undefined
  lastMs: number | undefined
  reason = ''
  weightFactor = 1
  /** The result behind the present verdict. */
  decidedAt = 0
  decidedBy = ''

  /** From here on `performance.now()`. When the present row of unknown results began. */
  unknownSince: number | undefined
  unknownWarned = false
  stuckWarned = false
  /** The last check: when it began, when it ended, and whether its result says that there was a route. */
  startedAt = 0
  endedAt = 0
  routed = false
  /** When the present row of "no route" began, or was last seen to concern every member. */
  noRouteSince: number | undefined
  /** "No route" results that are failures if another member is reached. */
  held = 0

  constructor(
    member: HealthMember,
    presumed: HealthState,
    rise: number,
    fall: number,
    schedule: Schedule,
  ) {
    this.member = member
    this.rise = rise
    this.fall = fall
    this.state = new MemberState(presumed, rise, fall)
    this.schedule = schedule
  }

  /** The present decision, in the form a target gets it. */
  verdict(initial: boolean): Verdict {
    const healthy = this.state.state === 'up'
    return {
      healthy,
      initial,
      reason: this.decidedBy,
      at: this.decidedAt,
      ...(healthy && this.weightFactor !== 1 ? { weightFactor: this.weightFactor } : {}),
    }
  }

  status(): HealthStatus {
    return {
      key: this.member.key,
      state: this.state.state,
      since: this.since,
      decided: this.state.decided,
      last: this.last,
      reason: this.reason,
      lastAt: this.lastAt,
      lastMs: this.lastMs,
      successes: this.state.successes,
      rise: this.rise,
      failures: this.state.failures,
      fall: this.fall,
      inFlight: this.inFlight,
      weightFactor: this.weightFactor,
    }
  }
}
