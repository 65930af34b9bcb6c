// at-once.mjs PORT: many checks of one server at the same time, each by a device: what they say.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { checks } from '../../../dist/index.js'

const port = Number(process.argv[2])
const member = { key: 'server', address: '127.0.0.1', port }
const server = createSocket('udp4')
server.on('message', (_, from) => server.send('pong', from.port, from.address))
server.bind(port, '127.0.0.1')
await once(server, 'listening')
const check = checks.udp({ payload: 'ping', reply: 'pong', connect: { device: 'lo' } })
const said = {}
const ask = async () => {
  for (let n = 0; n < 20; n++) {
    const signal = AbortSignal.timeout(20_000)
    const word = await check(member, { signal }).then(
      () => 'healthy',
      (error) => error.message,
    )
    said[word] = (said[word] ?? 0) + 1
  }
}
await Promise.all(Array.from({ length: 24 }, ask))
server.close()
console.log(JSON.stringify(said))
