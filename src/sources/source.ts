// What all sources of servers have in common: every iteration starts afresh, and it ends at once when told to.
import { onAbort } from '../abort.js'
import type { PoolServer } from '../servers.js'

/**
 * The servers there are, then the servers there are after each change. Each iteration starts afresh. What goes wrong
 * ends the iteration with an error; the next one may succeed. Waiting for a change does not keep the process alive.
 */
export type ServerSource = AsyncIterable<PoolServer[]>

/** One iteration. Ends when `signal` is aborted; may yield the same list again. */
type Look = (signal: AbortSignal) => AsyncGenerator<PoolServer[], void, void>

/** Lists that equal the one before are left out. */
export function serverSource(look: Look, signal: AbortSignal | undefined): ServerSource {
  return {
    [Symbol.asyncIterator]() {
      const end = new AbortController()
      const lists = changes(look, end, signal)
      return {
        next: () => lists.next(),
        // A generator's own return() waits for its next(), which may be as far away as the next change.
        return: () => {
          end.abort()
          return lists.return()
        },
      }
    },
  }
}

async function* changes(
  look: Look,
  end: AbortController,
  signal: AbortSignal | undefined,
): AsyncGenerator<PoolServer[], void, void> {
  const forget = onAbort(signal, () => end.abort())
  try {
    if (signal?.aborted) return
    let before: string | undefined
    for await (const list of look(end.signal)) {
      if (end.signal.aborted) return
      const now = JSON.stringify(list)
      if (now !== before) yield list
      before = now
    }
  } catch (error) {
    // Whoever has ended it does not want to hear what became of the last look.
    if (!end.signal.aborted) throw error
  } finally {
    forget()
    end.abort()
  }
}

/** What `work` gives, or `undefined` as soon as `signal` is aborted; then nobody hears of `work` any more. */
export function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) resolve(undefined)
    const forget = onAbort(signal, () => resolve(undefined))
    work.then(resolve, reject).finally(forget)
  })
}
