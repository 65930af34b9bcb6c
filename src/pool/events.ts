// Hands events to listeners and to diagnostics_channel, whatever the listeners do, one after the other: their sequence
// is the order in which everybody hears them.
import { channel } from 'node:diagnostics_channel'
import type { EventEmitter } from 'node:events'
import type { MirroredPoolEvents } from './api.js'

type Name = keyof MirroredPoolEvents
type EventOf<K extends Name> = MirroredPoolEvents[K][0]

/** What every event of a pool gets here. */
type Stamp = 'sequence' | 'time' | 'pool'

const channels: { readonly [K in Name]: ReturnType<typeof channel> } = {
  up: channel('ipvs:up'),
  down: channel('ipvs:down'),
  drained: channel('ipvs:drained'),
  quorum: channel('ipvs:quorum'),
  drift: channel('ipvs:drift'),
  diverged: channel('ipvs:diverged'),
  warning: channel('ipvs:warning'),
  error: channel('ipvs:error'),
}

/** What a pool can say. */
export const poolEvents = Object.keys(channels) as readonly Name[]

export class Events {
  readonly #emitter: EventEmitter<MirroredPoolEvents>
  readonly #pool: string
  #sequence = 0
  #opening = true
  /** What a listener or subscriber has caused waits until everybody has heard what they were told. */
  readonly #queue: (() => void)[] = []
  #telling = false
  /** Events of the opening: nobody can have listened yet. */
  readonly #early: (() => void)[] = []

  constructor(emitter: EventEmitter<MirroredPoolEvents>, pool: string) {
    this.#emitter = emitter
    this.#pool = pool
  }

  /** Somebody listens, or may have been told later. */
  isHeard(name: Name): boolean {
    return (
      this.#opening ||
      this.#early.length > 0 ||
      channels[name].hasSubscribers ||
      this.#emitter.listenerCount(name) > 0
    )
  }

  /** Something has happened that nobody hears: it has its number all the same. */
  skip(): void {
    this.#sequence++
  }

  publish<K extends Name>(name: K, event: Omit<EventOf<K>, Stamp>): void {
    this.#queue.push(() => this.#tell(name, event))
    this.#tellAll()
  }

  /** Calls the listeners that were attached right after the opening with what happened in it. */
  opened(): void {
    this.#opening = false
    if (this.#early.length > 0) setImmediate(() => this.#tellAll())
  }

  #tellAll(): void {
    if (this.#telling) return
    this.#telling = true
    try {
      if (!this.#opening) this.#queue.unshift(...this.#early.splice(0))
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next()
    } finally {
      this.#telling = false
    }
  }

  #tell<K extends Name>(name: K, event: Omit<EventOf<K>, Stamp>): void {
    const stamp = { sequence: ++this.#sequence, time: Date.now(), pool: this.#pool }
    const stamped = { ...stamp, ...event } as EventOf<K>
    if (channels[name].hasSubscribers) channels[name].publish(stamped)
    if (this.#opening) this.#early.push(() => this.#emit(name, stamped))
    else this.#emit(name, stamped)
  }

  #emit<K extends Name>(name: K, event: EventOf<K>): void {
    for (const listener of this.#emitter.rawListeners(name)) {
      try {
        const returned: unknown = Reflect.apply(listener, this.#emitter, [event])
        if (returned instanceof Promise) {
          returned.catch((error: unknown) => this.#listenerFailed(name, event, error))
        }
      } catch (error) {
        this.#listenerFailed(name, event, error)
      }
    }
  }

  #listenerFailed<K extends Name>(name: K, { cause, initial }: EventOf<K>, error: unknown): void {
    const reason = `a listener of '${name}' has thrown`
    if (name === 'error' || this.#emitter.listenerCount('error') === 0) {
      const text = error instanceof Error ? error.stack : String(error)
      process.emitWarning(`ipvs pool "${this.#pool}": ${reason}: ${text}`)
      return
    }
    this.publish('error', { cause, initial, reason, error, before: undefined, after: undefined })
  }
}
