// How fast the demo goes: as fast as this machine can follow. All of it comes from one figure, which is measured at its start.

/** Queries that a quiet machine of ours answers one after the other, in a second. */
const quietPerSecond = 450
/** Slower than that is no machine to see anything on. */
const slowest = 8

export interface Pace {
  /** 1 on a quiet machine, 2 on one half as fast. */
  readonly slowness: number
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly retryDelayMs: number
  readonly rise: number
  readonly fall: number
  /** A flip that has not come after this does not come any more. */
  readonly flipLimitMs: number
}

export function paceOf(perSecond: number): Pace {
  const slowness = Math.min(slowest, Math.max(1, quietPerSecond / perSecond))
  const times = (ms: number) => Math.round(ms * slowness)
  const checks = { intervalMs: times(500), timeoutMs: times(500), retryDelayMs: times(150) }
  const [rise, fall] = [2, 3]
  return { slowness, ...checks, rise, fall, flipLimitMs: 3 * decisionMs({ ...checks, fall }) }
}

/** The checker needs at most so long to take a server out that has died. */
export const decisionMs = ({
  intervalMs,
  timeoutMs,
  retryDelayMs,
  fall,
}: Pick<Pace, 'intervalMs' | 'timeoutMs' | 'retryDelayMs' | 'fall'>) =>
  intervalMs + fall * (timeoutMs + retryDelayMs)
