// Which changes that wait a later call has made stale: the rules of native/lanes.cc. A call passes another only where no
// object of both is the same, or where what it has said of it supersedes what it has passed.
import { constants } from 'node:os'
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import { OUTCOME } from '../kernel/addon.js'
import type { CheckedChange } from '../validate.js'

const { EEXIST, ENOENT, ESRCH } = constants.errno

/** What calls have said of objects, with the order of the last that did: changes that are older have no say any more. */
export class LaterWrites {
  readonly #orders = new Map<string, number>()
  #flushed = 0

  clear(): void {
    this.#orders.clear()
    this.#flushed = 0
  }

  /** Everything is gone, by a call of this order. */
  noteFlush(order: number): void {
    this.#flushed = Math.max(this.#flushed, order)
  }

  /** @param code what came of it: 0, an errno, or an outcome */
  note(change: CheckedChange, code: number, order: number): void {
    const spoken = hasSpoken(change, code)
    // Whoever was told that it is there shall not see an earlier call take it away.
    const present = isAddition(change) && code === EEXIST
    const service = checkedServiceKey(change.service)
    if (spoken) this.#raise(objectKey(change), order)
    if (spoken && isServiceRemoval(change)) this.#raise(`${service} removed`, order)
    if (present) this.#raise(`${objectKey(change)} present`, order)
    if ((spoken || present) && putsDestination(change)) this.#raise(`${service} below`, order)
  }

  supersedes(change: CheckedChange, order: number): boolean {
    if (this.#flushed > order) return true
    if (this.#orders.size === 0) return false
    const service = checkedServiceKey(change.service)
    const isLater = (key: string): boolean => (this.#orders.get(key) ?? -1) > order
    if (isLater(objectKey(change)) || isLater(`${service} removed`)) return true
    if (isRemoval(change) && isLater(`${objectKey(change)} present`)) return true
    // Removing a service must not take away what was put below it later.
    return isServiceRemoval(change) && isLater(`${service} below`)
  }

  #raise(key: string, order: number): void {
    this.#orders.set(key, Math.max(order, this.#orders.get(key) ?? order))
  }
}

/** An outcome that tells what has become of the object. A removal that finds nothing does too: nothing is there. */
function hasSpoken(change: CheckedChange, code: number): boolean {
  if (code === 0 || code === OUTCOME.unknown) return true
  return isRemoval(change) && (code === ESRCH || code === ENOENT)
}

function isAddition({ op }: CheckedChange): boolean {
  return op === 'add-service' || op === 'add-destination'
}

function isRemoval(change: CheckedChange): boolean {
  const { op } = change
  return isServiceRemoval(change) || op === 'remove-destination' || op === 'ensure-no-destination'
}

function isServiceRemoval({ op }: CheckedChange): boolean {
  return op === 'remove-service' || op === 'ensure-no-service'
}

function objectKey({ service, destination }: CheckedChange): string {
  const key = checkedServiceKey(service)
  return destination === undefined ? key : `${key} -> ${checkedDestinationKey(destination)}`
}

function putsDestination({ op }: CheckedChange): boolean {
  return op === 'add-destination' || op === 'replace-destination' || op === 'ensure-destination'
}
