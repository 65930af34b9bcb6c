// Where a run sends what it has to say; the checker makes events of it.
import type {
  HealthMember,
  HealthResultEvent,
  HealthTransitionEvent,
  HealthWarningCode,
} from './types.js'

/** None of these throws. */
export interface Announce {
  result(event: Omit<HealthResultEvent, 'sequence'>): void
  transition(event: Omit<HealthTransitionEvent, 'sequence'>): void
  warning(code: HealthWarningCode, message: string, member?: HealthMember, error?: unknown): void
  /** The first round is complete. */
  ready(): void
}
