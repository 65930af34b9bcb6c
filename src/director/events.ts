// What happens, in one order for all pools: for hooks, the log, those who follow, and the last changes of the state.
import { EventEmitter } from 'node:events'
import type { MirroredPoolEvents } from '../pool/api.js'
import { poolEvents } from '../pool/events.js'
import type { MirroredPool } from '../pool/pool.js'

/** What can happen. The first eight are those of a pool. */
export type DirectorEventName =
  | 'up'
  | 'down'
  | 'drained'
  | 'quorum'
  | 'drift'
  | 'diverged'
  | 'warning'
  | 'error'
  | 'announce'
  | 'set'
  | 'reload'
  | 'role'

/** One thing that has happened. */
export interface DirectorEvent {
  /** Growing, from 1. */
  readonly sequence: number
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly event: DirectorEventName
  /** Name of the pool it is about. */
  readonly pool?: string | undefined
  /** Key of the server it is about: `10.1.0.1:53`. */
  readonly server?: string | undefined
  /** In words. */
  readonly text: string
  /** What the pool's own event says, or the call. Plain JSON. */
  readonly data?: unknown
}

const KEPT = 200
export class Events extends EventEmitter<{ event: [event: DirectorEvent] }> {
  #sequence = 0
  readonly #last: DirectorEvent[] = []

  constructor() {
    super()
    this.setMaxListeners(0)
  }

  /** The last ones, oldest first. */
  get last(): readonly DirectorEvent[] {
    return this.#last
  }

  publish(event: Omit<DirectorEvent, 'sequence' | 'time'>): void {
    const told: DirectorEvent = { sequence: ++this.#sequence, time: Date.now(), ...event }
    this.#last.push(told)
    if (this.#last.length > KEPT) this.#last.shift()
    this.emit('event', told)
  }

  /** Passes on what a pool says. */
  hear(pool: MirroredPool): void {
    for (const name of poolEvents) {
      pool.on(name, (event: object) => {
        const { server, error } = event as { readonly server?: string; readonly error?: unknown }
        const data = error === undefined ? event : { ...event, error: messageOf(error) }
        this.publish({
          event: name,
          pool: pool.name,
          server,
          text: textOf(name, pool.name, data),
          data: plain(data),
        })
      })
    }
  }
}

type Said = Readonly<Record<string, unknown>>

function textOf(name: keyof MirroredPoolEvents, pool: string, event: object): string {
  const said = event as Said
  const { server, reason, after, message, error } = said
  const who = server === undefined ? pool : `${pool}/${String(server)}`
  const why = typeof reason === 'string' && reason !== '' ? `: ${reason}` : ''
  switch (name) {
    case 'up':
    case 'down':
      return `${who} is ${name}${why}`
    case 'drained':
      return `${who} is drained: ${String(said.outcome)}`
    case 'quorum':
      return `${who} has ${after === true ? 'regained' : 'lost'} its quorum: ${String(said.amount)}`
    case 'drift': {
      const what =
        said.destination === undefined
          ? String(said.service)
          : `${String(said.service)} ${String(said.destination)}`
      const done = said.repaired === true ? 'put right' : 'not put right yet'
      return `${who}: ${what} was ${String(said.found)}, ${done}`
    }
    case 'diverged':
      return `${who} differs between its protocols until it is repaired: ${JSON.stringify(after)}`
    case 'warning':
      return `${who}: ${String(message)}`
    case 'error':
      return `${who}: ${why === '' ? '' : `${why.slice(2)}: `}${messageOf(error)}`
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** As JSON has it. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, one: unknown) => {
      if (typeof one === 'bigint') return String(one)
      return one instanceof Error ? one.message : one
    }),
  )
}
