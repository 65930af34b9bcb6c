// One run of a check: a hard time limit of our own, and one of the possible results.
import type { LoopLag } from './loop-lag.js'
import { CheckTimeoutError, classify, describe, type Fault } from './outcome.js'
import { readSuccess } from './success.js'
import type { Check, HealthMember } from './types.js'

export interface AttemptResult {
  readonly outcome: 'success' | Fault
  readonly reason: string
  readonly durationMs: number
  /** 1 if the check named none. */
  readonly weightFactor: number
}

export interface Attempt {
  /** Never rejects. Settles shortly after the time limit at the latest, whatever the check does. */
  readonly result: Promise<AttemptResult>
  /** Resolves when the check itself has settled: true, or false if it is given up, as long after the abort as `timeoutMs`. */
  readonly ended: Promise<boolean>
}

type Settled = { readonly value: unknown } | { readonly error: unknown }

/** Starts `check`. `signal` stops it early; its result is then of no interest. */
export function startAttempt(
  check: Check,
  member: HealthMember,
  timeoutMs: number,
  lag: LoopLag,
  signal: AbortSignal,
): Attempt {
  const controller = new AbortController()
  const started = performance.now()
  lag.enter()
  const blockedBefore = lag.blockedMs()
  const settled: Promise<Settled> = callCheck(check, member, controller.signal).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

  const aborted = new Promise<void>((resolve) => {
    controller.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const stop = () => controller.abort(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  // The turn in between reads what has arrived already: after a block of the loop, timers run before sockets.
  let turn: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    turn = setImmediate(() => controller.abort(new CheckTimeoutError(timeoutMs)))
  }, timeoutMs)

  const result = (async () => {
    // A check that obeys its signal rejects in the turn of its abort and may say more than we know.
    const end = await Promise.race([settled, aborted.then(nextTurn)])
    clearTimeout(timer)
    clearImmediate(turn)
    const blockedMs = lag.blockedMs() - blockedBefore
    lag.leave()
    const durationMs = performance.now() - started
    if (controller.signal.aborted)
      return late(end, controller.signal.reason, durationMs, blockedMs, timeoutMs)
    return inTime(end, durationMs)
  })()

  const ended = Promise.race([
    settled.then(() => true),
    result.then(() => graceOver(settled, timeoutMs)),
  ]).finally(() => signal.removeEventListener('abort', stop))

  return { result, ended }
}

// A check may throw before it returns a promise, or return none.
async function callCheck(
  check: Check,
  member: HealthMember,
  signal: AbortSignal,
): Promise<unknown> {
  return check(member, { signal })
}

function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(() => resolve(undefined)))
}

function graceOver(settled: Promise<unknown>, graceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), graceMs)
    settled.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

function inTime(end: Settled | undefined, durationMs: number): AttemptResult {
  const failed = (error: unknown): AttemptResult => ({
    outcome: classify(error),
    reason: describe(error),
    durationMs,
    weightFactor: 1,
  })
  if (end !== undefined && 'error' in end) return failed(end.error)
  try {
    const { detail, weightFactor } = readSuccess(end?.value)
    return { outcome: 'success', reason: detail, durationMs, weightFactor }
  } catch (error) {
    return failed(error)
  }
}

function late(
  end: Settled | undefined,
  abortReason: unknown,
  durationMs: number,
  blockedMs: number,
  timeoutMs: number,
): AttemptResult {
  // A success after the deadline is none.
  const error = end !== undefined && 'error' in end ? end.error : abortReason
  const reason = describe(error)
  // A timer that was late says the same as the measurement, and is exact.
  const lostMs = Math.max(blockedMs, durationMs - timeoutMs)
  // With less than half of its time the member had no fair chance to answer. Timers are always a little late.
  if (lostMs > Math.max(10, timeoutMs / 2)) {
    const blocked = `${reason}, but our own event loop was blocked for ${Math.round(lostMs)} ms meanwhile`
    return { outcome: 'unknown', reason: blocked, durationMs, weightFactor: 1 }
  }
  return { outcome: classify(error), reason, durationMs, weightFactor: 1 }
}
