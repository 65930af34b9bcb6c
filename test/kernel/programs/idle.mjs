// idle.mjs NETNS: opens a client, uses it, and forgets it. The process must end by itself.
import { Ipvs } from '../../../dist/client.js'

const ipvs = await Ipvs.open({ netns: process.argv[2], deadlineMs: 3_600_000 })
await ipvs.services()
const calls = [ipvs.snapshot(), ipvs.apply([{ op: 'ensure-no-service', service: { fwmark: 1 } }])]
// Calls under way keep the process alive until they settle.
Promise.all(calls).then(([, result]) => console.log(`applied ${result.applied}`))
process.on('exit', () => console.log('exit'))
