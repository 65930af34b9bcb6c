// Sends one packet of each of many flows to a virtual address, every flow from another address and port.
// Its arguments: an address, a port, the number of the first flow, how many.
import { createSocket } from 'node:dgram'
import { tellReady } from '../../lab/traffic/messages.js'

const [address, port, first, count] = process.argv.slice(2) as [string, string, string, string]
const atOnce = 50

const one = (index: number) =>
  new Promise<void>((resolve) => {
    const socket = createSocket('udp4')
    const from = `10.64.${index >> 8}.${index & 255}`
    socket.on('error', () => resolve())
    socket.bind(20_000 + (index % 10_000), from, () =>
      socket.send('?', Number(port), address, () => socket.close(() => resolve())),
    )
  })

const end = Number(first) + Number(count)
for (let index = Number(first); index < end; index += atOnce) {
  const some = Math.min(atOnce, end - index)
  await Promise.all(Array.from({ length: some }, (_, at) => one(index + at)))
}
tellReady()
process.exit()
