// A server: answers each number, on UDP and on TCP, with its name and the number. Muted, it is as good as dead: what
// comes is read and forgotten. Flags: its name, and the address it listens at.
import { createSocket } from 'node:dgram'
import { createServer, isIPv6 } from 'node:net'
import { onOrders, tellReady } from '../../lab/traffic/messages.js'
import { port } from './network.js'

const [name, address] = process.argv.slice(2) as [string, string]
let muted = false

const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
udp.on('message', (query, client) => {
  if (!muted) udp.send(`${name} ${query}`, client.port, client.address)
})
// A client that has gone is no concern of ours.
udp.on('error', () => {})

const tcp = createServer({ noDelay: true }, (socket) => {
  let rest = ''
  socket.setEncoding('utf8').on('error', () => {})
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    if (!muted) for (const number of lines) socket.write(`${name} ${number}\n`)
  })
})

onOrders({
  mute: () => {
    muted = true
  },
  unmute: () => {
    muted = false
  },
  stop: () => process.exit(),
})
udp.bind(port, address, () => tcp.listen(port, address, () => tellReady()))
