// Every director's word on every server, side by side.
import type { HealthState } from '../health/types.js'
import type { AdminState } from '../servers.js'
import type { DirectorState } from './state.js'

/** What a director says of itself. */
export interface FleetDirector {
  readonly name: string
  /** Where it was asked. Default: it is the one that was asked for all of this. */
  readonly url?: string | undefined
  /** `active` or `standby`. Default: it has no role, or does not say. */
  readonly role?: 'active' | 'standby' | undefined
  /** Every pool was programmed, and every server had its first verdict. Default: it does not answer. */
  readonly ready?: boolean | undefined
  /** Why it says nothing. Default: it answers. */
  readonly error?: string | undefined
}

/** A director's word on a server. */
export interface FleetWord {
  readonly health: HealthState
  readonly admin: AdminState
  /** What is left of its weight: its part of the connections. */
  readonly weight: number
  /** Connections go to it. */
  readonly serves: boolean
}

/** A server, with each director's word on it. */
export interface FleetRow {
  readonly pool: string
  /** `10.1.0.1:53` */
  readonly server: string
  /** In the order of the directors; `null` where one does not have it, or does not answer. */
  readonly words: readonly (FleetWord | null)[]
  /** Those that answer are not of one mind. */
  readonly differs: boolean
}

/** What all directors say. */
export interface FleetState {
  /** Milliseconds since the epoch. */
  readonly time: number
  /** The one that was asked first. */
  readonly directors: readonly FleetDirector[]
  readonly rows: readonly FleetRow[]
}

/** What one director has answered. */
export interface FleetAnswer {
  readonly director: FleetDirector
  /** By pool, then by server. Default: it has said nothing. */
  readonly servers?: ReadonlyMap<string, ReadonlyMap<string, FleetWord>> | undefined
}

/** A director's own servers, or those of a state that was checked. */
export function wordsOf({
  pools,
}: Pick<DirectorState, 'pools'>): ReadonlyMap<string, ReadonlyMap<string, FleetWord>> {
  return new Map(
    pools.map(({ pool, servers }) => [
      pool,
      new Map(
        servers.map(({ server, health, admin, weight, serves }) => [
          server,
          { health, admin, weight: weight.effective, serves },
        ]),
      ),
    ]),
  )
}

/** One table of all answers. */
export function fleetState(answers: readonly FleetAnswer[]): FleetState {
  const pools = new Set(answers.flatMap(({ servers }) => [...(servers?.keys() ?? [])]))
  const rows = [...pools].toSorted().flatMap((pool) => {
    const all = new Set(answers.flatMap(({ servers }) => [...(servers?.get(pool)?.keys() ?? [])]))
    return [...all].map((server): FleetRow => {
      const words = answers.map(({ servers }) => servers?.get(pool)?.get(server) ?? null)
      const said = words
        .filter((_, index) => answers[index]!.servers !== undefined)
        .map((word) => JSON.stringify(word))
      return { pool, server, words, differs: new Set(said).size > 1 }
    })
  })
  return { time: Date.now(), directors: answers.map(({ director }) => director), rows }
}
