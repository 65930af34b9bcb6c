// What the contract is checked on: the real kernel in a namespace of its own, or one in memory.
import type { Ipvs } from '../../src/client.js'
import type { AddressServiceId, DestinationId } from '../../src/types.js'

export interface Subject {
  /** Opens one more client. */
  open(options?: { deadlineMs?: number }): Promise<Ipvs>
  /** Sends datagrams of one byte through a UDP service, each from a port of its own. */
  send(service: AddressServiceId, destination: DestinationId, count: number): void
  /** Lets some of the kernel's time pass. */
  wait(): Promise<void>
  close(): void
}
