// What a new list of servers changes.
import { rangeError } from '../errors.js'
import type { Member } from './member.js'

export interface Membership {
  readonly joining: readonly Member[]
  /** Members whose weight or thresholds have changed. They have been set. */
  readonly changed: readonly Member[]
  readonly leaving: readonly Member[]
}

/**
 * Compares a pool's servers with a list of them, by key; backups stay.
 *
 * @param listed made from the list, in its order
 * @throws RangeError if a server is listed twice, or is a backup; nothing was set
 */
export function takeList(
  present: ReadonlyMap<string, Member>,
  listed: readonly Member[],
): Membership {
  const wanted = new Map<string, Member>()
  for (const [index, made] of listed.entries()) {
    const option = `servers[${index}]`
    if (wanted.has(made.key)) {
      throw rangeError(option, 'a server that is not in the list twice', made.key)
    }
    if (present.get(made.key)?.backup) {
      throw rangeError(option, 'no backup of the pool', made.key)
    }
    wanted.set(made.key, made)
  }
  const places = new Map<string, Member>()
  const staying = [...present.values()].filter(({ backup }) => backup)
  for (const [index, member] of [...staying, ...listed].entries()) {
    for (const { front, key } of member.seats) {
      const place = `${front.key} ${key}`
      const other = places.get(place)
      if (other !== undefined) {
        const rule = `a server of its own: ${other.key} has ${key} on ${front.key}`
        throw rangeError(`servers[${index - staying.length}]`, rule, member.key)
      }
      places.set(place, member)
    }
  }
  const joining: Member[] = []
  const changed: Member[] = []
  for (const made of wanted.values()) {
    const known = present.get(made.key)
    if (known !== undefined && !known.hasSeatsOf(made)) made.inherit(known)
    if (known?.hasSeatsOf(made)) {
      if (known.become(made)) changed.push(known)
    } else joining.push(made)
  }
  // One whose second address has changed leaves and joins.
  const leaving = [...present.values()].filter(({ key, backup }) => {
    return !backup && (!wanted.has(key) || joining.includes(wanted.get(key)!))
  })
  return { joining, changed, leaving }
}
