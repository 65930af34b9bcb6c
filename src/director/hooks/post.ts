// Sends an event to an address.
import type { DirectorEvent } from '../events.js'

/** @throws Error (rejects) no answer, or one that is not 2xx */
export async function post(
  address: string,
  event: DirectorEvent,
  signal: AbortSignal,
): Promise<void> {
  const answer = await fetch(address, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(event),
    signal,
  })
  // Not read: what it says is of no use, and might have no end.
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`answered ${answer.status} ${answer.statusText}`)
}
