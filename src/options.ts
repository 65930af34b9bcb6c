// The options of the client's calls: meaning, defaults, validation.
import { rangeError, typeError } from './errors.js'
import { CONNECT } from './kernel/kernel.js'
import { type Netns, readNetns } from './netns.js'
// biome-ignore lint/style/noRestrictedImports: its type only, which is nothing at run time
import type { MemoryKernel } from './testing/memory-kernel.js'
import { checkInteger, checkOptions, checkSignal } from './validate.js'

/** Options of {@link Ipvs.open}. */
export interface OpenOptions {
  /**
   * Network namespace: a name of `ip netns`, a path (anything with a `/`), or the namespace of a process or of an
   * open file. Default: the namespace of this process.
   */
  readonly netns?: Netns
  /** Default deadline of every call, in milliseconds. Default 5000. */
  readonly deadlineMs?: number
  /** For tests: a `MemoryKernel` of `ipvs/testing` in place of the real kernel. It is its own namespace. Default: the real one. */
  readonly kernel?: MemoryKernel
}

/** Options of every call that asks the kernel once. */
export interface CallOptions {
  /** How long the promise may take, in milliseconds; default: the client's. */
  readonly deadlineMs?: number
}

/** Options of {@link Ipvs.apply}. */
export interface ApplyOptions extends CallOptions {
  /** `'throw'` rejects with {@link IpvsApplyError} if any change was not applied, after all have run. Default: the result says it. */
  readonly onError?: 'throw'
  /** `'bulk'` lets other calls go first between two batches. Default: they wait. */
  readonly priority?: 'bulk'
  /** Withdraws what is not sent yet. Default: none. */
  readonly signal?: AbortSignal
}

const DEADLINE_MS = 5000
const MAX_DEADLINE_MS = 2_147_483_647 // setTimeout takes no more

export function readOpenOptions(options: OpenOptions | undefined) {
  const names = ['netns', 'deadlineMs', 'kernel'] as const
  const { netns, deadlineMs, kernel } = checkOptions(options, 'options', names)
  return {
    where: readNetns(netns, 'options.netns'),
    deadlineMs: readDeadline(deadlineMs, DEADLINE_MS),
    kernel: readKernel(kernel, netns),
  }
}

function readKernel(kernel: unknown, netns: unknown): MemoryKernel | undefined {
  if (kernel === undefined) return undefined
  if (typeof kernel !== 'object' || kernel === null || !(CONNECT in kernel)) {
    throw typeError('options.kernel', 'a MemoryKernel of "ipvs/testing"', kernel)
  }
  if (netns === undefined) return kernel as MemoryKernel
  throw typeError('options.netns', 'left out: a MemoryKernel is one namespace of its own', netns)
}

/** The deadline of one call. */
export function readCallOptions(options: CallOptions | undefined, deadlineMs: number): number {
  const fields = checkOptions(options, 'options', ['deadlineMs'])
  return readDeadline(fields.deadlineMs, deadlineMs)
}

/** {@link ApplyOptions}, checked. */
export interface ReadApplyOptions {
  readonly throws: boolean
  readonly bulk: boolean
  readonly signal: AbortSignal | undefined
  readonly deadlineMs: number
}

export function readApplyOptions(
  options: ApplyOptions | undefined,
  deadlineMs: number,
): ReadApplyOptions {
  const names = ['onError', 'priority', 'signal', 'deadlineMs'] as const
  const fields = checkOptions(options, 'options', names)
  checkOneOf(fields.onError, 'options.onError', 'throw')
  checkOneOf(fields.priority, 'options.priority', 'bulk')
  return {
    throws: fields.onError === 'throw',
    bulk: fields.priority === 'bulk',
    signal: checkSignal(fields.signal, 'options.signal'),
    deadlineMs: readDeadline(fields.deadlineMs, deadlineMs),
  }
}

function readDeadline(value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  return checkInteger(value, 'options.deadlineMs', 1, MAX_DEADLINE_MS)
}

function checkOneOf(value: unknown, option: string, only: string): void {
  if (value === undefined || value === only) return
  const rule = `"${only}" or absent`
  throw typeof value === 'string' ? rangeError(option, rule, value) : typeError(option, rule, value)
}
