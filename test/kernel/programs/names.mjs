// names.mjs NAME PORT: says its name, and who asks it, over TCP and UDP, and "ready" when it does. Ends with its input.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [name, port] = process.argv.slice(2)
const udp = createSocket('udp6').bind(Number(port))
udp.on('message', (_, from) => udp.send(`${name} ${from.address}`, from.port, from.address))
const tcp = createServer((socket) =>
  socket.on('error', () => {}).write(`${name} ${socket.remoteAddress}\n`),
)
tcp.listen(Number(port), '::')
await Promise.all([once(udp, 'listening'), once(tcp, 'listening')])
console.log('ready')
process.stdin.resume().on('end', () => process.exit())
