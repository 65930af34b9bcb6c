// The options of reconcile: meaning, defaults, validation.
import { rangeError, typeError } from '../errors.js'
import { type CallOptions, readApplyOptions } from '../options.js'
import type { ServiceStatus } from '../types.js'
import { checkBoolean, checkOptions } from '../validate.js'

/** Options of {@link Ipvs.reconcile}. */
export interface ReconcileOptions extends CallOptions {
  /**
   * Which services that are not desired are removed: none (the default), all of the namespace (`true`), or those
   * for which your function returns `true`. A function that names your own addresses is the safe choice where other
   * programs use IPVS too.
   */
  readonly prune?: boolean | ((service: ServiceStatus) => boolean)
  /** Lets `prune: true` with nothing desired remove every service of the namespace. Default false. */
  readonly allowEmpty?: boolean
  /**
   * Changes the table only if it is the one with this digest (`tableDigest`) as it is read for this call; otherwise it rejects
   * with `ERR_IPVS_CHANGED`. Between that read and the first change another process may still come: the kernel has no
   * way to ask for both at once. Default: whatever table is there.
   */
  readonly ifDigest?: string | undefined
  /** Returns the changes and sends nothing. Default false. */
  readonly dryRun?: boolean
  /** Withdraws what is not sent yet. Default: none. */
  readonly signal?: AbortSignal
}

export interface ReadOptions {
  readonly prunes: (service: ServiceStatus) => boolean
  /** An empty list of desired services would remove everything. */
  readonly refusesEmpty: boolean
  readonly ifDigest: string | undefined
  readonly dryRun: boolean
  readonly signal: AbortSignal | undefined
  readonly deadlineMs: number
}

const NAMES = ['prune', 'allowEmpty', 'ifDigest', 'dryRun', 'signal', 'deadlineMs'] as const

export function readReconcileOptions(
  options: ReconcileOptions | undefined,
  defaultDeadlineMs: number,
): ReadOptions {
  const fields = checkOptions(options, 'options', NAMES)
  const { signal, deadlineMs } = fields as ReconcileOptions
  const shared = readApplyOptions({ signal, deadlineMs } as CallOptions, defaultDeadlineMs)
  const allowEmpty = readFlag(fields.allowEmpty, 'options.allowEmpty')
  return {
    prunes: readPrune(fields.prune),
    refusesEmpty: fields.prune === true && !allowEmpty,
    ifDigest: readDigest(fields.ifDigest),
    dryRun: readFlag(fields.dryRun, 'options.dryRun'),
    signal: shared.signal,
    deadlineMs: shared.deadlineMs,
  }
}

function readPrune(prune: unknown): ReadOptions['prunes'] {
  if (prune === undefined || prune === false) return () => false
  if (prune === true) return () => true
  if (typeof prune !== 'function') {
    throw typeError('options.prune', 'true, false or a function of a service', prune)
  }
  return (service) => {
    const answer: unknown = prune(service)
    if (typeof answer === 'boolean') return answer
    // A promise is truthy: an async function would remove everything.
    throw typeError('options.prune', 'a function that returns true or false at once', answer)
  }
}

function readDigest(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw typeError('options.ifDigest', 'a digest, as tableDigest gives it', value)
}

function readFlag(value: unknown, option: string): boolean {
  return value !== undefined && checkBoolean(value, option)
}

/** @throws RangeError if nothing is desired and that would remove every service */
export function checkNotEmpty(count: number, { refusesEmpty }: ReadOptions): void {
  if (count > 0 || !refusesEmpty) return
  const rule =
    'at least one service with prune: true, which would remove every service of the namespace; ' +
    'if that is meant, set allowEmpty: true'
  throw rangeError('desired', rule, [])
}
