// What has failed and is not right yet, and what was told of it: once, until it is right.
import { isNotFound } from '../../errors.js'
import type { Server } from '../policy/server.js'
import { type DestinationEntry, type Entry, PROMPT_TRIES } from '../state/entry.js'
import type { Front } from '../state/front.js'
import { codeOf } from '../state/state-cache.js'
import { isFrontInSync, isPlaceInSync, type Step } from './steps.js'

/** Tries after which a server counts as one that the kernel refuses. */
const REFUSED_TRIES = 2

interface Failed {
  readonly front: Front
  /** Absent: it is the service itself. */
  readonly entry?: DestinationEntry | undefined
  readonly server?: Server | undefined
}

export class Failures {
  readonly #failed = new Map<Entry<object>, Failed>()
  readonly #told = new Set<Server | Front>()

  get size(): number {
    return this.#failed.size
  }

  add({ front, entry, server }: Step): void {
    this.#failed.set(entry ?? front.entry, { front, entry, server })
  }

  /** Takes out what is right by now; what is not is due at its monotonic time. `undefined`: nothing is. */
  review(): number | undefined {
    let due: number | undefined
    for (const [entry, failed] of this.#failed) {
      // A service that is withdrawn says nothing about who was refused in it.
      if (isRight(failed) && !(failed.front.withdrawn && failed.server?.refused)) {
        entry.agree()
        this.#failed.delete(entry)
        continue
      }
      if (isHopeless(failed)) continue
      const at = entry.failure?.retryAt ?? 0
      due = due === undefined ? at : Math.min(due, at)
    }
    for (const it of this.#told) if (!this.#has(it)) this.#told.delete(it)
    return due
  }

  /** What is to be told: those that have failed again and again, once each. */
  *news(): Generator<{ readonly error: Error; readonly server: Server | undefined }> {
    for (const { front, entry, server } of this.#failed.values()) {
      const { failure } = entry ?? front.entry
      if (failure === undefined) continue
      const hopeless = isHopeless({ front, entry })
      if (failure.tries <= PROMPT_TRIES && !hopeless) continue
      // Those of a service that cannot be made are no news.
      if (entry !== undefined && front.entry.failure && isNotFound(failure.error)) continue
      const about = server ?? front
      if (this.#told.has(about)) continue
      this.#told.add(about)
      yield { error: failure.error, server }
    }
  }

  /** Why servers are not right, or their services, or else anything of the pool. */
  errorOf(servers: readonly Server[]): Error | undefined {
    const places = servers.flatMap((server) => server.places)
    for (const { failure } of [
      ...places.map(({ entry }) => entry),
      ...places.map(({ front }) => front.entry),
    ]) {
      if (failure !== undefined) return failure.error
    }
    for (const entry of this.#failed.keys()) if (entry.failure) return entry.failure.error
    return undefined
  }

  /** Whether the client has been closed: there is nothing to be tried again. */
  get isClientClosed(): boolean {
    for (const { failure } of this.#failed.keys()) {
      if (codeOf(failure?.error) === 'ERR_IPVS_CLOSED') return true
    }
    return false
  }

  /** Servers that were refused while their services are out: they may be tried once more. */
  dueWhileWithdrawn(now: number): Server[] {
    const due = new Set<Server>()
    for (const [entry, { front, server }] of this.#failed) {
      if (!server?.refused || !front.withdrawn || entry.failure === undefined) continue
      if (entry.failure.retryAt > now) continue
      entry.postpone()
      due.add(server)
    }
    return [...due]
  }

  #has(about: Server | Front): boolean {
    for (const { server, front } of this.#failed.values()) {
      if ((server ?? front) === about) return true
    }
    return false
  }
}

/**
 * The kernel does not take the server: it should be there and is not, and that was tried more than once. One that was
 * refused stays so until it is there: that it has gone down meanwhile proves nothing. Where its services are out and
 * nothing tries it any more, it has another try.
 */
export function isRefused(server: Server): boolean {
  const isThere = server.places.some(({ entry }) => typeof entry.sure === 'object')
  if (server.refused && !isThere) return !isOverlooked(server)
  return server.places.some((place) => {
    const { entry } = place
    if (entry.owner !== server.instance || entry.takesConnections) return false
    const wanted = server.wanted(place)
    if (typeof wanted !== 'object') return false
    // One that is drained takes no connections, but has to be there.
    if (wanted.weight === 0 && typeof entry.sure === 'object') return false
    return entry.failure !== undefined && entry.failure.tries >= REFUSED_TRIES
  })
}

/** It is wanted in services that are out, and what has failed of it is forgotten. */
function isOverlooked(server: Server): boolean {
  return server.places.every((place) => {
    const wanted = server.wanted(place)
    const takes = typeof wanted === 'object' && wanted.weight !== 0
    return takes && place.front.withdrawn && !place.entry.pending && !place.entry.failure
  })
}

function isRight({ front, entry, server }: Failed): boolean {
  if (entry === undefined) return isFrontInSync(front)
  if (server === undefined) return entry.owner !== undefined || entry.known === 'absent'
  const place = server.places.find((it) => it.entry === entry)
  return !entry.pending && (place === undefined || isPlaceInSync(server, place))
}

/** Its service is gone, and that is left so: there is no place for it. */
function isHopeless({ front, entry }: Failed): boolean {
  return entry !== undefined && front.entry.phase === 'ignored' && front.entry.known === 'absent'
}
