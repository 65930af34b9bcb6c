// itself.mjs PORT: in a namespace whose kernel has two ports to give, PORT and the next: what checks of a server at PORT say where
// nobody listens, over TCP and UDP, and then of one over UDP by a device. A kernel gives some of them the very port that they ask.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { checks } from '../../../dist/index.js'

const port = Number(process.argv[2])
const member = { key: 'server', address: '127.0.0.1', port }
const said = {}

async function ask(name, check, times) {
  const all = new Set()
  for (let n = 0; n < times; n++) {
    const signal = AbortSignal.timeout(10_000)
    all.add(
      await check(member, { signal }).then(
        () => 'healthy',
        (error) => error.message,
      ),
    )
  }
  said[name] = [...all].sort()
}

const echo = (socket) =>
  socket.on('message', (text, from) => socket.send(text, from.port, from.address))
await ask('tcp', checks.tcp(), 50)
await ask('tcp by a device', checks.tcp({ connect: { device: 'lo' } }), 50)
await ask('expect', checks.expect({ dialogue: [{ send: 'x' }, { expect: 'x' }] }), 50)
await ask('udp', checks.udp({ payload: 'x', reply: 'x' }), 50)
const server = createSocket('udp4')
server.bind(port, '127.0.0.1')
await once(server, 'listening')
echo(server)
await ask(
  'udp by a device',
  checks.udp({ payload: 'x', reply: 'x', connect: { device: 'lo' } }),
  50,
)
server.close()
console.log(JSON.stringify(said))
