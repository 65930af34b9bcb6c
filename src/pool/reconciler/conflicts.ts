// Somebody else who keeps setting the same thing differently is another owner. Fighting on would move clients back and
// forth for ever: the pool gives way more and more, and says so.
import type { Drift } from './steps.js'

/** Times that the same difference comes back after its repair before its author is taken for an owner. */
const PATIENCE = 3
/** Passes that a contested object is left alone, at most. */
const LONGEST = 32
/** An object that has kept still for so many passes is not contested any more. */
const FORGET = 10

interface Fight {
  what: string
  lost: number
  /** Passes to leave it alone. */
  rest: number
  quiet: number
}

export class ConflictDetector {
  readonly #fights = new Map<string, Fight>()

  /** Keys of what is contested at present. */
  get keys(): string[] {
    return [...this.#fights].filter(([, { lost }]) => lost >= PATIENCE).map(([key]) => key)
  }

  /** What is found next is the first time again. */
  forget(drift: Drift): void {
    this.#fights.delete(keyOf(drift))
  }

  /**
   * Judges what one pass has found.
   *
   * @returns those that are to be left alone this time
   */
  judge(drifts: readonly Drift[]): Set<Drift> {
    const leave = new Set<Drift>()
    for (const fight of this.#fights.values()) fight.quiet++
    for (const drift of drifts) {
      // Whoever deletes or flushes is no owner: an owner wants something to be there.
      if (drift.found === 'missing') continue
      const key = keyOf(drift)
      const what = JSON.stringify(drift.before)
      const fight = this.#fights.get(key)
      if (fight === undefined || fight.what !== what) {
        this.#fights.set(key, { what, lost: 0, rest: 0, quiet: 0 })
        continue
      }
      fight.quiet = 0
      if (fight.rest > 0) {
        fight.rest--
        leave.add(drift)
        continue
      }
      // Repaired this time, and should it come back, not for a while: counted in passes, exactly, so that this is no `Backoff`.
      fight.lost++
      if (fight.lost >= PATIENCE) fight.rest = Math.min(LONGEST, 2 ** (fight.lost - PATIENCE))
    }
    for (const [key, { quiet }] of this.#fights) if (quiet > FORGET) this.#fights.delete(key)
    return leave
  }
}

function keyOf({ service, destination }: Drift): string {
  return destination === undefined ? service : `${service} ${destination}`
}
