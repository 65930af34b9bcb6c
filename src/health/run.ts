// What happens between start and stop: members come and go, and each is checked when it is due.
import type { Announce } from './announce.js'
import { Attempt } from './attempt.js'
import { FirstRound } from './first-round.js'
import { Judge } from './judge.js'
import { LoopLag } from './loop-lag.js'
import { type Listed, listMembers } from './members.js'
import type { Settings } from './options.js'
import { Reports } from './reports.js'
import { phaseOf, Schedule } from './schedule.js'
import { Timetable } from './timetable.js'
import type { HealthStatus, HealthTarget } from './types.js'
import { Uplink } from './uplink.js'
import { Watched } from './watched.js'

export class Run {
  readonly #targets: readonly HealthTarget[]
  readonly #settings: Settings
  readonly #announce: Announce
  readonly #timetable: Timetable<Watched>
  readonly #lag: LoopLag
  readonly #reports: Reports
  readonly #judge: Judge
  readonly #firstRound: FirstRound
  readonly #watched = new Map<string, Watched>()
  readonly #uplink = new Uplink()
  /** Those with a check under way, removed ones included. */
  readonly #running = new Set<Watched>()
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
    this.#timetable = new Timetable(settings.maxInFlight, (watched, waitedMs) =>
      this.#check(watched, waitedMs),
    )
    // Fine enough for this time limit, and no more than 500 wake-ups a second.
    this.#lag = new LoopLag(Math.min(50, Math.max(2, settings.timeoutMs / 10)))
    this.#reports = new Reports(announce, (watched) => this.#firstRound.settle(watched))
    this.#judge = new Judge(settings, this.#watched, this.#uplink, this.#reports, announce)
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
    this.#firstRound = new FirstRound(this.#watched.values(), settings.unknownLimitMs, announce)
  }

  /** Stops at once; resolves when the running checks have settled, or are given up. */
  stop(): Promise<void> {
    this.#firstRound.stop()
    this.#timetable.clear()
    this.#unsubscribeAll()
    for (const watched of this.#watched.values()) {
      watched.gone = true
      watched.attempt?.stop(new Error('the checker was stopped'))
    }
    return new Promise((resolve) => {
      this.#stopped = resolve
      if (this.#running.size === 0) resolve()
    })
  }

  status(): HealthStatus[] {
    return [...this.#watched.values()].map((watched) => watched.status())
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
    for (const [key, watched] of this.#watched) {
      const now = listed.get(key)
      if (now?.member.address === watched.member.address && now.member.port === watched.member.port)
        continue
      this.#remove(watched)
    }
    for (const [key, entry] of listed) {
      const watched = this.#watched.get(key) ?? this.#add(entry)
      for (const target of watched.owners.keys()) {
        if (!entry.owners.has(target)) watched.owners.delete(target)
      }
      for (const [target, member] of entry.owners) {
        const owner = watched.owners.get(target)
        if (owner !== undefined && owner.member.instance === member.instance) owner.member = member
        else this.#reports.own(watched, target, member)
      }
    }
  }

  #remove(watched: Watched): void {
    this.#watched.delete(watched.member.key)
    this.#uplink.remove(watched)
    this.#timetable.remove(watched)
    watched.gone = true
    watched.attempt?.stop(new Error('the member was removed'))
    this.#firstRound.settle(watched)
  }

  #add({ member, presumed }: Listed): Watched {
    const { rise, fall, intervalMs, jitter, holdDown } = this.#settings
    const now = performance.now()
    const schedule = new Schedule(now, intervalMs, phaseOf(this.#added++), jitter)
    const watched = new Watched(member, presumed, rise, fall, schedule, holdDown)
    this.#watched.set(member.key, watched)
    this.#uplink.add(watched)
    this.#timetable.add(watched, now)
    return watched
  }

  // --- schedule

  #check(watched: Watched, waitedMs: number): void {
    const { check, timeoutMs } = this.#settings
    this.#noteWait(waitedMs)
    watched.startedAt = performance.now()
    this.#running.add(watched)
    const controller = watched.signals.next()
    let soon = false
    watched.attempt = new Attempt(check, watched.member, controller, timeoutMs, this.#lag, {
      result: (result) => {
        if (!watched.gone) soon = this.#judge.take(watched, result)
      },
      // No overlap: the next check waits for this one, but not for ever.
      ended: (settled) => this.#ended(watched, settled, soon),
    })
  }

  #ended(watched: Watched, settled: boolean, soon: boolean): void {
    watched.attempt = undefined
    this.#running.delete(watched)
    this.#noteStuck(watched, settled)
    if (!watched.gone) this.#timetable.add(watched, this.#due(watched, soon))
    // When stopped, the timetable is empty and stays so.
    this.#timetable.release()
    if (this.#running.size === 0) this.#stopped?.()
  }

  #due(watched: Watched, soon: boolean): number {
    const { intervalMs, downIntervalMs, retryDelayMs } = this.#settings
    const interval = watched.state.state === 'down' ? downIntervalMs : intervalMs
    const now = performance.now()
    return soon
      ? watched.schedule.retry(now, interval, retryDelayMs)
      : watched.schedule.next(now, interval)
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

  #noteStuck(watched: Watched, settled: boolean): void {
    if (!settled && !watched.stuckWarned) {
      const { member } = watched
      const message = `the check of ${member.key} ignores its signal and was given up ${this.#settings.timeoutMs} ms after its abort`
      this.#announce.warning('stuck', message, member)
    }
    watched.stuckWarned = !settled
  }
}
