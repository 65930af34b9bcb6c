// Flapping: a member that goes down again and again has to stay down for a while, each time longer.
import { checkInteger, checkOptions, DAY_MS } from '../validate.js'

/** Keeps a member down that flaps, for a time that doubles. All times are whole milliseconds. */
export interface HoldDownOptions {
  /** It flaps if it goes down so many times within `windowMs`. 2 to 1000, default 3. */
  readonly flaps?: number | undefined
  /**
   * Also how long it must keep quiet, from the end of its last hold, for the next one to be half as long again.
   * 1000 to 86,400,000, default 300,000.
   */
  readonly windowMs?: number | undefined
  /** The first hold; each further one is twice as long. 1 to 86,400,000, default 30,000. */
  readonly firstMs?: number | undefined
  /** The longest hold. `firstMs` to 86,400,000, default 600,000 or `firstMs` if that is more. */
  readonly maxMs?: number | undefined
}

export type HoldDownSettings = {
  readonly [K in keyof HoldDownOptions]-?: Exclude<HoldDownOptions[K], undefined>
}

/** @throws ArgumentError */
export function readHoldDown(value: unknown): HoldDownSettings | undefined {
  if (value === undefined) return undefined
  const name = 'options.holdDown'
  const fields = checkOptions(value, name, ['flaps', 'windowMs', 'firstMs', 'maxMs'])
  const { flaps = 3, windowMs = 300_000, firstMs = 30_000 } = fields
  const first = checkInteger(firstMs, `${name}.firstMs`, 1, DAY_MS)
  const { maxMs = Math.max(600_000, first) } = fields
  return {
    flaps: checkInteger(flaps, `${name}.flaps`, 2, 1000),
    windowMs: checkInteger(windowMs, `${name}.windowMs`, 1000, DAY_MS),
    firstMs: first,
    maxMs: checkInteger(maxMs, `${name}.maxMs`, first, DAY_MS),
  }
}

/** What one member has done lately. Pure bookkeeping; times are readings of one clock. */
export class Flapping {
  /** It is to stay down until then. */
  until = Number.NEGATIVE_INFINITY
  readonly #settings: HoldDownSettings
  /** When it went down, within the window. */
  #downs: number[] = []
  /** The next hold is `firstMs` times 2 to the power of this; above 0, the next time down is a flap by itself. */
  #level = 0
  #last = Number.NEGATIVE_INFINITY

  constructor(settings: HoldDownSettings) {
    this.#settings = settings
  }

  /** An up member has gone down. Returns how long it is to stay there: 0 if it does not flap. */
  wentDown(now: number): number {
    const { flaps, windowMs, firstMs, maxMs } = this.#settings
    // Less than 0 if it was let back before its time.
    const quietMs = Math.max(0, now - Math.max(this.#last, this.until))
    this.#level = Math.max(0, this.#level - Math.floor(quietMs / windowMs))
    this.#last = now
    this.#downs = this.#downs.filter((at) => now - at < windowMs)
    this.#downs.push(now)
    if (this.#level === 0 && this.#downs.length < flaps) return 0
    // Promised to the millisecond, and halved again by quiet time: no `Backoff`.
    const holdMs = Math.min(maxMs, firstMs * 2 ** this.#level)
    // Beyond the longest hold it does not grow, so that it does not take for ever to decay.
    if (holdMs < maxMs || this.#level === 0) this.#level++
    this.until = now + holdMs
    return holdMs
  }
}
