// node encode.mjs: changes as callers write them, checked and encoded for the addon. Microseconds per change, one figure
// per batch of 1,000.
import { loadAddon } from '../../dist/kernel/load-addon.js'
import { ChangeWriter } from '../../dist/kernel/records.js'
import { checkChanges } from '../../dist/validate.js'

const BATCHES = 400
const BATCH = 1000

const service = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const changes = Array.from({ length: BATCH }, (_, i) => ({
  op: 'replace-destination',
  service,
  destination: {
    address: `10.0.${i >> 8}.${i & 255}`,
    port: 53,
    forwarding: 'direct',
    weight: i + 1,
  },
}))
const writer = new ChangeWriter(loadAddon().layout, BATCH)

const times = []
for (let round = -BATCHES / 10; round < BATCHES; round++) {
  const from = process.hrtime.bigint()
  writer.reset()
  for (const change of checkChanges(changes)) writer.add(change)
  const took = Number(process.hrtime.bigint() - from) / 1000 / BATCH
  if (round >= 0) times.push(took)
}
process.stdout.write(`${JSON.stringify({ times })}\n`)
