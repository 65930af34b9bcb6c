// What the demo's own programs tell.

import type { Server } from '../lab/network/three-servers.js'
import type { CalibratedMessage, ClientName } from '../lab/traffic/client-names.js'
import type { QueriesMessage } from '../lab/traffic/queries.js'

/** From director.ts: an event of the pool, or a decision of the checker. */
export interface ControllerMessage {
  readonly type: 'controller'
  readonly at: number
  readonly event: string
  readonly server?: Server
  readonly text: string
}

export type Message = QueriesMessage<ClientName> | ControllerMessage | CalibratedMessage
