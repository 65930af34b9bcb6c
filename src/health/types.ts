// The values that pass between a health checker, its targets and its checks.

/** `unknown` is the state of a member about which nothing has been decided yet. */
export type HealthState = 'up' | 'down' | 'unknown'

/** A server to check. */
export interface HealthMember {
  /** Identity, like `destinationKey`: `10.1.0.1:53`. Members with the same key share one check. */
  readonly key: string
  /** A literal IPv4 or IPv6 address: checks never resolve names. */
  readonly address: string
  /** 0 (a member of a fwmark service) is allowed if the check is given a port of its own. */
  readonly port: number
  /**
   * What the target presumes before the first check; read when the checker starts or the member is added,
   * later values are ignored. `up` (adopted from the kernel, say) stays until `fall` failures; `down` and
   * `unknown` wait for `rise` successes. If several targets share the member, `up` wins over `unknown`, and
   * `unknown` over `down`: what carries traffic is not cut before it has failed. Default `unknown`.
   */
  readonly state?: HealthState | undefined
  /**
   * Tells a member from another one that has taken its place under the same key, between two looks at the list: a new
   * value means a new member of the target, which hears the present verdict. Default: the same member as ever.
   */
  readonly instance?: unknown
}

/** What the checker has decided about a member: a level, not an edge. Applying it twice is harmless. */
export interface Verdict {
  readonly healthy: boolean
  /** The target has accepted no verdict about this member since the checker started. */
  readonly initial: boolean
  /** The result that decided, in words: `dns udp 10.1.0.1:53: no answer within 500 ms`. */
  readonly reason: string
  /** When it was decided: milliseconds since the epoch. */
  readonly at: number
  /**
   * Part of the configured weight that the member can carry, 0 to 1, from the last successful check. Absolute,
   * never relative to the present weight. Default: all of it; a verdict that is not healthy has none.
   */
  readonly weightFactor?: number
}

/** Whoever wants to know: a `MirroredPool` or anything else. */
export interface HealthTarget {
  /** The members at this moment. */
  members(): Iterable<HealthMember>
  /**
   * Called for each decision: once per member after its first one (`initial`), changed or not, then at each
   * transition and whenever the weight factor of a healthy member changes. `member` is the target's own object.
   * Calls come in the order of the decisions and do not wait for each other. If one throws or rejects, the
   * checker warns and reports the verdict again with the member's next conclusive result.
   */
  report(member: HealthMember, verdict: Verdict): void | Promise<void>
  /** Calls `listener` after each change of the member list, until the returned function is called. */
  onMembers(listener: () => void): () => void
}

/** What a check may say about a healthy member. */
export interface CheckSuccess {
  /** Part of the weight, 0 to 1, see {@link Verdict.weightFactor}. Values outside are clamped. Default 1. */
  readonly weightFactor?: number | undefined
  /** In words, for `result` events and `status()`. Default `healthy`. */
  readonly detail?: string | undefined
}

/** What a check is told: whom it asks, how long it has, and when it has to stop. */
export interface CheckContext {
  /**
   * Aborted when the time is up (`reason.name` is `TimeoutError`), the member is removed or the checker stops.
   * The check closes all it has opened and rejects; if it does not, the result counts all the same. A check that has
   * left no listener behind may find the same signal the next time.
   */
  readonly signal: AbortSignal
}

/**
 * One check of one member. Resolves: healthy. Rejects: not healthy, with the reason in the error's message.
 * Rejects with `Inconclusive`, or an error whose `code` (or that of its `cause`) is a shortage of our own
 * (EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EADDRINUSE): unknown, which counts neither way.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a check that has nothing to add returns nothing
export type Check = (member: HealthMember, context: CheckContext) => Promise<CheckSuccess | void>

/** How a check ended: `unknown` means that we, not the member, were at fault. */
export type CheckOutcome = 'success' | 'failure' | 'unknown'

/** What events have in common. */
export interface HealthEvent {
  /** Growing, for each checker: the order in which its events of all kinds have happened. */
  readonly sequence: number
  /** Milliseconds since the epoch. */
  readonly time: number
}

