// Deleted destinations live on for a while, and come back if they are added again (ip_vs_ctl.c: ip_vs_trash_get_dest).
import { isSameAddress } from '../address.js'
import type { CheckedDestinationId, CheckedServiceId } from '../validate.js'
import type { MemoryDestination } from './memory-objects.js'

const SWEEP_MS = 60_000
const IDLE_MS = 120_000

export class Trash {
  /** Newest first. */
  #entries: { destination: MemoryDestination; idleSince: number | undefined }[] = []
  #nextSweep = Number.POSITIVE_INFINITY

  put(destination: MemoryDestination, now: number): void {
    this.#sweep(now)
    if (this.#entries.length === 0) this.#nextSweep = now + SWEEP_MS
    this.#entries.unshift({ destination, idleSince: undefined })
  }

  /** Takes out the destination that was deleted from this service, or from one with the same identity. */
  take(
    service: CheckedServiceId,
    id: CheckedDestinationId,
    now: number,
  ): MemoryDestination | undefined {
    this.#sweep(now)
    const at = this.#entries.findIndex(({ destination: { fields, service: of } }) => {
      if (fields.af !== id.af || fields.port !== id.port) return false
      if (!isSameAddress(fields.address, id.address)) return false
      // A mark's family is not looked at.
      if (of.fields.fwmark !== service.fwmark || of.fields.protocol !== service.protocol)
        return false
      if (service.fwmark !== 0) return true
      return of.fields.port === service.port && isSameAddress(of.fields.address!, service.address!)
    })
    return at < 0 ? undefined : this.#entries.splice(at, 1)[0]!.destination
  }

  /** The kernel's timer: what has no connections is first marked, and goes when it has been so for two minutes. */
  #sweep(now: number): void {
    for (; this.#nextSweep <= now && this.#entries.length > 0; this.#nextSweep += SWEEP_MS) {
      const at = this.#nextSweep
      this.#entries = this.#entries.filter((entry) => {
        const { active, inactive, persistent } = entry.destination
        if (active + inactive + persistent > 0) return true
        entry.idleSince ??= at
        return at < entry.idleSince + IDLE_MS
      })
    }
  }
}
