// What reconciling needs of a client's kernel, as plain calls that share one deadline.
import { sendAlone } from '../apply/requests.js'
import type { IpvsError } from '../errors.js'
import { serviceKey } from '../identity.js'
import type { Kernel, Place } from '../kernel/kernel.js'
import type { Change, DestinationStatus, ServiceId, ServiceStatus, Snapshot } from '../types.js'
import { checkServiceId } from '../validate.js'

export interface Table {
  snapshot(): Promise<Snapshot>
  service(id: ServiceId): Promise<ServiceStatus | undefined>
  /** `undefined`: no such service. */
  destinations(id: ServiceId): Promise<readonly DestinationStatus[] | undefined>
  /** Errors by index. Other calls go first between two batches. */
  write(changes: readonly Change[]): Promise<ReadonlyMap<number, IpvsError>>
}

/** @param until monotonic time at which every call of the table is over */
export function kernelTable(
  kernel: Kernel,
  place: Place,
  until: number,
  signal: AbortSignal | undefined,
): Table {
  const left = () => Math.max(1, Math.ceil(until - performance.now()))
  return {
    snapshot: () => kernel.snapshot(left(), place),
    service: (id) => {
      const target = `reconciling ${serviceKey(id)}`
      return kernel.service(checkServiceId(id, 'service'), target, left())
    },
    destinations: (id) => {
      const target = `reconciling ${serviceKey(id)}`
      return kernel.destinations(checkServiceId(id, 'service'), target, left())
    },
    write: (changes) => {
      const options = { bulk: true, place, deadlineMs: left(), signal }
      return sendAlone(kernel, changes, options, (errors) => errors)
    },
  }
}
