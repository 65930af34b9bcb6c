// What a new list of servers changes.
import { rangeError } from '../../errors.js'
import type { Server } from './server.js'

export interface ListChange {
  readonly joining: readonly Server[]
  /** Servers whose weight or thresholds have changed. They have been set. */
  readonly changed: readonly Server[]
  readonly leaving: readonly Server[]
}

/**
 * Compares a pool's servers with a list of them, by key; backups stay.
 *
 * @param listed made from the list, in its order
 * @param option what the list is called in errors
 * @throws RangeError if a server is listed twice, or is a backup; nothing was set
 */
export function applyServerList(
  present: ReadonlyMap<string, Server>,
  listed: readonly Server[],
  option = 'servers',
): ListChange {
  const wanted = new Map<string, Server>()
  for (const [index, made] of listed.entries()) {
    const place = `${option}[${index}]`
    if (wanted.has(made.key)) {
      throw rangeError(place, 'a server that is not in the list twice', made.key)
    }
    if (present.get(made.key)?.backup) {
      throw rangeError(place, 'a server that is no backup of the pool', made.key)
    }
    wanted.set(made.key, made)
  }
  const places = new Map<string, Server>()
  const staying = [...present.values()].filter(({ backup }) => backup)
  for (const [index, server] of [...staying, ...listed].entries()) {
    for (const { front, key } of server.places) {
      const place = `${front.key} ${key}`
      const other = places.get(place)
      if (other !== undefined) {
        const rule = `a server of its own: ${other.key} has ${key} on ${front.key}`
        throw rangeError(`${option}[${index - staying.length}]`, rule, server.key)
      }
      places.set(place, server)
    }
  }
  const joining: Server[] = []
  const changed: Server[] = []
  for (const made of wanted.values()) {
    const known = present.get(made.key)
    if (known !== undefined && !known.hasPlacesOf(made)) made.inherit(known)
    if (known?.hasPlacesOf(made)) {
      if (known.become(made)) changed.push(known)
    } else joining.push(made)
  }
  // One whose second address has changed leaves and joins.
  const moving = new Set(joining.map(({ key }) => key))
  const leaving = [...present.values()].filter(
    ({ key, backup }) => !backup && (!wanted.has(key) || moving.has(key)),
  )
  return { joining, changed, leaving }
}
