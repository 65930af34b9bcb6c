// What was done by hand, by pool and server: it outlives reloads and restarts.
import { ADMIN_STATES, type AdminState } from '../servers.js'

/** What a person has said of a server. */
export interface Override {
  /** Default: what the file says, which is `ready`. */
  readonly admin?: AdminState | undefined
  /** In place of the file's. */
  readonly weight?: number | undefined
  /** When: milliseconds since the epoch. */
  readonly since: number
  /** Until then: milliseconds since the epoch. Default: for good. */
  readonly until?: number | undefined
}

/** What is to be changed of it. */
export interface OverrideChange {
  /** Default: as it is. */
  readonly admin?: AdminState | undefined
  /** `'file'`: that of the file. Default: as it is. */
  readonly weight?: number | 'file' | undefined
  /** How long it holds, in milliseconds. Default: for good. */
  readonly forMs?: number | undefined
}

const MAX_WEIGHT = 0x7fffffff

export class Overrides {
  readonly #all = new Map<string, Map<string, Override>>()

  get(pool: string, server: string): Override | undefined {
    return this.#all.get(pool)?.get(server)
  }

  /** Of one pool, by server. */
  of(pool: string): ReadonlyMap<string, Override> {
    return this.#all.get(pool) ?? new Map()
  }

  /** `ready` without a weight is what the file says: nothing is kept then. */
  change(pool: string, server: string, { admin, weight, forMs }: OverrideChange): void {
    const now = Date.now()
    const before = this.get(pool, server)
    const word = admin ?? before?.admin
    const kept = weight === 'file' ? undefined : (weight ?? before?.weight)
    const own = this.#all.get(pool) ?? new Map<string, Override>()
    if ((word === undefined || word === 'ready') && kept === undefined) own.delete(server)
    else {
      own.set(server, {
        ...(word === undefined || word === 'ready' ? {} : { admin: word }),
        ...(kept === undefined ? {} : { weight: kept }),
        since: now,
        ...(forMs === undefined ? {} : { until: now + forMs }),
      })
    }
    if (own.size === 0) this.#all.delete(pool)
    else this.#all.set(pool, own)
  }

  /** Forgets those whose time is over, and says which. */
  expire(now = Date.now()): { readonly pool: string; readonly server: string }[] {
    const over = [...this.#all].flatMap(([pool, own]) =>
      [...own].flatMap(([server, { until }]) =>
        until !== undefined && until <= now ? [{ pool, server }] : [],
      ),
    )
    for (const { pool, server } of over) {
      const own = this.#all.get(pool)
      own?.delete(server)
      if (own?.size === 0) this.#all.delete(pool)
    }
    return over
  }

  /** When the next one is over: milliseconds since the epoch. */
  get nextEnd(): number | undefined {
    const ends = [...this.#all.values()].flatMap((own) =>
      [...own.values()].flatMap(({ until }) => (until === undefined ? [] : [until])),
    )
    return ends.length === 0 ? undefined : ends.reduce((a, b) => Math.min(a, b))
  }

  /** To be kept in a file. */
  toJSON(): Record<string, Record<string, Override>> {
    return Object.fromEntries([...this.#all].map(([pool, own]) => [pool, Object.fromEntries(own)]))
  }

  /** Takes what {@link toJSON} has given. What is no such thing is left out. */
  load(data: unknown): void {
    if (typeof data !== 'object' || data === null) return
    for (const [pool, own] of Object.entries(data)) {
      if (typeof own !== 'object' || own === null) continue
      for (const [server, value] of Object.entries(own)) {
        const override = readOverride(value)
        if (override === undefined) continue
        const known = this.#all.get(pool) ?? new Map<string, Override>()
        this.#all.set(pool, known.set(server, override))
      }
    }
  }
}

function readOverride(value: unknown): Override | undefined {
  const { admin, weight, since, until } = (value ?? {}) as Partial<Record<keyof Override, unknown>>
  const isTime = (one: unknown): one is number => Number.isFinite(one)
  const word = ADMIN_STATES.get(admin as string)
  const isWeight = Number.isInteger(weight) && Number(weight) >= 0 && Number(weight) <= MAX_WEIGHT
  if (!isTime(since) || (word === undefined && !isWeight)) return undefined
  return {
    ...(word === undefined ? {} : { admin: word }),
    ...(isWeight ? { weight: weight as number } : {}),
    since,
    ...(isTime(until) ? { until } : {}),
  }
}
