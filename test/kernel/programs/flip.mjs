// flip.mjs NETNS apply|applySync|verbs|bulk: makes the changes whose system calls the test looks at, between two marks:
// writes of "mark" to standard output.
import { writeSync } from 'node:fs'
import { Ipvs } from '../../../dist/client.js'

const [, , netns, how] = process.argv
const udp = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const tcp = { ...udp, protocol: 'tcp' }
const server = (n) => ({
  address: `10.1.${n >> 8}.${n & 255}`,
  port: 53,
  forwarding: 'masquerade',
})
const pair = (op, n) => [tcp, udp].map((service) => ({ op, service, destination: server(n) }))

const ipvs = await Ipvs.open({ netns, deadlineMs: 60_000 })
await ipvs.apply(
  [tcp, udp].map((id) => ({ op: 'add-service', service: { ...id, scheduler: 'rr' } })),
)

writeSync(1, 'mark\n')
let result
if (how === 'apply') result = await ipvs.apply(pair('add-destination', 1))
if (how === 'applySync') result = ipvs.applySync(pair('add-destination', 1))
if (how === 'verbs') {
  for (const service of [tcp, udp]) await ipvs.addDestination(service, server(1))
  result = { failed: 0 }
}
if (how === 'bulk') {
  // One change in front, so that pairs would straddle the end of every batch.
  const changes = [{ op: 'add-destination', service: tcp, destination: server(60_000) }]
  for (let n = 1; n <= 2600; n++) changes.push(...pair('add-destination', n))
  result = await ipvs.apply(changes, { priority: 'bulk' })
}
writeSync(1, 'mark\n')
await ipvs.close()
process.exitCode = result.failed
