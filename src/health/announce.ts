// Where a run sends what it has to say: the checker's events.
import type {
  HealthMember,
  HealthResultEvent,
  HealthTransitionEvent,
  HealthWarningCode,
} from './types.js'

/** None of these throws. */
export interface Announce {
  nextSequence(): number
  result(event: HealthResultEvent): void
  transition(event: HealthTransitionEvent): void
  warning(code: HealthWarningCode, message: string, member?: HealthMember, error?: unknown): void
  /** The first round is complete. */
  ready(): void
}
