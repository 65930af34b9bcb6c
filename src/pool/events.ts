// Hands events to listeners and to diagnostics_channel, whatever the listeners do.
import { channel } from 'node:diagnostics_channel'
import type { EventEmitter } from 'node:events'
import type { MirroredPoolEvents } from './types.js'

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

export class Events {
  readonly #emitter: EventEmitter<MirroredPoolEvents>
  readonly #pool: string
  #sequence = 0
  #opening = true
  /** Events of the opening: nobody can have listened yet. */
  readonly #held: (() => void)[] = []

  constructor(emitter: EventEmitter<MirroredPoolEvents>, pool: string) {
    this.#emitter = emitter
    this.#pool = pool
  }

  publish<K extends Name>(name: K, event: Omit<EventOf<K>, Stamp>): void {
    const stamp = { sequence: ++this.#sequence, time: Date.now(), pool: this.#pool }
    const stamped = { ...stamp, ...event } as EventOf<K>
    if (channels[name].hasSubscribers) channels[name].publish(stamped)
    if (this.#opening) {
      this.#held.push(() => this.#emit(name, stamped))
      return
    }
    this.#flush()
    this.#emit(name, stamped)
  }

  /** Calls the listeners that were attached right after the opening with what happened in it. */
  opened(): void {
    this.#opening = false
    if (this.#held.length > 0) setImmediate(() => this.#flush())
  }

  #flush(): void {
    for (const emit of this.#held.splice(0)) emit()
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