/** A member's state in events. */
export interface HealthMemberState {
  readonly state: HealthState
  /** When it entered this state or was presumed to be in it: milliseconds since the epoch. */
  readonly since: number
  /** Conclusive results of the same kind in a row: successes, else 0. */
  readonly successes: number
  /** Conclusive results of the same kind in a row: failures, else 0. */
  readonly failures: number
  /** Part of the configured weight, see {@link Verdict.weightFactor}. */
  readonly weightFactor: number
}

/** Event `result`: one check has ended. */
export interface HealthResultEvent extends HealthEvent {
  readonly member: HealthMember
  readonly outcome: CheckOutcome
  /** Why, in words. */
  readonly reason: string
  /** How long the check took. */
  readonly durationMs: number
  /** Before this result nothing had been decided about this member since the checker started. */
  readonly initial: boolean
  readonly before: HealthMemberState
  readonly after: HealthMemberState
  /** The state after this result. */
  readonly state: HealthState
  /** Successes in a row, this one included. */
  readonly successes: number
  /** Failures in a row, this one included. */
  readonly failures: number
  /** Part of the configured weight, see {@link Verdict.weightFactor}. Absent as there. */
  readonly weightFactor?: number
}

/** Event `transition`: a member has changed its state. */
export interface HealthTransitionEvent extends HealthEvent {
  readonly member: HealthMember
  readonly from: HealthState
  readonly to: 'up' | 'down'
  /** The first decision about this member since the checker started. */
  readonly initial: boolean
  /** The result that decided, in words, and how long the member is held down, if it is. */
  readonly reason: string
  /** How long the check that decided took. How long the last state lasted: `after.since - before.since`. */
  readonly durationMs: number
  readonly before: HealthMemberState
  readonly after: HealthMemberState
  /** It flaps, and is to stay down until then: milliseconds since the epoch. */
  readonly heldUntil?: number
}

/**
 * - `unknown`: a member's results have been unknown for longer than `unknownLimitMs`; its state is kept.
 * - `undecided`: `ready()` has stopped waiting for some members.
 * - `stuck`: a check has ignored its aborted signal and was abandoned; whatever it holds open is leaked.
 * - `flapping`: a member has gone down too often and is held down, see `holdDown`.
 * - `starved`: checks wait for their turn for more than an interval: too many members for `maxInFlight`.
 * - `target`: a target has refused a verdict, or could not list its members.
 * - `listener`: a listener of this checker has thrown.
 */
export type HealthWarningCode =
  | 'unknown'
  | 'undecided'
  | 'stuck'
  | 'flapping'
  | 'starved'
  | 'target'
  | 'listener'

/** Event `warning`: once per spell, not once per result; `listener` each time. */
export interface HealthWarningEvent extends HealthEvent {
  readonly code: HealthWarningCode
  readonly message: string
  readonly member?: HealthMember
  /** What was thrown, where something was. */
  readonly error?: unknown
}

/** One row of `status()`, flat enough for `console.table`. */
export interface HealthStatus {
  readonly key: string
  readonly state: HealthState
  /** When it entered this state or was presumed to be in it: milliseconds since the epoch. */
  readonly since: number
  /** False until the first verdict since `start()`. */
  readonly decided: boolean
  /** Of the last check; `undefined` before the first one has ended. */
  readonly last: CheckOutcome | undefined
  /** The last check's result in words; empty before the first one. */
  readonly reason: string
  /** When the last check ended: milliseconds since the epoch. */
  readonly lastAt: number | undefined
  /** How long the last check took. */
  readonly lastMs: number | undefined
  /** When the next check is due: milliseconds since the epoch; `undefined` while one is running. */
  readonly nextAt: number | undefined
  /** Successes in a row; while not `up`, `rise` of them are needed. */
  readonly successes: number
  /** So many successes in a row make it up. */
  readonly rise: number
  /** Failures in a row; while not `down`, `fall` of them are needed. */
  readonly failures: number
  /** So many failures in a row make it down. */
  readonly fall: number
  /** It flaps and is to stay down until then: milliseconds since the epoch. */
  readonly heldUntil: number | undefined
  /** A check is running or waiting for its turn. */
  readonly inFlight: boolean
  /** Part of the configured weight, see {@link Verdict.weightFactor}. */
  readonly weightFactor: number
}
