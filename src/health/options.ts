// The checker's options: meaning, defaults, validation.
import { rangeError, typeError } from '../errors.js'
import { checkBoolean, checkInteger, checkOptions, DAY_MS } from '../validate.js'
import { type HoldDownOptions, type HoldDownSettings, readHoldDown } from './hold-down.js'
import type { TimeLimitSettings } from './time-limit.js'
import type { Check, HealthTarget } from './types.js'

/** All times are whole milliseconds. */
export interface HealthCheckerOptions {
  /** What to do for each member: `checks.tcp()`, `checks.dns({ name: 'example.org' })` or your own function. */
  readonly check: Check
  /** From one check of a member to the next; a fixed rate, however long the checks take. 10 to 86,400,000, default 1000. */
  readonly intervalMs?: number | undefined
  /**
   * After this a check counts as failed, whatever it does. 1 to 86,400,000, default 500 or `intervalMs` if that is less.
   *
   * With `min` and `max` it follows, between them, what the answers of each member take: their mean and four deviations, as TCP's
   * retransmission timer (RFC 6298). Before the first answer it is `max`, and each check without an answer in time doubles it.
   * So a dead server is found soon on a quick network, and a slow one is not taken for dead.
   */
  readonly timeoutMs?:
    | number
    | {
        /** Milliseconds. */
        readonly min: number
        /** Milliseconds. */
        readonly max: number
      }
    | undefined
  /** Successes in a row that make a member up. 1 to 1000, default 2. */
  readonly rise?: number | undefined
  /** Failures in a row that make a member down. 1 to 1000, default 3. */
  readonly fall?: number | undefined
  /**
   * Pause before the next check while something is being decided: an up member has failed, or a member has no
   * decision yet. 1 to `intervalMs`, default 250 or `intervalMs` if that is less.
   */
  readonly retryDelayMs?: number | undefined
  /** `intervalMs` for members that are down. Default `intervalMs`. */
  readonly downIntervalMs?: number | undefined
  /**
   * Part of the interval by which each check is moved at random, half of it to either side, so that several
   * directors do not fall into step. 0 to 1, default 0.1. Members are spread over the interval in any case.
   */
  readonly jitter?: number | undefined
  /** Results of a member unknown for longer than this cause a `warning`. 1 to 86,400,000, default 30,000. */
  readonly unknownLimitMs?: number | undefined
  /**
   * Keeps members down that flap, although their checks pass; `{}` for its defaults. Without it (default) a member
   * comes up as soon as `rise` says so. In no target more members are held down than are up.
   */
  readonly holdDown?: HoldDownOptions | undefined
  /**
   * Checks running at the same time; the others wait for their turn. Each has one or two sockets. Enough for all
   * members that may be silent at once: those run until `timeoutMs`. 1 to 65,535, default 4096.
   */
  readonly maxInFlight?: number | undefined
  /**
   * Whether the process stays alive from `start()` to `stop()`, also while there is nobody to check. Default true; with false
   * only the checks under way keep it.
   */
  readonly ref?: boolean | undefined
}

/** The options with every default filled in. */
export type Settings = {
  readonly [K in Exclude<keyof HealthCheckerOptions, 'holdDown' | 'timeoutMs'>]-?: Exclude<
    HealthCheckerOptions[K],
    undefined
  >
} & { readonly holdDown: HoldDownSettings | undefined; readonly timeout: TimeLimitSettings }

export function readOptions(options: HealthCheckerOptions): Settings {
  const fields = checkOptions(options, 'options', [
    'check',
    'intervalMs',
    'timeoutMs',
    'rise',
    'fall',
    'retryDelayMs',
    'downIntervalMs',
    'jitter',
    'unknownLimitMs',
    'holdDown',
    'maxInFlight',
    'ref',
  ])
  const { check, jitter = 0.1, ref = true } = fields
  if (!isCheck(check))
    throw typeError('options.check', 'a function, for example checks.tcp()', check)
  if (typeof jitter !== 'number') throw typeError('options.jitter', 'a number from 0 to 1', jitter)
  if (!(jitter >= 0 && jitter <= 1)) throw rangeError('options.jitter', 'from 0 to 1', jitter)

  const integer = (name: keyof typeof fields, fallback: number, min: number, max: number) => {
    const value = fields[name]
    return value === undefined ? fallback : checkInteger(value, `options.${name}`, min, max)
  }
  const intervalMs = integer('intervalMs', 1000, 10, DAY_MS)
  return {
    check,
    intervalMs,
    timeout: readTimeout(fields.timeoutMs, Math.min(500, intervalMs)),
    rise: integer('rise', 2, 1, 1000),
    fall: integer('fall', 3, 1, 1000),
    retryDelayMs: integer('retryDelayMs', Math.min(250, intervalMs), 1, intervalMs),
    downIntervalMs: integer('downIntervalMs', intervalMs, 10, DAY_MS),
    jitter,
    unknownLimitMs: integer('unknownLimitMs', 30_000, 1, DAY_MS),
    holdDown: readHoldDown(fields.holdDown),
    maxInFlight: integer('maxInFlight', 4096, 1, 65_535),
    ref: checkBoolean(ref, 'options.ref'),
  }
}

function readTimeout(value: unknown, fallback: number): TimeLimitSettings {
  if (typeof value !== 'object' || value === null) {
    const ms = value === undefined ? fallback : checkInteger(value, 'options.timeoutMs', 1, DAY_MS)
    return { min: ms, max: ms }
  }
  const { min, max } = checkOptions(value, 'options.timeoutMs', ['min', 'max'])
  const least = checkInteger(min, 'options.timeoutMs.min', 1, DAY_MS)
  return { min: least, max: checkInteger(max, 'options.timeoutMs.max', least, DAY_MS) }
}

function isCheck(value: unknown): value is Check {
  return typeof value === 'function'
}

export function readTargets(
  targets: HealthTarget | readonly HealthTarget[],
): readonly HealthTarget[] {
  const list: readonly unknown[] = Array.isArray(targets) ? targets : [targets]
  for (const target of list) {
    if (!isTarget(target)) {
      throw typeError('targets', 'a pool, or objects with members, report and onMembers', target)
    }
  }
  return [...new Set(list as readonly HealthTarget[])]
}

function isTarget(value: unknown): value is HealthTarget {
  if (typeof value !== 'object' || value === null) return false
  return ['members', 'report', 'onMembers'].every(
    (name) => typeof Reflect.get(value, name) === 'function',
  )
}
