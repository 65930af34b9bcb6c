// send.mjs ADDRESS PORT COUNT: sends one datagram from each of COUNT fresh ports.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const [, , address, port, count] = process.argv
for (let i = 0; i < Number(count); i++) {
  const socket = createSocket('udp4')
  socket.on('error', () => {})
  socket.send('hello', Number(port), address)
  await once(socket, 'listening')
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.close()
}
