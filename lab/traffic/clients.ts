// Three clients that ask the virtual address of three-servers.ts all the time, each in its own way. Runs in the
// client's namespace, begins at the order `go` and tells what became of every query; a word behind it multiplies how often they ask.
// Before that, `calibrate` asks one server after the other, as fast as they answer, and tells how many it were in a second.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { addresses, port, servers } from '../network/three-servers.js'
import { Asking } from './asking.js'
import { type CalibratedMessage, type ClientName, forgetMs, patienceMs } from './client-names.js'
import { queryMessage } from './dns-message.js'
import { now, onOrders, tell, tellReady } from './messages.js'
import { keepAsking } from './pace.js'
import { Queries } from './queries.js'

const fixedPort = 5353
/** Together with everything else about half of what the guest's one CPU can do on a quiet machine: the rest is reserve. */
const perSecond: Record<ClientName, number> = {
  'UDP, new ports': 50,
  'UDP, one port': 50,
  TCP: 10,
}

const queries = new Queries<ClientName>({ patienceMs, forgetMs })
const asking = new Asking(queries)
const askFromOnePort = asking.fromOnePort('UDP, one port', fixedPort)

/** Servers are asked at their own addresses: no director is needed yet. */
async function calibrate(): Promise<void> {
  const start = now()
  let answered = 0
  while (now() - start < 1000) {
    const socket = createSocket('udp4')
    const answer = once(socket, 'message')
    socket.send(queryMessage(0), port, addresses[servers[answered % servers.length]!])
    // Should one get lost: it counts as one that took that long.
    await Promise.race([answer, sleep(1000)])
    socket.close()
    answered++
  }
  tell<CalibratedMessage>({ type: 'calibrated', perSecond: (answered * 1000) / (now() - start) })
}

const isStopping = () => queries.stopping
onOrders({
  calibrate: () => void calibrate(),
  go: (factor = '1') => {
    const at = (client: ClientName) => perSecond[client] * Number(factor)
    keepAsking(at('UDP, new ports'), isStopping, () => asking.fromNewPort('UDP, new ports'))
    keepAsking(at('UDP, one port'), isStopping, askFromOnePort)
    keepAsking(at('TCP'), isStopping, () => asking.overTcp('TCP'))
  },
  stop: () => queries.stop(),
})
tellReady()
