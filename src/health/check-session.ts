// What happens between start and stop: members come and go, and each is checked when it is due.
import type { Announce } from './announce.js'
import { Attempt } from './attempt.js'
import { beginOf } from './begin.js'
import { DueQueue } from './due-queue.js'
import { FirstRound } from './first-round.js'
import { LoopLag } from './loop-lag.js'
import { MemberMonitor } from './member-monitor.js'
import { type Listed, listMembers } from './members.js'
import type { Settings } from './options.js'
import { Reports } from './reports.js'
import { ResultEvaluator } from './result-evaluator.js'
import { phaseOf, Schedule } from './schedule.js'
import type { HealthStatus, HealthTarget } from './types.js'
import { Uplink } from './uplink.js'

export class CheckSession {
  readonly #targets: readonly HealthTarget[]
  readonly #settings: Settings
  readonly #announce: Announce
  readonly #queue: DueQueue<MemberMonitor>
  readonly #lag: LoopLag
  readonly #reports: Reports
  readonly #evaluator: ResultEvaluator
  readonly #firstRound: FirstRound
  readonly #monitors = new Map<string, MemberMonitor>()
  readonly #uplink = new Uplink()
  /** Checks under way, of removed members too. */
  #running = 0
  readonly #unsubscribe: (() => void)[] = []
  #added = 0
  #resyncDue = false
  #starved = false
  #stopped: (() => void) | undefined

