// What a result means for its member: the state, the verdict for the targets, the events.
import type { Announce } from './announce.js'
import type { AttemptResult } from './attempt.js'
import { mayHold } from './may-hold.js'
import type { MemberMonitor } from './member-monitor.js'
import type { Decision } from './member-state.js'
import type { Settings } from './options.js'
import type { Reports } from './reports.js'
import type { CheckOutcome, HealthResultEvent } from './types.js'
import type { Uplink } from './uplink.js'

export class ResultEvaluator {
  readonly #settings: Settings
  readonly #all: ReadonlyMap<string, MemberMonitor>
  readonly #uplink: Uplink
  readonly #reports: Reports
  readonly #announce: Announce

  /** `all`: the members that results are compared with; `uplink` knows the same ones. */
  constructor(
    settings: Settings,
    all: ReadonlyMap<string, MemberMonitor>,
    uplink: Uplink,
    reports: Reports,
    announce: Announce,
  ) {
    this.#settings = settings
    this.#all = all
    this.#uplink = uplink
    this.#reports = reports
    this.#announce = announce
  }

  /** Takes note of a result; true if the next check should come soon. */
  evaluate(monitor: MemberMonitor, result: AttemptResult): boolean {
    const { state } = monitor
    const now = performance.now()
    const time = Date.now()
    const before = monitor.snapshot()
    const initial = !state.decided
    const judged = this.#judgeRoute(monitor, result, now)
    const { outcome } = judged
    const success = outcome === 'success'
    const factorChanged = success && result.weightFactor !== monitor.weightFactor
    if (success) monitor.weightFactor = result.weightFactor
    monitor.endedAt = now
    monitor.last = outcome
    monitor.lastAt = time
    monitor.lastMs = result.durationMs
    monitor.reason = judged.reason

    let decision: Decision | undefined
    if (success) decision = state.success(() => this.#holdsBack(monitor, now))
    if (outcome === 'failure') decision = state.failure(judged.failures)
    const move = decision !== undefined && decision.from !== decision.to ? decision : undefined
    if (move !== undefined) monitor.since = time
    const flaps = move?.from === 'up' && noteDown(monitor, now, time)

    // The targets first: a failover does not wait for listeners.
    if (decision !== undefined || (factorChanged && before.state === 'up' && state.decided)) {
      monitor.decidedAt = time
      monitor.decidedBy = monitor.reason
      this.#reports.send(monitor)
    } else if (outcome !== 'unknown') {
      this.#reports.sendRefused(monitor)
    }
    const { member, reason } = monitor
    const after = monitor.snapshot()
    const event: { -readonly [K in keyof HealthResultEvent]: HealthResultEvent[K] } = {
      sequence: this.#announce.nextSequence(),
      time,
      member,
      outcome,
      reason,
      durationMs: result.durationMs,
      initial,
      before,
      after,
      state: after.state,
      successes: after.successes,
      failures: after.failures,
    }
    // Not by a spread: V8 makes a hidden class for each of those.
    if (success) event.weightFactor = result.weightFactor
    this.#announce.result(event)
    if (move !== undefined) this.#announceMove(event, move, flaps ? monitor.heldUntil : undefined)
    if (flaps) this.#announce.warning('flapping', `${member.key}: ${reason}`, member)
    this.#noteUnknown(monitor, outcome === 'unknown', now)

    if (outcome === 'unknown') return judged.held
    return !state.decided || (outcome === 'failure' && state.state === 'up')
  }

  #announceMove(result: HealthResultEvent, { from, to }: Decision, heldUntil?: number): void {
    const { time, member, reason, durationMs, initial, before, after } = result
    const sequence = this.#announce.nextSequence()
    const event = { sequence, time, member, from, to, initial, reason, durationMs, before, after }
    this.#announce.transition(heldUntil === undefined ? event : { ...event, heldUntil })
  }

  /** It would be up, but flaps; the reason says so. */
  #holdsBack(monitor: MemberMonitor, now: number): boolean {
    if (!monitor.isHeld(now)) return false
    const holds = mayHold(monitor, this.#all.values(), now)
    monitor.reason += `; ${holds ? '' : 'too few others are up to be '}${heldDown(monitor)}`
    return holds
  }

  /** Whose fault "no route" is. `failures`: how many a failure counts for. `held`: not known yet. */
  #judgeRoute(
    monitor: MemberMonitor,
    { outcome, reason }: AttemptResult,
    now: number,
  ): { outcome: CheckOutcome; reason: string; failures: number; held: boolean } {
    if (outcome !== 'unreachable') {
      if (outcome === 'unknown') this.#uplink.inconclusive(monitor)
      else this.#uplink.reached(monitor)
      return { outcome, reason, failures: 1, held: false }
    }
    const judged = this.#uplink.judge(monitor, now, this.#roundMs())
    switch (judged.kind) {
      case 'fault':
        return { outcome: 'failure', reason, failures: judged.count, held: false }
      case 'uplink': {
        const everybody = `${reason}, as for every member: our own uplink`
        return { outcome: 'unknown', reason: everybody, failures: 0, held: false }
      }
      case 'held': {
        const later = `${reason}; not counted before the other members have been checked`
        return { outcome: 'unknown', reason: later, failures: 0, held: true }
      }
    }
  }

  /** No member's latest result is older than this, unless its check is late. */
  #roundMs(): number {
    const { intervalMs, downIntervalMs, timeout } = this.#settings
    return 2 * (Math.max(intervalMs, downIntervalMs) + timeout.max)
  }

  #noteUnknown(monitor: MemberMonitor, unknown: boolean, now: number): void {
    if (!unknown) {
      monitor.unknownSince = undefined
      monitor.unknownWarned = false
      return
    }
    monitor.unknownSince ??= monitor.startedAt
    const forMs = now - monitor.unknownSince
    if (monitor.unknownWarned || forMs <= this.#settings.unknownLimitMs) return
    monitor.unknownWarned = true
    const { member, state, reason } = monitor
    const message = `${member.key}: nothing found out for ${Math.round(forMs)} ms, its state stays ${state.state}: ${reason}`
    this.#announce.warning('unknown', message, member)
  }
}

/** It has gone down; true if it has done so too often and is held there, as the reason then says. */
function noteDown(monitor: MemberMonitor, now: number, time: number): boolean {
  const heldMs = monitor.flapping?.wentDown(now) ?? 0
  if (heldMs === 0) return false
  monitor.heldUntil = time + heldMs
  monitor.reason += `; flapping, ${heldDown(monitor)}`
  return true
}

/** `held down until 2026-11-23T10:15:30Z`, and not a moment longer */
function heldDown({ heldUntil }: MemberMonitor): string {
  const second = new Date(Math.ceil(heldUntil / 1000) * 1000)
  return `held down until ${second.toISOString().slice(0, 19)}Z`
}
