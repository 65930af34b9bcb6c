// Which bulk changes a later call has made stale. The lanes of the addon have the same rules: a call passes another only
// where no object of both is the same, or where what it has written supersedes what it has passed.
import { constants } from 'node:os'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import { OUTCOME } from '../kernel/addon.js'
import type { CheckedChange } from '../validate.js'

const { ENOENT, ESRCH } = constants.errno

/** What calls have written while bulk changes wait, with the order of the last such call. */
export class LaterWrites {
  readonly #orders = new Map<string, number>()
  #flushed = 0

  clear(): void {
    this.#orders.clear()
    this.#flushed = 0
  }

  /** Everything is gone, by a call of this order. */
  noteFlush(order: number): void {
    this.#flushed = order
  }

  note(change: CheckedChange, order: number): void {
    const service = checkedServiceKey(change.service)
    this.#orders.set(objectKey(change), order)
    if (isRemoval(change)) this.#orders.set(`${service} removed`, order)
    if (putsDestination(change)) this.#orders.set(`${service} below`, order)
  }

  supersedes(change: CheckedChange, order: number): boolean {
    if (this.#flushed > order) return true
    if (this.#orders.size === 0) return false
    const service = checkedServiceKey(change.service)
    const isLater = (key: string): boolean => (this.#orders.get(key) ?? -1) > order
    if (isLater(objectKey(change)) || isLater(`${service} removed`)) return true
    // Removing a service must not take away what was written below it later.
    return isRemoval(change) && isLater(`${service} below`)
  }
}

/** After a change with this outcome the object may be, or surely is, as the change says. */
export function hasWritten(change: CheckedChange, code: number): boolean {
  if (code === 0 || code === OUTCOME.unknown) return true
  // There was nothing to remove. So it is to stay: what comes to it from an earlier call comes too late.
  return isAnyRemoval(change) && (code === ENOENT || code === ESRCH)
}

function isAnyRemoval(change: CheckedChange): boolean {
  return isRemoval(change) || change.op === 'remove-destination'
}

function objectKey({ service, destination }: CheckedChange): string {
  const key = checkedServiceKey(service)
  return destination === undefined ? key : `${key} -> ${checkedDestinationKey(destination)}`
}

function isRemoval({ op }: CheckedChange): boolean {
  return op === 'remove-service' || op === 'ensure-no-service'
}

function putsDestination({ op }: CheckedChange): boolean {
  return op === 'add-destination' || op === 'replace-destination' || op === 'ensure-destination'
}
