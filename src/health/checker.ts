// HealthChecker: asks a check about each member, counts rise and fall, tells the targets. It programs nothing.
import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { stay } from '../abort.js'
import { IpvsError } from '../errors.js'
import { CheckSession } from './check-session.js'
import { type HealthCheckerOptions, readOptions, readTargets, type Settings } from './options.js'
import type {
  HealthMember,
  HealthResultEvent,
  HealthStatus,
  HealthTarget,
  HealthTransitionEvent,
  HealthWarningCode,
  HealthWarningEvent,
} from './types.js'

/** The events of a checker, with what their listeners get. */
export interface HealthCheckerEvents {
  /** A member is up or down now and was not before. Comes after the targets were told. */
  transition: [event: HealthTransitionEvent]
  /** A check has ended. */
  result: [event: HealthResultEvent]
  /** Something needs a person's attention. */
  warning: [event: HealthWarningEvent]
}

const CHANNELS = {
  transition: channel('ipvs:health-transition'),
  result: channel('ipvs:health-result'),
  warning: channel('ipvs:health-warning'),
}

/**
 * Checks the members of one or more targets and reports verdicts to them. A member that several targets share
 * (same key) is checked once.
 *
 * A listener that throws or rejects is reported as a `warning` and never reaches the schedule; one of `warning`
 * itself is reported with `process.emitWarning`. No `error` event is ever emitted. All events also go to
 * `diagnostics_channel`: `ipvs:health-transition`, `ipvs:health-result`, `ipvs:health-warning`.
 */
export class HealthChecker extends EventEmitter<HealthCheckerEvents> {
  readonly #targets: readonly HealthTarget[]
  readonly #settings: Settings
  /** Of the present run, or of the last one. */
  #session: CheckSession | undefined
  #running = false
  /** Lets the process end. */
  #leave = () => {}
  #stopping: Promise<void> = Promise.resolve()
  #ready = new Ready()
  #sequence = 0

  /** @throws ArgumentError for an option that cannot be used. */
  constructor(targets: HealthTarget | readonly HealthTarget[], options: HealthCheckerOptions) {
    super()
    this.#targets = readTargets(targets)
    this.#settings = readOptions(options)
  }

  /**
   * Starts checking; all members at once, as far as `maxInFlight` allows. The process stays alive
   * until `stop()`, unless the option `ref` is false.
   * Does nothing if started already. After `stop()` it starts anew from the states that the targets presume.
   *
   * @throws what a target's `members()` throws, and ArgumentError for a member that cannot be checked.
   */
  start(): void {
    if (this.#running) return
    const ready = this.#ready
    this.#session = new CheckSession(this.#targets, this.#settings, {
      nextSequence: () => ++this.#sequence,
      result: (event) => this.#publish('result', event),
      transition: (event) => this.#publish('transition', event),
      warning: (code, message, member, error) => this.#warn(code, message, member, error),
      ready: () => ready.resolve(),
    })
    this.#running = true
    if (this.#settings.ref) this.#leave = stay()
  }

  /**
   * Aborts the running checks; no verdict is reported any more. Resolves when they have settled, or `timeoutMs`
   * later with a `warning` about those that ignore their signal. Pending `ready()` promises reject.
   */
  stop(): Promise<void> {
    if (this.#running && this.#session !== undefined) {
      this.#running = false
      this.#leave()
      this.#ready.reject()
      this.#ready = new Ready()
      this.#stopping = this.#session.stop()
    }
    return this.#stopping
  }

  /**
   * Resolves when each member of the first round has a verdict and the targets have answered to it: `rise` or `fall`
   * reached, or the presumed state confirmed by one result. Members added later do not delay it. Members without
   * a verdict `unknownLimitMs` after the start are no longer waited for; a `warning` names them. Called before
   * `start()` it waits for the start.
   *
   * @throws IpvsError `ERR_IPVS_CLOSED` (rejects) if the checker is stopped first.
   */
  ready(): Promise<void> {
    return this.#ready.promise
  }

  /** One row per member, for example for `console.table`. After `stop()` the rows stay as they were. */
  status(): HealthStatus[] {
    return this.#session?.status() ?? []
  }

  #warn(code: HealthWarningCode, message: string, member?: HealthMember, error?: unknown): void {
    this.#publish('warning', {
      sequence: ++this.#sequence,
      time: Date.now(),
      code,
      message,
      ...(member === undefined ? {} : { member }),
      ...(error === undefined ? {} : { error }),
    })
  }

  #publish<K extends keyof HealthCheckerEvents>(name: K, event: HealthCheckerEvents[K][0]): void {
    if (CHANNELS[name].hasSubscribers) CHANNELS[name].publish(event)
    for (const listener of this.rawListeners(name)) {
      try {
        const returned: unknown = Reflect.apply(listener, this, [event])
        if (returned instanceof Promise)
          returned.catch((error: unknown) => this.#listenerFailed(name, error))
      } catch (error) {
        this.#listenerFailed(name, error)
      }
    }
  }

  #listenerFailed(name: keyof HealthCheckerEvents, error: unknown): void {
    const message = `a listener of '${name}' has thrown`
    if (name === 'warning') {
      process.emitWarning(
        `ipvs HealthChecker: ${message}: ${error instanceof Error ? error.stack : error}`,
      )
    } else {
      this.#warn('listener', message, undefined, error)
    }
  }
}

/** A promise that may be rejected without anyone looking. */
class Ready {
  readonly promise: Promise<void>
  #resolve: (() => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.promise.catch(() => {})
  }

  resolve(): void {
    this.#resolve?.()
  }

  reject(): void {
    this.#reject?.(
      new IpvsError(
        'ERR_IPVS_CLOSED',
        'the checker was stopped before its first round was complete',
      ),
    )
  }
}
