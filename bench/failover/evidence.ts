// What a trial leaves behind: all that the verdict is given. Times are milliseconds of CLOCK_MONOTONIC, which all processes
// of the guest share.

import type { Server } from '../../lab/network/three-servers.js'
import type { Query } from '../../lab/traffic/messages.js'
import type { WitnessEntry } from '../../test/chaos/logs.js'
import type { FailureName } from './failures.js'
import type { SystemName } from './systems.js'

export const protocols = ['tcp', 'udp'] as const
export type Protocol = (typeof protocols)[number]

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
  readonly queries: readonly Query[]
  /** What the system has said. */
  readonly output: string
}
