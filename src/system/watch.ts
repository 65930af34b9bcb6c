// What changes in the table. The kernel has no notifications (ip_vs_ctl.c: no multicast groups), so this looks.
import { pause } from '../abort.js'
import { type TableChange, tableChanges } from '../table-changes.js'
import type { DestinationStatus, ServiceStatus, Snapshot } from '../types.js'
import { checkInteger, checkOptions, checkSignal, DAY_MS } from '../validate.js'

/** Options of {@link Ipvs.watch}. */
export interface WatchOptions {
  /** Pause between two looks, in milliseconds, 10 to 86400000. Default 2000, the kernel's own step for counters. */
  readonly intervalMs?: number
  /** Ends the iteration. Default: none. */
  readonly signal?: AbortSignal
}

/** One difference between two looks at the table. What came and went in between is not seen. */
export type WatchEvent = TableChange<ServiceStatus, DestinationStatus>

export function readWatchOptions(options: WatchOptions | undefined) {
  const fields = checkOptions(options, 'options', ['intervalMs', 'signal'])
  const { intervalMs = 2000 } = fields
  return {
    intervalMs: checkInteger(intervalMs, 'options.intervalMs', 10, DAY_MS),
    signal: checkSignal(fields.signal, 'options.signal'),
  }
}

/**
 * Looks again and again. A look that could not be verified is left out, the first one too, so that nothing seems to come
 * or go that was there all the time.
 */
export async function* watchTable(
  look: () => Promise<Snapshot>,
  { intervalMs, signal }: { readonly intervalMs: number; readonly signal: AbortSignal | undefined },
): AsyncGenerator<WatchEvent, void, void> {
  let before: Snapshot['services'] | undefined
  while (!signal?.aborted) {
    const { services, verified } = await look()
    if (signal?.aborted) return
    if (verified) {
      if (before !== undefined) yield* tableChanges(before, services)
      before = services
    }
    await pause(intervalMs, signal, true)
  }
}
