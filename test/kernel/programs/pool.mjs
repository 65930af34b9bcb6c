// pool.mjs NETNS [flip...]: opens a pool on udp and tcp 192.0.2.1:53 and makes flips, each ended by a write of "mark".
import { writeSync } from 'node:fs'
import { Ipvs, MirroredPool } from '../../../dist/index.js'

const [, , netns, ...flips] = process.argv
const ipvs = await Ipvs.open({ netns })
const pool = await MirroredPool.open(ipvs, {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', { address: '10.1.0.2', weight: 5 }],
})
writeSync(1, 'mark\n')
for (const flip of flips) {
  if (flip === 'down') await pool.down('10.1.0.1')
  if (flip === 'up') await pool.up('10.1.0.1')
  if (flip === 'weight') await pool.setWeight('10.1.0.1', 7)
  writeSync(1, 'mark\n')
}
await pool.close()
await ipvs.close()
