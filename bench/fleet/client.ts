// Asks a virtual address again and again over UDP, each time from another port; told `report`, it says what it has asked and lost
// since the last time, as one line of JSON behind a word. Its arguments: an address, a port, queries a second.
import { createSocket } from 'node:dgram'
import { now, onOrders, tellReady } from '../../lab/traffic/messages.js'
import { keepAsking } from '../../lab/traffic/pace.js'

const [address, port, perSecond] = process.argv.slice(2) as [string, string, string]
const patienceMs = 1000
let asked: { at: number; answered: boolean }[] = []
let stopping = false

function ask(): void {
  const query = { at: now(), answered: false }
  asked.push(query)
  const socket = createSocket('udp4')
  const end = setTimeout(() => socket.close(), patienceMs)
  socket.on('message', () => {
    query.answered = true
    clearTimeout(end)
    socket.close()
  })
  // Nobody answers there: it is lost.
  socket.on('error', () => {})
  socket.send('?', Number(port), address)
}

onOrders({
  stop: () => {
    stopping = true
    process.exit()
  },
  report: () => {
    const due = now() - patienceMs
    const over = asked.filter(({ at }) => at <= due)
    asked = asked.filter(({ at }) => at > due)
    const lost = over.filter(({ answered }) => !answered).map(({ at }) => at)
    process.stdout.write(`report ${JSON.stringify({ asked: over.length, lost })}\n`)
  },
})
keepAsking(Number(perSecond), () => stopping, ask)
tellReady()
