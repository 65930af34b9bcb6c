// Long work in slices, so that nothing else has to wait for all of it.
import { setImmediate } from 'node:timers/promises'

const SLICE_MS = 1

/** Runs work that yields every now and then, the first slice at once. */
export async function inSlices<T>(work: Iterator<void, T, void>): Promise<T> {
  let until = performance.now() + SLICE_MS
  for (;;) {
    const step = work.next()
    if (step.done) return step.value
    if (performance.now() < until) continue
    await setImmediate()
    until = performance.now() + SLICE_MS
  }
}
