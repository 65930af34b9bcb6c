// What was done by hand, by pool and server: it outlives reloads and restarts.
import { typeError } from '../errors.js'
import { ADMIN_STATES, type AdminState } from '../servers.js'
import { checkInteger, checkName, checkOptions, DAY_MS } from '../validate.js'

/** A word of a person's. */
export interface Said<T> {
  readonly word: T
  /** Until then: milliseconds since the epoch. Default: for good. */
  readonly until?: number | undefined
}

/** What a person has said of a server. */
export interface Override {
  /** In place of the file's. Default: as the file says. */
  readonly admin?: Said<AdminState> | undefined
  /** In place of the file's. Default: as the file says. */
  readonly weight?: Said<number> | undefined
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

/**
 * Servers go by their address, with a port only where that is not the pool's: another front in a file does not make another
 * server of one.
 */
export class Overrides {
  readonly #all = new Map<string, Map<string, Override>>()

  get(pool: string, server: string): Override | undefined {
    return this.#all.get(pool)?.get(server)
  }

  /** Of one pool, by server. */
  of(pool: string): ReadonlyMap<string, Override> {
    return this.#all.get(pool) ?? new Map()
  }

  /**
   * Each of the two words has a time of its own.
   *
   * @param fileAdmin what the file says: to say the same is to say nothing
   */
  change(pool: string, server: string, change: OverrideChange, fileAdmin: AdminState): void {
    const { admin, weight, forMs } = change
    const before = this.get(pool, server)
    const until = forMs === undefined ? {} : { until: Date.now() + forMs }
    const said = {
      admin:
        admin === undefined
          ? before?.admin
          : admin === fileAdmin
            ? undefined
            : { word: admin, ...until },
      weight:
        weight === undefined
          ? before?.weight
          : weight === 'file'
            ? undefined
            : { word: weight, ...until },
    }
    this.#put(pool, server, said)
  }

  /** Forgets words whose time is over, and says of which servers. */
  expire(now = Date.now()): { readonly pool: string; readonly server: string }[] {
    const isOver = (said: Said<unknown> | undefined) =>
      said?.until !== undefined && said.until <= now
    const over = [...this.#all].flatMap(([pool, own]) =>
      [...own].flatMap(([server, { admin, weight }]) =>
        isOver(admin) || isOver(weight) ? [{ pool, server }] : [],
      ),
    )
    for (const { pool, server } of over) {
      const { admin, weight } = this.get(pool, server)!
      this.#put(pool, server, {
        admin: isOver(admin) ? undefined : admin,
        weight: isOver(weight) ? undefined : weight,
      })
    }
    return over
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
        const { admin, weight } = (value ?? {}) as Partial<Record<keyof Override, unknown>>
        this.#put(pool, server, {
          admin: readSaid(admin, (word) => ADMIN_STATES.get(word as string)),
          weight: readSaid(weight, (word) => (isWeight(word) ? word : undefined)),
        })
      }
    }
  }

  #put(pool: string, server: string, { admin, weight }: Override): void {
    const own = this.#all.get(pool) ?? new Map<string, Override>()
    if (admin === undefined && weight === undefined) own.delete(server)
    else own.set(server, { ...(admin && { admin }), ...(weight && { weight }) })
    if (own.size === 0) this.#all.delete(pool)
    else this.#all.set(pool, own)
  }
}

/** What names a server in what was said of it. @param key of the server @param port of servers without one */
export function handKey(key: string, port: number): string {
  const end = `:${port}`
  return key.endsWith(end) ? key.slice(0, -end.length) : key
}

function readSaid<T>(value: unknown, read: (word: unknown) => T | undefined): Said<T> | undefined {
  const { word, until } = (value ?? {}) as Partial<Record<keyof Said<T>, unknown>>
  const known = read(word)
  if (known === undefined) return undefined
  return Number.isFinite(until) ? { word: known, until: until as number } : { word: known }
}

function isWeight(word: unknown): word is number {
  return Number.isInteger(word) && Number(word) >= 0 && Number(word) <= MAX_WEIGHT
}

/** @throws TypeError, RangeError */
export function readChange(change: OverrideChange): OverrideChange {
  const fields = checkOptions(change ?? null, 'change', ['admin', 'weight', 'forMs'])
  const { admin, weight, forMs } = fields
  if (admin === undefined && weight === undefined) {
    throw typeError('change', '{ admin } or { weight }, or both', change)
  }
  return {
    ...(admin === undefined ? {} : { admin: checkName(admin, 'change.admin', ADMIN_STATES) }),
    ...(weight === undefined
      ? {}
      : {
          weight: weight === 'file' ? weight : checkInteger(weight, 'change.weight', 0, 0x7fffffff),
        }),
    ...(forMs === undefined
      ? {}
      : { forMs: checkInteger(forMs, 'change.forMs', 1000, 366 * DAY_MS) }),
  }
}
