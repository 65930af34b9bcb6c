// One run of a check: a hard time limit of our own, and one of the possible results.
import type { Begin, Cancel, CheckEnd } from './begin.js'
import type { LoopLag } from './loop-lag.js'
import { CheckTimeoutError, classify, describe, type Fault, isSystemError } from './outcome.js'
import { readSuccess } from './success.js'
import type { HealthMember } from './types.js'

export interface AttemptResult {
  readonly outcome: 'success' | Fault
  readonly reason: string
  readonly durationMs: number
  /** 1 if the check named none. */
  readonly weightFactor: number
}

/** Who hears of an attempt: first `result`, then `ended`, each once. */
export interface AttemptListener {
  /** Shortly after the time limit at the latest, whatever the check does. */
  result(result: AttemptResult): void
  /** The check itself has settled; or not (false), as long after its abort as `timeoutMs`: it is given up. */
  ended(settled: boolean): void
}

/** In milliseconds: how long our own event loop was blocked, and what the member lacks of its time by that. */
interface MemberTime {
  readonly blockedMs: number
  readonly missingMs: number
  readonly isFair: boolean
}

/** What our own event loop has taken of its time a check gets back, up to so many times its limit in all. */
const MOST_LIMITS = 4

export class Attempt {
  readonly #timeoutMs: number
  readonly #lag: LoopLag
  readonly #listener: AttemptListener
  readonly #started = performance.now()
  readonly #blockedBefore: number
  /** By how much the time limit has been moved, for what our own event loop had taken. */
  #givenBackMs = 0
  /** The time limit, then the grace after it. */
  #timer: NodeJS.Timeout | undefined
  #turn: NodeJS.Immediate | undefined
  #cancel: Cancel | undefined
  /** Why it was stopped. */
  #stopped: Error | undefined
  /** The check was told to end and did not at once. */
  #late = false
  #resultGiven = false
  #over = false

  constructor(timeoutMs: number, lag: LoopLag, listener: AttemptListener) {
    this.#timeoutMs = timeoutMs
    this.#lag = lag
    this.#listener = listener
    lag.enter()
    this.#blockedBefore = lag.blockedMs()
  }

  /** Once. The listener may hear of the end before this returns. */
  run(begin: Begin, member: HealthMember): void {
    try {
      this.#cancel = begin(member, (end) => this.#settled(end))
    } catch (error) {
      this.#settled({ error })
    }
    if (this.#over) return
    if (this.#stopped !== undefined) {
      this.#end(this.#stopped)
      return
    }
    const beganMs = performance.now() - this.#started
    this.#timer = this.#expireIn(Math.ceil(this.#timeoutMs - beganMs))
  }

  /** The turn in between reads what has arrived already: after a block of the loop, timers run before sockets. */
  #expireIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#turn = setImmediate(() => this.#expire())
    }, ms)
  }

  /** The time limit, unless the member has not had its time. */
  #expire(): void {
    const durationMs = performance.now() - this.#started
    const time = this.#timeOf(durationMs)
    if (time.isFair || durationMs >= MOST_LIMITS * this.#timeoutMs) {
      this.stop(new CheckTimeoutError(this.#timeoutMs))
      return
    }
    this.#givenBackMs += time.missingMs
    this.#timer = this.#expireIn(time.missingMs)
  }

  /** What our own event loop has left of the time. */
  #timeOf(durationMs: number): MemberTime {
    // A timer that was late says the same as the measurement, and is exact.
    const lateMs = durationMs - this.#timeoutMs - this.#givenBackMs
    const blockedMs = Math.max(this.#lag.blockedMs() - this.#blockedBefore, lateMs)
    const missingMs = Math.min(blockedMs, this.#timeoutMs - (durationMs - blockedMs))
    // With less than half of its time the member had no fair chance to answer. Timers are always a little late.
    return { blockedMs, missingMs, isFair: missingMs <= Math.max(10, this.#timeoutMs / 2) }
  }

  /** Has the check end; that and the result follow as at its time limit. */
  stop(reason: Error): void {
    if (this.#resultGiven || this.#stopped !== undefined) return
    this.#stopped = reason
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
    // A check that stops its checker has not begun yet.
    if (this.#cancel !== undefined) this.#end(reason)
  }

  #end(reason: Error): void {
    this.#cancel?.(reason)
    if (this.#over) return
    this.#late = true
    // A check that obeys its signal rejects in the turn of its abort and may say more than we know.
    this.#turn = setImmediate(() => {
      this.#giveResult(undefined)
      this.#timer = setTimeout(() => this.#finish(false), this.#timeoutMs)
    })
  }

  #settled(end: CheckEnd): void {
    // Given up already.
    if (this.#over) return
    if (!this.#resultGiven) this.#giveResult(end)
    this.#finish(true)
  }

  #giveResult(end: CheckEnd | undefined): void {
    this.#resultGiven = true
    clearTimeout(this.#timer)
    clearImmediate(this.#turn)
    const durationMs = performance.now() - this.#started
    const time = this.#timeOf(durationMs)
    this.#lag.leave()
    this.#listener.result(
      this.#late ? late(end, this.#stopped, durationMs, time) : inTime(end, durationMs, time),
    )
  }

  #finish(settled: boolean): void {
    this.#over = true
    clearTimeout(this.#timer)
    this.#listener.ended(settled)
  }
}

function inTime(end: CheckEnd | undefined, durationMs: number, time: MemberTime): AttemptResult {
  if (end !== undefined && 'error' in end) {
    // What the kernel has said is true however slow we were; a check's own timers are as late as we are.
    return isSystemError(end.error)
      ? { ...fault(end.error), durationMs }
      : { ...excuse(end.error, time), durationMs }
  }
  try {
    const { detail, weightFactor } = readSuccess(end?.value)
    return { outcome: 'success', reason: detail, durationMs, weightFactor }
  } catch (error) {
    return { ...fault(error), durationMs }
  }
}

function late(
  end: CheckEnd | undefined,
  reason: unknown,
  durationMs: number,
  time: MemberTime,
): AttemptResult {
  // A success after the deadline is none.
  const error = end !== undefined && 'error' in end ? end.error : reason
  return { ...excuse(error, time), durationMs }
}

type Failed = Omit<AttemptResult, 'durationMs'>

/** A failure, unless our own event loop has taken the member's time. */
function excuse(error: unknown, { isFair, blockedMs }: MemberTime): Failed {
  if (isFair) return fault(error)
  const blocked = `but our own event loop was blocked for ${Math.round(blockedMs)} ms meanwhile`
  return { outcome: 'unknown', reason: `${describe(error)}, ${blocked}`, weightFactor: 1 }
}

function fault(error: unknown): Failed {
  return { outcome: classify(error), reason: describe(error), weightFactor: 1 }
}
