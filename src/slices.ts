// Long work in slices, so that nothing else has to wait for all of it.
import { setImmediate } from 'node:timers/promises'

const SLICE_MS = 1
/** Pauses between two looks at the clock, at most. */
const SELDOM = 32

/**
 * Runs work that yields every now and then, the first slice at once. Cold code takes fifty times as long as warm, and the
 * clock is not for nothing either: it is looked at after the more pauses the faster the work gets on.
 */
export async function inSlices<T>(work: Iterator<void, T, void>): Promise<T> {
  let from = performance.now()
  let pauses = 1
  let left = pauses
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
    if (--left > 0) continue
    const spent = performance.now() - from
    if (spent >= SLICE_MS) {
      pauses = Math.max(1, pauses >> 1)
      await setImmediate()
      from = performance.now()
    } else if (spent < SLICE_MS / 4) pauses = Math.min(pauses * 2, SELDOM)
    left = pauses
  }
}
