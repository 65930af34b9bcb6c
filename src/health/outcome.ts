// What a rejected check means: the member is at fault, we are, or our uplink may be.
import { getSystemErrorMap, inspect } from 'node:util'
import { isArgumentError, sharedByCopies } from '../errors.js'

/**
 * To be thrown by a check that could not find out: the result counts neither as a success nor as a failure.
 * Unknown results for longer than `unknownLimitMs` cause a `warning`.
 */
export class Inconclusive extends Error {
  override readonly name = 'Inconclusive'
}

sharedByCopies(Inconclusive, ['Inconclusive'])

/** The `reason` of a check's signal when its time is up. */
export class CheckTimeoutError extends Error {
  override readonly name = 'TimeoutError'
  readonly timeoutMs: number

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`)
    this.timeoutMs = timeoutMs
  }
}

/** `unreachable`: no route to the member's network; the member's fault only if others are reached. */
export type Fault = 'failure' | 'unknown' | 'unreachable'

/** Out of ports, UDP and whoever has bound an address get EADDRINUSE, others EADDRNOTAVAIL. */
const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EADDRINUSE'])
const NO_ROUTE = new Set(['ENETUNREACH', 'ENETDOWN'])
/** libuv's words for its codes; asked for each time, Node makes a new table. */
const SYSTEM_WORDS = new Map(getSystemErrorMap().values())
/** Errors are wrapped a few times at most; the limit guards against a cause that leads back to itself. */
const MAX_DEPTH = 8

/** The error, or a cause of it, comes from the system and not from the check. */
export function isSystemError(error: unknown): boolean {
  for (let e = error, depth = 0; e instanceof Error && depth < MAX_DEPTH; e = e.cause, depth++) {
    if ('syscall' in e && codeOf(e) !== undefined) return true
  }
  return false
}

/** Says what a check's rejection means, by its class or by the `code` of the error or of its causes. */
export function classify(error: unknown): Fault {
  let fault: Fault = 'failure'
  for (let e = error, depth = 0; e instanceof Error && depth < MAX_DEPTH; e = e.cause, depth++) {
    // A bad option, seen only now that there is a member to check, says nothing about the member.
    if (e instanceof Inconclusive || isArgumentError(e)) return 'unknown'
    const code = codeOf(e)
    if (code !== undefined && SHORTAGES.has(code)) return 'unknown'
    if (code !== undefined && NO_ROUTE.has(code)) fault = 'unreachable'
  }
  return fault
}

/** What to tell a person about a rejection: system errors in words, all others by their message. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return `the check threw ${inspect(error)}`
  const code = codeOf(error)
  // Only errors of Node itself carry both: their messages ("connect ECONNREFUSED ...") read worse than libuv's words.
  const words = code !== undefined && 'syscall' in error ? SYSTEM_WORDS.get(code) : undefined
  if (code !== undefined && words !== undefined)
    return SHORTAGES.has(code) ? `${words} (${code}), on our side` : words
  return error.message === '' ? error.name : error.message
}

/** Why a check's signal was aborted, in words that follow "dns udp 10.1.0.1:53: ". */
export function describeAbort({ reason }: { readonly reason: unknown }): string {
  if (reason instanceof CheckTimeoutError) return reason.message
  if (reason instanceof Error && reason.name === 'TimeoutError') return 'no answer in time'
  return 'stopped'
}

function codeOf(error: Error): string | undefined {
  const code: unknown = 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
