// Several tries at once of which so many must succeed: when it is settled, and what the failures mean together.
import { setMaxListeners } from 'node:events'
import { onAbort } from '../../abort.js'
import { classify, describe, Inconclusive, isSystemError } from '../outcome.js'

/**
 * Runs all tasks at once, until so many have succeeded as are needed or that cannot happen any more; the others are
 * then aborted. Only true failures settle it early: whatever is unknown might have succeeded.
 *
 * @returns the values of the tasks that succeeded, in the order of the tasks
 * @throws Error (rejects) as {@link joinErrors} makes it.
 */
export async function gather<T>(
  needed: number,
  tasks: readonly ((signal: AbortSignal) => Promise<T>)[],
  signal: AbortSignal,
): Promise<readonly T[]> {
  const rest = new AbortController()
  // Each task has a listener, of a dozen or more Node.js would warn.
  setMaxListeners(0, rest.signal)
  const stop = () => rest.abort(signal.reason)
  if (signal.aborted) stop()
  const forget = onAbort(signal, stop)
  const values = new Map<number, T>()
  const errors = new Map<number, Error>()
  let failures = 0
  try {
    return await new Promise((resolve, reject) => {
      const look = () => {
        // After an abort all end in the same turn, each with a reason of its own.
        const hopeless = failures > tasks.length - needed && !signal.aborted
        if (values.size >= needed) resolve(inOrder(values))
        else if (hopeless || values.size + errors.size === tasks.length)
          reject(joinErrors(inOrder(errors), needed, tasks.length))
      }
      for (const [index, task] of tasks.entries()) {
        task(rest.signal).then(
          (value) => {
            values.set(index, value)
            look()
          },
          (thrown: unknown) => {
            errors.set(index, thrown instanceof Error ? thrown : new Error(describe(thrown)))
            if (classify(thrown) === 'failure') failures++
            look()
          },
        )
      }
    })
  } finally {
    forget()
    rest.abort()
  }
}

/**
 * One error for several, of `total` tasks of which `needed` should have succeeded. If they would not have been enough
 * even with a success in place of each unknown, it is a failure; else one unknown leaves it open.
 */
export function joinErrors(errors: readonly Error[], needed: number, total: number): Error {
  const message = errors.map(describe).join('; ')
  const faults = errors.map(classify)
  const failures = faults.filter((fault) => fault === 'failure').length
  if (faults.includes('unknown') && total - failures >= needed) return new Inconclusive(message)
  // "No route" only if nothing worse: the checker compares it with the other members. And what the kernel has said is
  // true however slow we were, if it is enough for a failure by itself.
  const told = errors.filter((error) => classify(error) === 'failure' && isSystemError(error))
  const cause = failures === 0 ? errors[0] : total - told.length < needed ? told[0] : undefined
  return new Error(message, { cause })
}

function inOrder<V>(found: ReadonlyMap<number, V>): readonly V[] {
  return [...found].sort(([a], [b]) => a - b).map(([, value]) => value)
}
