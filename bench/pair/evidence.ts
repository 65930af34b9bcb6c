// What a trial leaves behind: all that the verdict is given. Times are milliseconds of CLOCK_MONOTONIC, which all processes
// of the guest share.
import type { Director, Server } from '../../lab/network/three-servers.js'
import type { Query } from '../../lab/traffic/queries.js'
import type { Advert } from '../../lab/witness/adverts.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import type { ClientName } from './client-names.js'
import type { FailureName } from './failures.js'
import type { SystemName } from './systems.js'

export interface Evidence {
  readonly system: SystemName
  readonly failure: FailureName
  /** The clients begin, and the story; what counts as the failure begins, it is over, and nobody looks any more. */
  readonly startedAt: number
  readonly beganAt: number
  readonly failedAt: number
  readonly overAt: number
  readonly endedAt: number
  readonly adverts: readonly Advert[]
  /** Of both directors; the time that was missing is told in the first one's. */
  readonly tables: Readonly<Record<Director, readonly WitnessEntry[]>>
  readonly queries: readonly Query<ClientName>[]
  /** When a connection that lasts was cut. */
  readonly cuts: readonly number[]
  /** A server that has died for good. */
  readonly dead?: { readonly server: Server; readonly from: number }
  /** Of queries over UDP, those that a server got more often than they were sent. */
  readonly twice: number
  /** Packets that a director gave up because they had passed too many machines. */
  readonly hopsExceeded: number
  /** What the system has said. */
  readonly output: string
}
