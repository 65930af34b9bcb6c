// churn.mjs NETNS COUNT: adds and removes COUNT services of its own again and again, until it is killed. Prints a line
// once the first round is over. In small batches with pauses: run with a real-time priority, it comes back between any
// two chunks of somebody else's dump.
import { setTimeout } from 'node:timers/promises'
import { Ipvs } from '../../../dist/client.js'

const BATCH = 50
const [, , netns, count] = process.argv
const ipvs = await Ipvs.open({ netns, deadlineMs: 3_600_000 })
const services = Array.from({ length: Number(count) }, (_, n) => ({
  protocol: 'tcp',
  address: '198.51.100.1',
  port: n + 1,
  scheduler: 'rr',
}))
for (let round = 0; ; round++) {
  for (const op of ['add-service', 'remove-service']) {
    for (let at = 0; at < services.length; at += BATCH) {
      await ipvs.apply(services.slice(at, at + BATCH).map((service) => ({ op, service })))
      await setTimeout(1)
    }
  }
  if (round === 0) console.log('churning')
}
