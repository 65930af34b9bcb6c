// How a checker begins a check: most by a promise and a signal, a built-in one that needs neither without them.
import { onAbort } from '../abort.js'
import { describeAbort } from './outcome.js'
import { Signals } from './signals.js'
import type { Check, CheckSuccess, HealthMember } from './types.js'

/** What has come of a check: what its promise resolves with, or rejects with. */
export type CheckEnd = { readonly value: unknown } | { readonly error: unknown }

/**
 * Begins a check of a member; an error that it throws is the end of it. `done` hears of the end, once, perhaps before this
 * returns. What it returns ends the check: a quick one looks once more and calls `done` at once, with what it has found or with
 * the reason; of the others nothing is sure.
 */
export type Begin = (member: HealthMember, done: (end: CheckEnd) => void) => Cancel

export type Cancel = (reason: unknown) => void

const quick = new WeakMap<Check, Begin>()

/** Makes a check of one that can do without promise and signal. `labelOf`: what its reasons begin with. */
export function quickCheck(labelOf: (member: HealthMember) => string, begin: Begin): Check {
  const check: Check = (member, { signal }) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) throw new Error(`${labelOf(member)}: ${describeAbort(signal)}`)
      let over = false
      let forget = () => {}
      const cancel = begin(member, (end) => {
        over = true
        forget()
        if ('error' in end) reject(end.error)
        else resolve(end.value as CheckSuccess)
      })
      if (!over) forget = onAbort(signal, () => cancel(signal.reason))
    })
  quick.set(check, begin)
  return check
}

/** For the checks of one member, which come one after the other. */
export function beginOf(check: Check): Begin {
  return quick.get(check) ?? byPromise(check)
}

function byPromise(check: Check): Begin {
  const signals = new Signals()
  return (member, done) => {
    const controller = signals.next()
    callCheck(check, member, controller.signal).then(
      (value) => done({ value }),
      (error: unknown) => done({ error }),
    )
    return (reason) => controller.abort(reason)
  }
}

// A check may throw before it returns a promise, or return none.
async function callCheck(
  check: Check,
  member: HealthMember,
  signal: AbortSignal,
): Promise<unknown> {
  return check(member, { signal })
}
