// Four clients that ask the virtual address all the time, each in its own way; begin at the order `go`.

import { Asking } from '../../lab/traffic/asking.js'
import { forgetMs, patienceMs } from '../../lab/traffic/client-names.js'
import { now, onOrders, tell, tellReady } from '../../lab/traffic/messages.js'
import { keepAsking } from '../../lab/traffic/pace.js'
import { Queries } from '../../lab/traffic/queries.js'
import { type ClientName, clientNames, perSecond } from './client-names.js'

/** A connection that lasts has been cut. */
export interface CutMessage {
  readonly type: 'cut'
  readonly at: number
}

const fixedPort = 5353

const queries = new Queries<ClientName>({ patienceMs, forgetMs })
const asking = new Asking(queries)
const cut = () => {
  if (!queries.stopping) tell<CutMessage>({ type: 'cut', at: now() })
}
/** As many as there are servers, so that each has one. */
const connections = [1, 2, 3].map(() => asking.overOneConnection('TCP, long-lived', cut))
let turn = 0

const ways: Record<ClientName, () => void> = {
  'UDP, new ports': () => asking.fromNewPort('UDP, new ports'),
  'UDP, one port': asking.fromOnePort('UDP, one port', fixedPort),
  'TCP, new connections': () => asking.overTcp('TCP, new connections'),
  'TCP, long-lived': () => connections[turn++ % connections.length]!(),
}

onOrders({
  go: () => {
    for (const client of clientNames) {
      keepAsking(perSecond[client], () => queries.stopping, ways[client])
    }
  },
  stop: () => queries.stop(),
})
tellReady()
