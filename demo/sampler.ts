// Looks at the table from outside, every 1.5 ms or so: runs in the director's namespace,
// knows nothing of the controller and reads what the kernel shows everyone, /proc/net/ip_vs.
import { openSync, readSync } from 'node:fs'
import { setPriority } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { port, type Server, serverAt, vip } from '../lab/network/three-servers.js'
import { now, onOrders, tell } from '../lab/traffic/messages.js'

/** A sample costs a third of a millisecond there: less pause would starve those it looks at. */
const pauseMs = 1

const service = `${hex(vip)}:${port.toString(16).toUpperCase().padStart(4, '0')}`
const file = openSync('/proc/net/ip_vs', 'r')
const buffer = Buffer.alloc(64 * 1024)
const sleeper = new Int32Array(new SharedArrayBuffer(4))

let running = true
onOrders({
  stop: () => {
    running = false
  },
})
// It sleeps most of the time; when it wakes up it is not to queue behind the clients.
setPriority(-10)
await sample()
process.exit()

async function sample(): Promise<void> {
  let seen = ''
  let samples = 0
  let longestGap = 0
  let before = now()
  tell({ type: 'ready' })
  while (running) {
    const text = buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0))
    const at = now()
    longestGap = Math.max(longestGap, at - before)
    const tcp = membersOf('TCP', text)
    const udp = membersOf('UDP', text)
    const found = `${tcp} / ${udp}`
    if (found !== seen) tell({ type: 'table', at, before, samples, tcp, udp })
    seen = found
    before = at
    samples++
    Atomics.wait(sleeper, 0, 0, pauseMs)
    // Orders are read here; an event loop's turn costs as much as a sample.
    if (samples % 100 === 0) await turn()
  }
  tell({ type: 'sampler-end', samples, longestGap })
}

/** The servers under our service that get traffic: weight above 0. */
function membersOf(protocol: string, text: string): Server[] {
  const start = text.indexOf(`${protocol}  ${service} `)
  if (start < 0) return []
  const found: Server[] = []
  for (const line of text.slice(text.indexOf('\n', start) + 1).split('\n')) {
    // `  -> C000020B:0035      Route   1      0          0`
    if (!line.startsWith('  -> ')) break
    const [, destination = '', , weight] = line.trim().split(/\s+/)
    const server = serverAt(fromHex(destination))
    if (server !== undefined && weight !== '0') found.push(server)
  }
  return found.sort()
}

function hex(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
  return bytes.join('').toUpperCase()
}

function fromHex(destination: string): string {
  const bytes = destination.slice(0, 8).match(/../g) ?? []
  return bytes.map((byte) => Number.parseInt(byte, 16)).join('.')
}
