// send.mjs ADDRESS PORT FROM COUNT: datagrams of one byte, each from a port of its own, from FROM on.
import { createSocket } from 'node:dgram'

const [address, ...numbers] = process.argv.slice(2)
const [port, from, count] = numbers.map(Number)
for (let own = from; own < from + count; own++) {
  const socket = createSocket('udp4')
  socket.bind(own, () => socket.send('x', port, address, () => socket.close()))
}
