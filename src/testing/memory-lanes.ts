// Which bulk changes a later call has made stale: the rules of native/lanes.cc.
import { checkedDestinationKey, checkedServiceKey } from '../identity.js'
import type { CheckedChange } from '../validate.js'

/** What normal calls have written while bulk changes wait, with the order of the last such call. */
export class LaterWrites {
  readonly #orders = new Map<string, number>()

  clear(): void {
    this.#orders.clear()
  }

  note(change: CheckedChange, order: number): void {
    const service = checkedServiceKey(change.service)
    this.#orders.set(objectKey(change), order)
    if (isRemoval(change)) this.#orders.set(`${service} removed`, order)
    if (putsDestination(change)) this.#orders.set(`${service} below`, order)
  }

  supersedes(change: CheckedChange, order: number): boolean {
    if (this.#orders.size === 0) return false
    const service = checkedServiceKey(change.service)
    const isLater = (key: string): boolean => (this.#orders.get(key) ?? -1) > order
    if (isLater(objectKey(change)) || isLater(`${service} removed`)) return true
    // Removing a service must not take away what was written below it later.
    return isRemoval(change) && isLater(`${service} below`)
  }
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
