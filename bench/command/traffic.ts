// Sends datagrams to services of this kernel until it is ended: to some many, to most few, to each more and less in waves.
import { createSocket } from 'node:dgram'

const [services, perSecond] = JSON.parse(process.argv[2]!) as [readonly string[], number]
const STEP_MS = 100
/** Each is a client of its own. */
const sockets = Array.from({ length: 20 }, () => createSocket('udp4'))
const shares = services.map((_, at) => 1 / (1 + at))
const whole = shares.reduce((sum, share) => sum + share)
const owed = services.map(() => 0)
let sent = 0
setInterval(() => {
  for (const [at, address] of services.entries()) {
    const wave = 1 + Math.sin(performance.now() / 8000 + at)
    owed[at]! += (shares[at]! / whole) * perSecond * (STEP_MS / 1000) * wave
    for (; owed[at]! >= 1; owed[at]! -= 1) {
      sockets[sent++ % sockets.length]!.send('0123456789', 53, address, () => {})
    }
  }
}, STEP_MS)
