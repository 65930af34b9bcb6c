// What a result means for its member: the state, the verdict for the targets, the events.
import type { Announce } from './announce.js'
import type { AttemptResult } from './attempt.js'
import { mayHold } from './hold-down.js'
import type { Settings } from './options.js'
import type { Reports } from './reports.js'
import type { CheckOutcome } from './types.js'
import { judgeNoRoute, noteRoute } from './uplink.js'
import type { Watched } from './watched.js'

export class Judge {
  readonly #settings: Settings
  readonly #all: ReadonlyMap<string, Watched>
  readonly #reports: Reports
  readonly #announce: Announce

  /** `all`: the members that results are compared with. */
  constructor(
    settings: Settings,
    all: ReadonlyMap<string, Watched>,
    reports: Reports,
    announce: Announce,
  ) {
    this.#settings = settings
    this.#all = all
    this.#reports = reports
    this.#announce = announce
  }

  /** Takes note of a result; true if the next check should come soon. */
  take(watched: Watched, result: AttemptResult): boolean {
    const { state, member } = watched
    const { durationMs } = result
    const now = performance.now()
    const time = Date.now()
    const before = watched.snapshot()
    const initial = !state.decided
    watched.endedAt = now
    const judged = this.#judgeRoute(watched, result, now)
    const { outcome } = judged
    let { reason } = judged

    const factorChanged = outcome === 'success' && result.weightFactor !== watched.weightFactor
    if (outcome === 'success') watched.weightFactor = result.weightFactor
    const holdBack = () => {
      if (!watched.isHeld(now)) return false
      const holds = mayHold(watched, this.#all.values(), now)
      reason += `; ${holds ? '' : 'too few others are up to be '}${heldDown(watched)}`
      return holds
    }
    const decision =
      outcome === 'success'
        ? state.success(holdBack)
        : outcome === 'failure'
          ? state.failure(judged.failures)
          : undefined
    const changed = decision !== undefined && decision.from !== decision.to
    if (changed) watched.since = time
    const isDown = changed && decision.from === 'up'
    const heldMs = isDown ? (watched.flapping?.wentDown(now) ?? 0) : 0
    if (heldMs > 0) {
      watched.heldUntil = time + heldMs
      reason += `; flapping, ${heldDown(watched)}`
    }
    watched.last = outcome
    watched.lastAt = time
    watched.lastMs = durationMs
    watched.reason = reason

    // The targets first: a failover does not wait for listeners.
    if (decision !== undefined || (factorChanged && before.state === 'up' && state.decided)) {
      watched.decidedAt = time
      watched.decidedBy = reason
      this.#reports.send(watched)
    } else if (outcome !== 'unknown') {
      this.#reports.sendRefused(watched)
    }

    const after = watched.snapshot()
    const { weightFactor } = result
    const event = {
      sequence: this.#announce.nextSequence(),
      time,
      member,
      outcome,
      reason,
      durationMs,
      initial,
      before,
      after,
      state: after.state,
      successes: after.successes,
      failures: after.failures,
    }
    this.#announce.result(outcome === 'success' ? { ...event, weightFactor } : event)
    if (changed) {
      const { from, to } = decision
      const sequence = this.#announce.nextSequence()
      const move = { sequence, time, member, from, to, initial, reason, durationMs, before, after }
      const { heldUntil } = watched
      this.#announce.transition(heldMs > 0 ? { ...move, heldUntil } : move)
    }
    if (heldMs > 0) this.#announce.warning('flapping', `${member.key}: ${reason}`, member)
    this.#noteUnknown(watched, outcome === 'unknown', now)

    if (outcome === 'unknown') return judged.held
    return !state.decided || (outcome === 'failure' && state.state === 'up')
  }

  /** Whose fault "no route" is. `failures`: how many a failure counts for. `held`: not known yet. */
  #judgeRoute(
    watched: Watched,
    { outcome, reason }: AttemptResult,
    now: number,
  ): { outcome: CheckOutcome; reason: string; failures: number; held: boolean } {
    watched.routed = outcome === 'success' || outcome === 'failure'
    if (watched.routed) noteRoute(watched)
    if (outcome !== 'unreachable') return { outcome, reason, failures: 1, held: false }
    const judged = judgeNoRoute(watched, this.#all.values(), now, this.#roundMs())
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
    const { intervalMs, downIntervalMs, timeoutMs } = this.#settings
    return 2 * (Math.max(intervalMs, downIntervalMs) + timeoutMs)
  }

  #noteUnknown(watched: Watched, unknown: boolean, now: number): void {
    if (!unknown) {
      watched.unknownSince = undefined
      watched.unknownWarned = false
      return
    }
    watched.unknownSince ??= watched.startedAt
    const forMs = now - watched.unknownSince
    if (watched.unknownWarned || forMs <= this.#settings.unknownLimitMs) return
    watched.unknownWarned = true
    const { member, state, reason } = watched
    const message = `${member.key}: nothing found out for ${Math.round(forMs)} ms, its state stays ${state.state}: ${reason}`
    this.#announce.warning('unknown', message, member)
  }
}

/** `held down until 2026-11-23T10:15:30Z`, and not a moment longer */
function heldDown({ heldUntil }: Watched): string {
  const second = new Date(Math.ceil(heldUntil / 1000) * 1000)
  return `held down until ${second.toISOString().slice(0, 19)}Z`
}
