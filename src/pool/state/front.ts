// One service of the pool and its destinations, as far as they are known.
import type { Service } from '../../types.js'
import type { FrontSpec } from '../config/fronts.js'
import { DestinationEntry, Entry } from './entry.js'

export class Front {
  readonly spec: FrontSpec
  readonly entry = new Entry<Service>()
  /** By key: the servers', and whatever else a read has shown. */
  readonly destinations = new Map<string, DestinationEntry>()
  #service: Service
  #withdrawn = false

  constructor(spec: FrontSpec) {
    this.spec = spec
    this.#service = spec.service
  }

  get key(): string {
    return this.spec.key
  }

  /** As it should be. Final when the pool has read the kernel for the first time. */
  get service(): Service {
    return this.#service
  }

  /** Takes over what a service that exists has. */
  adopt(service: Service): void {
    this.#service = service
  }

  /** It has to be absent. */
  get withdrawn(): boolean {
    return this.#withdrawn
  }

  withdraw(withdrawn: boolean): void {
    // That it is there then, or not, is the pool's own doing.
    if (this.#withdrawn !== withdrawn) this.entry.owe()
    this.#withdrawn = withdrawn
  }

  destination(key: string, id: DestinationEntry['id']): DestinationEntry {
    let entry = this.destinations.get(key)
    if (entry === undefined) {
      entry = new DestinationEntry(key, id)
      this.destinations.set(key, entry)
    }
    return entry
  }

  /** Forgets what nobody has declared and is not there. */
  forgetGone(): void {
    // What goes with the service is back if that cannot be taken away.
    if (this.entry.pending) return
    for (const [key, entry] of this.destinations) {
      if (entry.owner !== undefined || entry.pending || entry.known !== 'absent') continue
      this.destinations.delete(key)
    }
  }
}
