// node event-loop.mjs: the longest time that the event loop stands still during the first apply of a process, of 50,000
// changes. The kernel's side is a stand-in that takes everything and answers at once: what is left is JavaScript's share.
import { loadAddon } from '../../dist/kernel/load-addon.js'

const addon = loadAddon()

class StandIn {
  #done
  #expected = new Map()

  constructor(_kind, _path, _fd, done) {
    this.#done = done
  }
  open(id) {
    setImmediate(() => this.#done(id, 0, undefined, '1:1'))
    return 0
  }
  write(id, records, count) {
    this.#expected.set(id, count * addon.layout.change)
    this.append(id, records)
  }
  append(id, records) {
    const left = this.#expected.get(id) - records.length
    this.#expected.set(id, left)
    if (left === 0) setImmediate(() => this.#done(id, 0, undefined, undefined))
  }
  abandon() {
    return false
  }
  stop() {}
}

// The library's own: it is loaded once.
Object.assign(addon, { Client: StandIn })

const { Ipvs } = await import('../../dist/index.js')
const ipvs = await Ipvs.open()
const service = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const changes = Array.from({ length: 50_000 }, (_, i) => ({
  op: 'add-destination',
  service,
  destination: {
    address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    port: 53,
    forwarding: 'direct',
    weight: 1,
  },
}))

let longest = 0
let last = performance.now()
let running = true
function look() {
  const now = performance.now()
  longest = Math.max(longest, now - last)
  last = now
  if (running) setImmediate(look)
}
await new Promise((resolve) => setTimeout(resolve, 50)) // what made the list is over
setImmediate(look)
await new Promise((resolve) => setImmediate(resolve))
longest = 0
last = performance.now()
const result = await ipvs.apply(changes)
running = false
longest = Math.max(longest, performance.now() - last)
if (result.applied !== changes.length) throw new Error(`${result.failed} changes failed`)
process.stdout.write(`${JSON.stringify({ times: [longest * 1000] })}\n`)
