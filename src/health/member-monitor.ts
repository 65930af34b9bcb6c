// Everything the checker knows about one member while it runs.
import type { Attempt } from './attempt.js'
import type { Begin } from './begin.js'
import type { Due } from './due-queue.js'
import { Flapping, type HoldDownSettings } from './hold-down.js'
import { MemberState } from './member-state.js'
import type { Schedule } from './schedule.js'
import { TimeLimit, type TimeLimitSettings } from './time-limit.js'
import type {
  CheckOutcome,
  HealthMember,
  HealthMemberState,
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

export class MemberMonitor implements Due {
  readonly member: HealthMember
  readonly owners = new Map<HealthTarget, Owner>()
  readonly state: MemberState
  readonly schedule: Schedule
  /** Without `holdDown` there is none. */
  readonly flapping: Flapping | undefined
  readonly rise: number
  readonly fall: number
  /** No target lists it any more, or the checker has stopped. */
  gone = false
  readonly begin: Begin
  attempt: Attempt | undefined
  readonly limit: TimeLimit
  due = Number.POSITIVE_INFINITY

  /** Milliseconds since the epoch, for people. */
  since = Date.now()
  last: CheckOutcome | undefined
  lastAt: number | undefined
  lastMs: number | undefined
  reason = ''
  weightFactor = 1
  /** When its last hold ends, or has ended. */
  heldUntil = 0
  /** The result behind the present verdict. */
  decidedAt = 0
  decidedBy = ''

  /** From here on `performance.now()`. When the present row of unknown results began. */
  unknownSince: number | undefined
  unknownWarned = false
  stuckWarned = false
  /** The last check: when it began, and when it ended. */
  startedAt = 0
  endedAt = 0
  // The rest is the uplink's (uplink.ts). When the last check began, if its result says that there was a route.
  reachedAt: number | undefined
  /** When the present row of "no route" began, or was last seen to concern every member. */
  noRouteSince: number | undefined
  /** "No route" results that are failures if another member is reached. */
  held = 0

  constructor(
    member: HealthMember,
    presumed: HealthState,
    begin: Begin,
    rise: number,
    fall: number,
    schedule: Schedule,
    timeout: TimeLimitSettings,
    holdDown?: HoldDownSettings,
  ) {
    this.member = member
    this.begin = begin
    this.rise = rise
    this.fall = fall
    this.state = new MemberState(presumed, rise, fall)
    this.schedule = schedule
    this.limit = new TimeLimit(timeout)
    this.flapping = holdDown === undefined ? undefined : new Flapping(holdDown)
  }

  /** It is down and has to stay there, see `holdDown`. */
  isHeld(now: number): boolean {
    return this.state.state === 'down' && this.flapping !== undefined && this.flapping.until > now
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

  snapshot(): HealthMemberState {
    const { state, successes, failures } = this.state
    return { state, since: this.since, successes, failures, weightFactor: this.weightFactor }
  }

  status(): HealthStatus {
    const now = performance.now()
    return {
      key: this.member.key,
      state: this.state.state,
      since: this.since,
      decided: this.state.decided,
      last: this.last,
      reason: this.reason,
      lastAt: this.lastAt,
      lastMs: this.lastMs,
      nextAt: Number.isFinite(this.due) ? Math.round(Date.now() + this.due - now) : undefined,
      successes: this.state.successes,
      rise: this.rise,
      failures: this.state.failures,
      fall: this.fall,
      heldUntil: this.isHeld(now) ? this.heldUntil : undefined,
      inFlight: this.attempt !== undefined || this.due <= now,
      weightFactor: this.weightFactor,
    }
  }
}
