// All servers: says over UDP what it hears, on each virtual address that is asked, and takes TCP connections on each of some addresses.
// Its argument: { udp: ['192.0.2.53:53'], tcp: ['10.1.0.1:53'] }
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { onOrders, tellReady } from '../../lab/traffic/messages.js'

const { udp, tcp } = JSON.parse(process.argv[2]!) as {
  readonly udp: readonly string[]
  readonly tcp: readonly string[]
}
const split = (at: string) => ({ host: at.split(':')[0]!, port: Number(at.split(':')[1]) })
for (const at of udp) {
  const { host, port } = split(at)
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => socket.send(query, from.port, from.address))
  socket.bind(port, host)
  await once(socket, 'listening')
}
for (const at of tcp) {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.resume()
  })
  server.listen(split(at))
  await once(server, 'listening')
}
onOrders({ stop: () => process.exit() })
tellReady()
