// no-threads.mjs NETNS: opens a client while no thread can be made, and once more when that is over. Prints what came of it.
import { Ipvs } from '../../../dist/index.js'

const [, , netns] = process.argv
process.env.NO_THREADS = '1'
const refused = await Ipvs.open({ netns }).then(
  () => 'opened',
  ({ code, errno, message }) => ({ code, errno, message }),
)
delete process.env.NO_THREADS
const ipvs = await Ipvs.open({ netns })
const services = (await ipvs.services()).length
await ipvs.close()
console.log(JSON.stringify({ refused, services }))
