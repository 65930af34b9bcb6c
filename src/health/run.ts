// What happens between start and stop: one loop per member, verdicts to the targets.
import { type AttemptResult, startAttempt } from './attempt.js'
import { LoopLag } from './loop-lag.js'
import { type Listed, listMembers } from './members.js'
import type { Settings } from './options.js'
import { phaseOf, Schedule, sleepUntil } from './schedule.js'
import { Slots } from './slots.js'
import type {
  HealthMember,
  HealthResultEvent,
  HealthStatus,
  HealthTarget,
  HealthTransitionEvent,
  HealthWarningCode,
  HealthWarningEvent,
} from './types.js'
import { judgeNoRoute, noteRoute } from './uplink.js'
import { type Owner, Watched } from './watched.js'

/** Where the run sends what it has to say. None of these throws. */
export interface Announce {
  result(event: HealthResultEvent): void
  transition(event: HealthTransitionEvent): void
  warning(event: HealthWarningEvent): void
  /** The first round is complete. */
  ready(): void
}

export class Run {
  readonly #targets: readonly HealthTarget[]
  readonly #settings: Settings
  readonly #announce: Announce
  readonly #slots: Slots
  readonly #lag: LoopLag
  readonly #watched = new Map<string, Watched>()
  readonly #loops = new Set<Promise<void>>()
  readonly #unsubscribe: (() => void)[] = []
  /** Members of the first round whose decision is not delivered yet. */
  readonly #undecided = new Set<Watched>()
  #readyTimer: NodeJS.Timeout | undefined
  #added = 0
  #resyncDue = false
  #starved = false
  #stopped = false

