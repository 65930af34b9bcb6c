// names.mjs NAME PORT: says its name, and who asks it, over TCP and UDP, and "ready" when it does. At the next port it hears
// UDP and says nothing. Ends with its input.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const [name, port] = process.argv.slice(2)
const udp = createSocket('udp6').bind(Number(port))
udp.on('message', (_, from) => udp.send(`${name} ${from.address}`, from.port, from.address))
const deaf = createSocket('udp6').bind(Number(port) + 1)
const tcp = createServer((socket) =>
  socket.on('error', () => {}).write(`${name} ${socket.remoteAddress}\n`),
)
tcp.listen(Number(port), '::')
await Promise.all([once(deaf, 'listening'), once(udp, 'listening'), once(tcp, 'listening')])
console.log('ready')
process.stdin.resume().on('end', () => process.exit())
