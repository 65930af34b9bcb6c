// names.mjs NAME PORT ADDRESS...: says its name, and who asks it, over TCP and UDP, and "ready" when it does. At the next port it
// hears UDP and says nothing. Over UDP it listens at each address: an answer has to come from the one that was asked.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [name, port, ...addresses] = process.argv.slice(2)
const udp = addresses.map((address) => {
  const type = address.includes(':') ? 'udp6' : 'udp4'
  const socket = createSocket(type).bind(Number(port), address)
  return socket.on('message', (_, from) =>
    socket.send(`${name} ${from.address}`, from.port, from.address),
  )
})
const deaf = createSocket('udp6').bind(Number(port) + 1)
const tcp = createServer((socket) =>
  socket.on('error', () => {}).write(`${name} ${socket.remoteAddress}\n`),
)
tcp.listen(Number(port), '::')
await Promise.all([deaf, tcp, ...udp].map((one) => once(one, 'listening')))
console.log('ready')
process.stdin.resume().on('end', () => process.exit())
