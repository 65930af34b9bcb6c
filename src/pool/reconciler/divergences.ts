// Changes that went through on some of a server's fronts only.
import { isNotFound } from '../../errors.js'
import type { PoolCause, PoolDivergedEvent } from '../api.js'
import { held, type Server } from '../policy/server.js'
import { destinationAfter, isFailure } from '../state/state-cache.js'
import { isInSync, type Step } from './steps.js'

export type Divergence = Pick<PoolDivergedEvent, 'errors' | 'before' | 'after' | 'cause'>

interface Failed {
  readonly step: Step
  readonly error: Error
}

export class Divergences {
  /** Their fronts disagree, and that has been told. */
  readonly #told = new Set<Server>()

  /** Tells of those that a batch has made. */
  review(
    steps: readonly Step[],
    errors: ReadonlyMap<number, Error>,
    cause: PoolCause,
    tell: (server: Server, divergence: Divergence) => void,
  ): void {
    for (const server of this.#told) {
      const pending = server.places.some(({ entry }) => entry.pending)
      if (!pending && isInSync(server)) this.#told.delete(server)
    }
    const failed = new Map<Server, Failed[]>()
    for (const [index, error] of errors) {
      const step = steps[index]!
      if (step.server === undefined || !isFailure({ error })) continue
      const others = failed.get(step.server)
      if (others === undefined) failed.set(step.server, [{ step, error }])
      else others.push({ step, error })
    }
    for (const [server, some] of failed) {
      const gone = ({ step, error }: Failed) =>
        destinationAfter(step.change) === 'absent' && isNotFound(error)
      const apart = some.filter((one) => !gone(one))
      const all = apart.length === server.places.length
      if (this.#told.has(server) || apart.length === 0 || all) continue
      this.#told.add(server)
      tell(server, { ...around(server, steps, some), errors: apart.map(errorOf), cause })
    }
  }
}

/** What the fronts held before a batch, and what they hold after it. */
function around(server: Server, steps: readonly Step[], failed: readonly Failed[]) {
  const before = new Map(server.places.map(({ front, entry }) => [front.key, held(entry.known)]))
  const after = new Map(before)
  for (const { front, was, server: of } of steps) {
    if (of === server) before.set(front.key, held(was ?? 'unknown'))
  }
  for (const { step, error } of failed) {
    after.set(step.front.key, isNotFound(error) ? 'absent' : 'unknown')
  }
  return { before: Object.fromEntries(before), after: Object.fromEntries(after) }
}

function errorOf({ step, error }: Failed): { service: string; error: Error } {
  return { service: step.front.key, error }
}
