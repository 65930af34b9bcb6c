// The library's errors: codes by (command, errno), never by text; bad arguments have a class of their own.
import { getSystemErrorName } from 'node:util'
import type { IpvsErrorCode } from './error-codes.js'
import type { ApplyResult, Change } from './types.js'

/** The IPVS generic-netlink command that failed, by its kernel name. */
export type IpvsCommand =
  | 'NEW_SERVICE'
  | 'SET_SERVICE'
  | 'DEL_SERVICE'
  | 'GET_SERVICE'
  | 'NEW_DEST'
  | 'SET_DEST'
  | 'DEL_DEST'
  | 'GET_DEST'
  | 'NEW_DAEMON'
  | 'DEL_DAEMON'
  | 'GET_DAEMON'
  | 'SET_CONFIG'
  | 'GET_CONFIG'
  | 'GET_INFO'
  | 'ZERO'
  | 'FLUSH'
  | 'OPEN'

export type { IpvsErrorCode }

/** Why IPVS cannot be used here. */
export type UnavailableReason =
  | 'platform'
  | 'no-binary'
  /** Node.js was told to load no addons: `--permission` without `--allow-addons`, or `--no-addons`. */
  | 'addons-disabled'
  | 'no-module'
  | 'user-namespace'

/** The fields of an error, by their names. */
export interface IpvsErrorOptions {
  /** Default: none. */
  readonly errno?: number | undefined
  /** Default: none. */
  readonly command?: IpvsCommand | undefined
  /** Default: none. */
  readonly change?: Change | undefined
  /** Default: none. */
  readonly reason?: UnavailableReason | undefined
  /** Default: none. */
  readonly observed?: unknown
  /** Default: none. */
  readonly cause?: unknown
}

/** Names of the classes that an error is of. Registered, so that two copies of the package agree. */
const KINDS: unique symbol = Symbol.for('ipvs.error-kinds')

/**
 * A program may have two copies of this package, its own and a library's: `instanceof` holds across them. Not in the
 * class itself, or its type would be another one in each copy.
 *
 * @param kinds names of the class and those above it, its own last
 */
export function sharedByCopies(
  Class: { readonly prototype: object },
  kinds: readonly string[],
): void {
  Object.defineProperty(Class.prototype, KINDS, { value: kinds })
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // A class that a caller has derived is its own only.
      if (this !== Class) return Function.prototype[Symbol.hasInstance].call(this, value)
      if (typeof value !== 'object' || value === null) return false
      const own = (value as { readonly [KINDS]?: readonly string[] })[KINDS]
      return own?.includes(kinds.at(-1)!) === true
    },
  })
}

/** Everything that goes wrong outside the caller's arguments. Decide by `code`, never by `message`. */
export class IpvsError extends Error {
  override readonly name: string = 'IpvsError'
  readonly code: IpvsErrorCode
  /** Node's negative error number, where the kernel gave one. */
  declare readonly errno?: number
  /** e.g. `'EEXIST'`. */
  declare readonly errnoName?: string
  /** The IPVS command that failed. */
  declare readonly command?: IpvsCommand
  /** The change that caused it. */
  declare readonly change?: Change
  /** Why IPVS is unavailable; with code `ERR_IPVS_UNAVAILABLE` only. */
  declare readonly reason?: UnavailableReason
  /** What a re-read found after a lost answer; with code `ERR_IPVS_UNKNOWN_OUTCOME` only. */
  declare readonly observed?: unknown

  constructor(code: IpvsErrorCode, message: string, options: IpvsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.errno !== undefined) {
      this.errno = options.errno
      this.errnoName = getSystemErrorName(options.errno)
    }
    if (options.command !== undefined) this.command = options.command
    if (options.change !== undefined) this.change = options.change
    if (options.reason !== undefined) this.reason = options.reason
    if ('observed' in options) this.observed = options.observed
  }
}

/** Thrown by `apply` with `onError: 'throw'`, after every change has run. */
export class IpvsApplyError extends IpvsError {
  override readonly name = 'IpvsApplyError'
  readonly result: ApplyResult

  constructor(result: ApplyResult) {
    const first = result.errors[0]
    super(
      'ERR_IPVS_APPLY',
      `${result.failed} of ${result.total} changes were not applied; the first, at index ${first?.index}: ${first?.error.message}`,
      { cause: first?.error },
    )
    this.result = result
  }
}

sharedByCopies(IpvsError, ['IpvsError'])
sharedByCopies(IpvsApplyError, ['IpvsError', 'IpvsApplyError'])

/** A bad argument: thrown before anything is sent. */
export interface ArgumentError extends Error {
  readonly code: 'ERR_IPVS_ARGUMENT'
  /** Path of the option at fault, e.g. `destination.weight`. */
  readonly option: string
  /** The value received. */
  readonly value: unknown
}

/** True for "it is not there": no such service or no such destination. */
export function isNotFound(error: unknown): boolean {
  return (
    error instanceof IpvsError &&
    (error.code === 'ERR_IPVS_NO_SERVICE' || error.code === 'ERR_IPVS_NO_DESTINATION')
  )
}

/** True for "it is there already". */
export function isExists(error: unknown): boolean {
  return error instanceof IpvsError && error.code === 'ERR_IPVS_EXISTS'
}

/** A value of the wrong type. */
export function typeError(
  option: string,
  expected: string,
  value: unknown,
): TypeError & ArgumentError {
  return argumentError(TypeError, option, `must be ${expected}`, value)
}

/** It is about an argument of the caller's. */
export function isArgumentError(error: unknown): error is ArgumentError {
  return (error as Partial<ArgumentError>)?.code === 'ERR_IPVS_ARGUMENT'
}

/** A value of the right type that lies outside what is allowed. */
export function rangeError(
  option: string,
  expected: string,
  value: unknown,
): RangeError & ArgumentError {
  return argumentError(RangeError, option, `must be ${expected}`, value)
}

function argumentError<E extends Error>(
  Class: new (message: string) => E,
  option: string,
  rule: string,
  value: unknown,
): E & ArgumentError {
  return Object.assign(new Class(`${option} ${rule}; received ${show(value)}`), {
    code: 'ERR_IPVS_ARGUMENT' as const,
    option,
    value,
  })
}

function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'symbol') return value.toString()
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
