// What a trial leaves behind: all that the verdict is given. Times are milliseconds of CLOCK_MONOTONIC, which all processes
// of the guest share.

import type { Server } from '../../lab/network/three-servers.js'
import type { ClientName } from '../../lab/traffic/client-names.js'
import type { Query } from '../../lab/traffic/queries.js'
import type { WitnessEntry } from '../../lab/witness/entries.js'
import type { Protocol } from '../../lab/witness/members.js'
import type { FailureName } from './failures.js'
import type { SystemName } from './systems.js'

/** The victim gave no (good) answers over this protocol. */
export interface Dead {
  readonly protocol: Protocol
  readonly from: number
  readonly to: number
}

export interface Evidence {
  readonly system: SystemName
  readonly failure: FailureName
  /** The server that something happens to. */
  readonly victim: Server
  /** The clients begin, the failure begins, it is over, and nobody looks any more. */
  readonly startedAt: number
  readonly failedAt: number
  readonly restoredAt: number
  readonly endedAt: number
  readonly dead: readonly Dead[]
  readonly tables: readonly WitnessEntry[]
  readonly queries: readonly Query<ClientName>[]
  /** What the system has said. */
  readonly output: string
}
