// What a pool tells, and a wait until nothing is under way any more.
import { channel } from 'node:diagnostics_channel'
import { setImmediate } from 'node:timers/promises'
import type { MirroredPoolEvents } from '../../../src/pool/api.js'
import type { MirroredPool } from '../../../src/pool/pool.js'

const NAMES = ['up', 'down', 'drained', 'quorum', 'drift', 'diverged', 'warning', 'error'] as const
type Name = (typeof NAMES)[number]
export type AnyEvent = { [K in Name]: { readonly name: K } & MirroredPoolEvents[K][0] }[Name]

/** Everything a pool emits from now on, in order. */
export function record(pool: MirroredPool): AnyEvent[] {
  const events: AnyEvent[] = []
  for (const name of NAMES) {
    pool.on(name, (event: object) => events.push({ name, ...event } as AnyEvent))
  }
  return events
}

/** Everything that goes through diagnostics_channel while `run` runs. */
export async function diagnosed(run: () => Promise<unknown>): Promise<AnyEvent[]> {
  const events: AnyEvent[] = []
  const subscriptions = NAMES.map((name) => {
    const listener = (event: unknown) => events.push({ name, ...(event as object) } as AnyEvent)
    const on = channel(`ipvs:${name}`)
    on.subscribe(listener)
    return () => on.unsubscribe(listener)
  })
  try {
    await run()
  } finally {
    for (const unsubscribe of subscriptions) unsubscribe()
  }
  return events
}

/** Some turns of the event loop. */
export async function quiet(turns = 60): Promise<void> {
  for (let i = 0; i < turns; i++) await setImmediate()
}