  /** @throws what listing the members throws. */
  constructor(targets: readonly HealthTarget[], settings: Settings, announce: Announce) {
    this.#targets = targets
    this.#settings = settings
    this.#announce = announce
    this.#slots = new Slots(settings.maxInFlight)
    // Fine enough for this time limit, and no more than 500 wake-ups a second.
    this.#lag = new LoopLag(Math.min(50, Math.max(2, settings.timeoutMs / 10)))
    const listed = listMembers(targets)
    for (const target of targets) this.#unsubscribe.push(target.onMembers(() => this.#resyncSoon()))
    this.#sync(listed)
    for (const watched of this.#watched.values()) this.#undecided.add(watched)
    this.#readyTimer = setTimeout(() => this.#endFirstRound(), settings.unknownLimitMs)
    this.#checkReady()
  }

  /** Stops at once; resolves when the running checks have settled, or are given up. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#readyTimer)
    for (const unsubscribe of this.#unsubscribe) {
      try {
        unsubscribe()
      } catch (error) {
        this.#warn(
          'target',
          'a target failed to remove the listener of its members',
          undefined,
          error,
        )
      }
    }
    for (const watched of this.#watched.values())
      watched.gone.abort(new Error('the checker was stopped'))
    await Promise.all(this.#loops)
  }

  status(): HealthStatus[] {
    return [...this.#watched.values()].map((watched) => watched.status())
  }

  // --- members

  /** A pool that changes many members calls its listeners many times: one look at the result is enough. */
  #resyncSoon(): void {
    if (this.#resyncDue) return
    this.#resyncDue = true
    queueMicrotask(() => {
      this.#resyncDue = false
      if (this.#stopped) return
      try {
        this.#sync(listMembers(this.#targets))
      } catch (error) {
        this.#warn(
          'target',
          'the members could not be listed; the present ones stay',
          undefined,
          error,
        )
      }
    })
  }

  #sync(listed: ReadonlyMap<string, Listed>): void {
    for (const [key, watched] of this.#watched) {
      const now = listed.get(key)
      if (now?.member.address === watched.member.address && now.member.port === watched.member.port)
        continue
      this.#watched.delete(key)
      watched.gone.abort(new Error('the member was removed'))
      if (this.#undecided.delete(watched)) this.#checkReady()
    }
    for (const [key, entry] of listed) {
      const watched = this.#watched.get(key) ?? this.#add(entry)
      for (const target of watched.owners.keys()) {
        if (!entry.owners.has(target)) watched.owners.delete(target)
      }
      for (const [target, member] of entry.owners) {
        const owner = watched.owners.get(target)
        if (owner !== undefined) owner.member = member
        else this.#own(watched, target, member)
      }
    }
  }

  #add({ member, presumed }: Listed): Watched {
    const { rise, fall, intervalMs, jitter } = this.#settings
    const schedule = new Schedule(performance.now(), intervalMs, phaseOf(this.#added++), jitter)
    const watched = new Watched(member, presumed, rise, fall, schedule)
    this.#watched.set(member.key, watched)
    const loop = this.#watch(watched).finally(() => this.#loops.delete(loop))
    this.#loops.add(loop)
    return watched
  }

  #own(watched: Watched, target: HealthTarget, member: HealthMember): void {
    const owner: Owner = { member, calls: 0, accepted: false, refused: false, warned: false }
    watched.owners.set(target, owner)
    // Decided for another target already: nothing to wait for.
    if (watched.state.decided) void this.#report(watched, target, owner)
  }

  // --- schedule

  async #watch(watched: Watched): Promise<void> {
    const { check, timeoutMs } = this.#settings
    const { signal } = watched.gone
    // The first check runs after `start()` has returned.
    await Promise.resolve()
    while (!signal.aborted) {
      watched.inFlight = true
      const asked = performance.now()
      const release = await this.#slots.take(signal)
      if (release === undefined) break
      if (signal.aborted) {
        release()
        break
      }
      this.#noteWait(performance.now() - asked)
      watched.startedAt = performance.now()
      const attempt = startAttempt(check, watched.member, timeoutMs, this.#lag, signal)
      const result = await attempt.result
      let retry = false
      if (!signal.aborted) retry = this.#record(watched, result)
      // No overlap: the next check waits for this one, but not for ever.
      const ended = await attempt.ended
      watched.inFlight = false
      release()
      this.#noteEnd(watched, ended)
      if (!signal.aborted) await sleepUntil(this.#due(watched, retry), signal)
    }
    watched.inFlight = false
  }

  #due(watched: Watched, retry: boolean): number {
    const { intervalMs, downIntervalMs, retryDelayMs } = this.#settings
    const interval = watched.state.state === 'down' ? downIntervalMs : intervalMs
    const now = performance.now()
    return retry
      ? watched.schedule.retry(now, interval, retryDelayMs)
      : watched.schedule.next(now, interval)
  }

  #noteWait(waitedMs: number): void {
    const { intervalMs, maxInFlight } = this.#settings
    if (waitedMs > intervalMs && !this.#starved) {
      this.#starved = true
      const waited = `a check has waited ${Math.round(waitedMs)} ms for its turn, the interval is ${intervalMs} ms`
      this.#warn(
        'starved',
        `${waited}: raise maxInFlight (${maxInFlight}) or intervalMs, or lower timeoutMs`,
      )
    } else if (waitedMs < intervalMs / 2) {
      this.#starved = false
    }
  }

  #noteEnd(watched: Watched, ended: boolean): void {
    if (!ended && !watched.stuckWarned) {
      const message = `the check of ${watched.member.key} ignores its signal and was given up ${this.#settings.timeoutMs} ms after its abort`
      this.#warn('stuck', message, watched.member)
    }
    watched.stuckWarned = !ended
  }

  // --- results

  /** Takes note of a result; true if the next check should come soon. */
  #record(watched: Watched, result: AttemptResult): boolean {
    const { state } = watched
    const now = performance.now()
    const time = Date.now()
    let { outcome, reason } = result
    let failures = 1
    let held = false
    watched.endedAt = now
    watched.routed = outcome === 'success' || outcome === 'failure'
    if (watched.routed) noteRoute(watched)
    if (outcome === 'unreachable') {
      const judged = judgeNoRoute(watched, this.#watched.values(), now, this.#roundMs())
      outcome = judged.kind === 'fault' ? 'failure' : 'unknown'
      if (judged.kind === 'fault') failures = judged.count
      if (judged.kind === 'uplink') reason += ', as for every member: our own uplink'
      if (judged.kind === 'held')
        reason += '; not counted before the other members have been checked'
      held = judged.kind === 'held'
    }

    watched.last = outcome
    watched.lastAt = time
    watched.lastMs = result.durationMs
    watched.reason = reason

    const wasUp = state.state === 'up'
    const factorChanged = outcome === 'success' && result.weightFactor !== watched.weightFactor
    if (outcome === 'success') watched.weightFactor = result.weightFactor
    const decision =
      outcome === 'success'
        ? state.success()
        : outcome === 'failure'
          ? state.failure(failures)
          : undefined
    const changed = decision !== undefined && decision.from !== decision.to
    if (changed) watched.since = time

    // The targets first: a failover does not wait for listeners.
    if (decision !== undefined || (factorChanged && wasUp && state.decided)) {
      watched.decidedAt = time
      watched.decidedBy = reason
      this.#reportAll(watched)
    } else if (outcome !== 'unknown') {
      for (const [target, owner] of watched.owners) {
        if (owner.refused) void this.#report(watched, target, owner)
      }
    }
    const { member } = watched
    this.#announce.result({
      member,
      time,
      outcome,
      reason,
      durationMs: result.durationMs,
      state: state.state,
      successes: state.successes,
      failures: state.failures,
      ...(outcome === 'success' ? { weightFactor: result.weightFactor } : {}),
    })
    if (changed) {
      this.#announce.transition({ member, time, ...decision, reason })
    }
    this.#noteUnknown(watched, outcome === 'unknown', now)

    if (outcome === 'unknown') return held
    return !state.decided || (outcome === 'failure' && state.state === 'up')
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
    const { key } = watched.member
    const kept = `its state stays ${watched.state.state}`
    this.#warn(
      'unknown',
      `${key}: nothing found out for ${Math.round(forMs)} ms, ${kept}: ${watched.reason}`,
      watched.member,
    )
  }

  // --- targets

  #reportAll(watched: Watched): void {
    const reports = [...watched.owners].map(([target, owner]) =>
      this.#report(watched, target, owner),
    )
    if (!this.#undecided.has(watched)) return
    void Promise.all(reports).then(() => {
      if (this.#undecided.delete(watched)) this.#checkReady()
    })
  }

  /** Never rejects. */
  async #report(watched: Watched, target: HealthTarget, owner: Owner): Promise<void> {
    const call = ++owner.calls
    const initial = !owner.accepted && (call === 1 || owner.refused)
    owner.refused = false
    try {
      await target.report(owner.member, watched.verdict(initial))
      owner.accepted = true
      owner.warned = false
    } catch (error) {
      // Only the latest verdict is worth repeating.
      if (call === owner.calls) owner.refused = true
      if (owner.warned) return
      owner.warned = true
      const { key } = watched.member
      this.#warn(
        'target',
        `${key}: the target refused the verdict; it will be repeated`,
        watched.member,
        error,
      )
    }
  }

  // --- first round

  #checkReady(): void {
    if (this.#readyTimer === undefined || this.#undecided.size > 0) return
    clearTimeout(this.#readyTimer)
    this.#readyTimer = undefined
    this.#announce.ready()
  }

  #endFirstRound(): void {
    const left = [...this.#undecided].map((watched) => watched.member.key)
    const names =
      left.length > 5
        ? `${left.slice(0, 5).join(', ')} and ${left.length - 5} more`
        : left.join(', ')
    this.#undecided.clear()
    const limit = `${this.#settings.unknownLimitMs} ms after the start`
    this.#warn(
      'undecided',
      `${limit} there is no verdict, or none delivered, on ${names}: ready without`,
    )
    this.#checkReady()
  }

  #warn(code: HealthWarningCode, message: string, member?: HealthMember, error?: unknown): void {
    this.#announce.warning({
      code,
      message,
      time: Date.now(),
      ...(member === undefined ? {} : { member }),
      ...(error === undefined ? {} : { error }),
    })
  }
}
