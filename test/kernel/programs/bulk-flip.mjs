// bulk-flip.mjs NETNS: flips while a bulk call runs, each with a write of "flip" to standard output once it is queued.
import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Ipvs } from '../../../dist/index.js'

const ipvs = await Ipvs.open({ netns: process.argv[2], deadlineMs: 60_000 })
const services = ['tcp', 'udp'].map((protocol) => ({ protocol, address: '192.0.2.1', port: 53 }))
const busy = { protocol: 'udp', address: '192.0.2.2', port: 53 }
const server = (n, weight) => ({
  address: `10.1.${n >> 8}.${n & 255}`,
  port: 53,
  forwarding: 'direct',
  weight,
})
const flipped = (weight) => ({ address: '10.9.0.1', port: 53, forwarding: 'direct', weight })
const throwing = { onError: 'throw' }

await ipvs.apply(
  [
    ...[...services, busy].map((service) => ({
      op: 'add-service',
      service: { ...service, scheduler: 'wrr' },
    })),
    ...services.map((service) => ({ op: 'add-destination', service, destination: flipped(1) })),
    ...Array.from({ length: 500 }, (_, n) => ({
      op: 'add-destination',
      service: busy,
      destination: server(n, 1),
    })),
  ],
  throwing,
)
let running = true
const list = Array.from({ length: 50_000 }, (_, n) => ({
  op: 'replace-destination',
  service: busy,
  destination: server(n % 500, 2 + (n % 7)),
}))
const bulk = ipvs.apply(list, { priority: 'bulk', ...throwing }).finally(() => {
  running = false
})
let flips = 0
while (running) {
  await setTimeout(5)
  flips++
  const flip = ipvs.apply(
    services.map((service) => ({
      op: 'replace-destination',
      service,
      destination: flipped(1 + (flips % 9)),
    })),
    throwing,
  )
  await undefined // calls of one turn go out together, at its end
  writeSync(1, 'flip\n')
  await flip
}
await bulk
await ipvs.close()