  /** @throws what listing the members throws, or listening to their changes. */
  constructor(targets: readonly HealthTarget[], settings: Settings, announce: Announce) {
    this.#targets = targets
    this.#settings = settings
    this.#announce = announce
    this.#queue = new DueQueue(settings.maxInFlight, (monitor, waitedMs) =>
      this.#check(monitor, waitedMs),
    )
    // Fine enough for this time limit, and no more than 500 wake-ups a second.
    this.#lag = new LoopLag(Math.min(50, Math.max(2, settings.timeout.min / 10)))
    this.#reports = new Reports(announce, (monitor) => this.#firstRound.settle(monitor))
    this.#evaluator = new ResultEvaluator(
      settings,
      this.#monitors,
      this.#uplink,
      this.#reports,
      announce,
    )
    const listed = listMembers(targets)
    try {
      for (const target of targets)
        this.#unsubscribe.push(target.onMembers(() => this.#resyncSoon()))
    } catch (error) {
      // Nobody can stop what has not started: the other targets would wake it.
      this.#unsubscribeAll()
      throw error
    }
    this.#sync(listed)
    this.#firstRound = new FirstRound(this.#monitors.values(), settings.unknownLimitMs, announce)
  }

  /** Stops at once; resolves when the running checks have settled, or are given up. */
  stop(): Promise<void> {
    this.#firstRound.stop()
    this.#queue.clear()
    this.#unsubscribeAll()
    for (const monitor of this.#monitors.values()) {
      monitor.gone = true
      monitor.attempt?.stop(new Error('the checker was stopped'))
    }
    return new Promise((resolve) => {
      this.#stopped = () => {
        this.#lag.stop()
        resolve()
      }
      if (this.#running === 0) this.#stopped()
    })
  }

  status(): HealthStatus[] {
    return [...this.#monitors.values()].map((monitor) => monitor.status())
  }

  // --- members

  #unsubscribeAll(): void {
    for (const unsubscribe of this.#unsubscribe) {
      try {
        unsubscribe()
      } catch (error) {
        const message = 'a target failed to remove the listener of its members'
        this.#announce.warning('target', message, undefined, error)
      }
    }
  }

  /** A pool that changes many members calls its listeners many times: one look at the result is enough. */
  #resyncSoon(): void {
    if (this.#resyncDue) return
    this.#resyncDue = true
    queueMicrotask(() => {
      this.#resyncDue = false
      if (this.#stopped !== undefined) return
      try {
        this.#sync(listMembers(this.#targets))
      } catch (error) {
        const message = 'the members could not be listed; the present ones stay'
        this.#announce.warning('target', message, undefined, error)
      }
    })
  }

  #sync(listed: ReadonlyMap<string, Listed>): void {
    for (const [key, monitor] of this.#monitors) {
      const now = listed.get(key)
      if (now?.member.address === monitor.member.address && now.member.port === monitor.member.port)
        continue
      this.#remove(monitor)
    }
    for (const [key, entry] of listed) {
      const monitor = this.#monitors.get(key) ?? this.#add(entry)
      for (const target of monitor.owners.keys()) {
        if (!entry.owners.has(target)) monitor.owners.delete(target)
      }
      for (const [target, member] of entry.owners) {
        const owner = monitor.owners.get(target)
        if (owner !== undefined && owner.member.instance === member.instance) owner.member = member
        else this.#reports.own(monitor, target, member)
      }
    }
  }

  #remove(monitor: MemberMonitor): void {
    this.#monitors.delete(monitor.member.key)
    this.#uplink.remove(monitor)
    this.#queue.remove(monitor)
    monitor.gone = true
    monitor.attempt?.stop(new Error('the member was removed'))
    this.#firstRound.settle(monitor)
  }

  #add({ member, presumed }: Listed): MemberMonitor {
    const { check, rise, fall, intervalMs, jitter, timeout, holdDown } = this.#settings
    const begin = beginOf(check)
    const now = performance.now()
    const schedule = new Schedule(now, intervalMs, phaseOf(this.#added++), jitter)
    const monitor = new MemberMonitor(
      member,
      presumed,
      begin,
      rise,
      fall,
      schedule,
      timeout,
      holdDown,
    )
    this.#monitors.set(member.key, monitor)
    this.#uplink.add(monitor)
    this.#queue.add(monitor, now)
    return monitor
  }

  // --- schedule

  #check(monitor: MemberMonitor, waitedMs: number): void {
    const timeoutMs = monitor.limit.ms
    this.#noteWait(waitedMs)
    monitor.startedAt = performance.now()
    this.#running++
    let soon = false
    const attempt = new Attempt(timeoutMs, this.#lag, {
      result: (result) => {
        if (result.outcome === 'success') monitor.limit.answered(result.durationMs)
        else if (result.durationMs >= timeoutMs) monitor.limit.missed()
        if (!monitor.gone) soon = this.#evaluator.evaluate(monitor, result)
      },
      // No overlap: the next check waits for this one, but not for ever.
      ended: (settled) => this.#ended(monitor, settled, soon),
    })
    monitor.attempt = attempt
    attempt.run(monitor.begin, monitor.member)
  }

  #ended(monitor: MemberMonitor, settled: boolean, soon: boolean): void {
    monitor.attempt = undefined
    this.#running--
    this.#noteStuck(monitor, settled)
    if (!monitor.gone) this.#queue.add(monitor, this.#due(monitor, soon))
    // When stopped, the queue is empty and stays so.
    this.#queue.release()
    if (this.#running === 0) this.#stopped?.()
  }

  #due(monitor: MemberMonitor, soon: boolean): number {
    const { intervalMs, downIntervalMs, retryDelayMs } = this.#settings
    const interval = monitor.state.state === 'down' ? downIntervalMs : intervalMs
    const now = performance.now()
    return soon
      ? monitor.schedule.retry(now, interval, retryDelayMs)
      : monitor.schedule.next(now, interval)
  }

  #noteWait(waitedMs: number): void {
    const { intervalMs, maxInFlight } = this.#settings
    if (waitedMs > intervalMs && !this.#starved) {
      this.#starved = true
      const waited = `a check has waited ${Math.round(waitedMs)} ms for its turn, the interval is ${intervalMs} ms`
      const advice = `raise maxInFlight (${maxInFlight}) or intervalMs, or lower timeoutMs`
      this.#announce.warning('starved', `${waited}: ${advice}`)
    } else if (waitedMs < intervalMs / 2) {
      this.#starved = false
    }
  }

  #noteStuck(monitor: MemberMonitor, settled: boolean): void {
    if (!settled && !monitor.stuckWarned) {
      const { member } = monitor
      const message = `the check of ${member.key} ignores its signal and was given up as long after its abort as it might have taken`
      this.#announce.warning('stuck', message, member)
    }
    monitor.stuckWarned = !settled
  }
}
