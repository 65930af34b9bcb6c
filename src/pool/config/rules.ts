// The options that decide about servers together: quorum, fail-open, slow start, changes per minute.
import { rangeError, typeError } from '../../errors.js'
import { checkInteger, checkName, checkOptions, DAY_MS } from '../../validate.js'
import type { PoolPanic, PoolQuorum, PoolSlowStart } from '../api.js'

/** Every option is there. */
type Read<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> }

/** The options, read: every default filled in. */
export interface Rules {
  readonly quorum: Read<PoolQuorum> | undefined
  readonly panic: PoolPanic | undefined
  readonly slowStart: Read<PoolSlowStart> | undefined
  /** Infinity: as many as there are. */
  readonly maxChangesPerMinute: number
}

const UNITS = names('servers', 'weight')
const ON_LOST = names('keep', 'refuse', 'withdraw')
const ACTIONS = names('freeze', 'all-up')
/** Schedulers that send in proportion to the weight; with sh and mh another weight moves clients to other servers. */
const PROPORTIONAL = ['wrr', 'wlc', 'sed', 'nq']
const MAX_COUNT = 0x7fffffff

/** @throws TypeError, RangeError naming the option */
export function readRules(
  fields: Readonly<Record<'quorum' | 'panic' | 'slowStart' | 'maxChangesPerMinute', unknown>>,
  scheduler: unknown,
): Rules {
  const { maxChangesPerMinute: most } = fields
  return {
    quorum: fields.quorum === undefined ? undefined : readQuorum(fields.quorum),
    panic: fields.panic === undefined ? undefined : readPanic(fields.panic),
    slowStart:
      fields.slowStart === undefined ? undefined : readSlowStart(fields.slowStart, scheduler),
    maxChangesPerMinute:
      most === undefined
        ? Number.POSITIVE_INFINITY
        : checkInteger(most, 'options.maxChangesPerMinute', 1, MAX_COUNT),
  }
}

function readQuorum(value: unknown): Read<PoolQuorum> {
  const fields = checkOptions(value ?? null, 'options.quorum', ['up', 'down', 'unit', 'onLost'])
  const { unit = 'servers', onLost = 'keep' } = fields
  const up = checkInteger(fields.up, 'options.quorum.up', 1, MAX_COUNT)
  const down = checkInteger(fields.down ?? up, 'options.quorum.down', 1, MAX_COUNT)
  if (down > up) throw rangeError('options.quorum.down', `at most quorum.up, which is ${up}`, down)
  return {
    up,
    down,
    unit: checkName(unit, 'options.quorum.unit', UNITS),
    onLost: checkName(onLost, 'options.quorum.onLost', ON_LOST),
  }
}

function readPanic(value: unknown): PoolPanic {
  const fields = checkOptions(value ?? null, 'options.panic', ['minHealthyPercent', 'action'])
  return {
    minHealthyPercent: checkInteger(
      fields.minHealthyPercent,
      'options.panic.minHealthyPercent',
      1,
      100,
    ),
    action: checkName(fields.action, 'options.panic.action', ACTIONS),
  }
}

function readSlowStart(value: unknown, scheduler: unknown): Read<PoolSlowStart> {
  const fields = checkOptions(value ?? null, 'options.slowStart', ['durationMs', 'steps', 'from'])
  const { steps = 10, from = 0.1 } = fields
  if (!PROPORTIONAL.includes(scheduler as string)) {
    const rule = `left out: scheduler "${scheduler}" does not send in proportion to the weight, as ${PROPORTIONAL.join(', ')} do`
    throw rangeError('options.slowStart', rule, value)
  }
  if (typeof from !== 'number') {
    throw typeError('options.slowStart.from', 'a number above 0 and below 1', from)
  }
  if (!(from > 0 && from < 1)) {
    throw rangeError('options.slowStart.from', 'a number above 0 and below 1', from)
  }
  return {
    durationMs: checkInteger(fields.durationMs, 'options.slowStart.durationMs', 1, DAY_MS),
    steps: checkInteger(steps, 'options.slowStart.steps', 1, 1000),
    from,
  }
}

function names<T extends string>(...all: readonly T[]): ReadonlyMap<string, T> {
  return new Map(all.map((name) => [name, name]))
}
