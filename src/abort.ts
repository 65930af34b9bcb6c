// Waiting: for a signal of the caller's, for a time, and whether the process stays meanwhile.

interface Waiting {
  readonly calls: Set<() => void>
  readonly abort: () => void
}

const waiting = new WeakMap<AbortSignal, Waiting>()

/**
 * Calls `run` when the signal is aborted, unless what this returns is called before. All that waits for one signal shares
 * one listener: Node.js takes many for a leak, and tells the program's users so.
 */
export function onAbort(signal: AbortSignal | undefined, run: () => void): () => void {
  if (signal === undefined) return () => {}
  const { calls, abort } = waiting.get(signal) ?? listen(signal)
  // An entry of its own: a function may wait twice.
  const call = (): void => run()
  calls.add(call)
  return () => {
    calls.delete(call)
    if (calls.size > 0 || waiting.get(signal)?.calls !== calls) return
    waiting.delete(signal)
    signal.removeEventListener('abort', abort)
  }
}

function listen(signal: AbortSignal): Waiting {
  const calls = new Set<() => void>()
  const abort = (): void => {
    waiting.delete(signal)
    for (const call of calls) call()
  }
  const entry = { calls, abort }
  waiting.set(signal, entry)
  signal.addEventListener('abort', abort, { once: true })
  return entry
}

/** Resolves after `ms` milliseconds, or as soon as `signal` is aborted. Only one who is `awaited` keeps the process alive. */
export function pause(ms: number, signal: AbortSignal | undefined, awaited = false): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      forget()
      resolve()
    }
    const timer = setTimeout(done, ms)
    if (!awaited) timer.unref()
    const forget = onAbort(signal, done)
  })
}

/** Keeps the process alive until what it returns is called. */
export function stay(): () => void {
  const timer = setInterval(() => {}, 2 ** 31 - 1)
  return () => clearInterval(timer)
}
