// golden.mjs NETNS: makes the changes of golden.json (stdin), one call each, in order. Only the trace matters.
import { readFileSync } from 'node:fs'
import { Ipvs } from '../../../dist/client.js'

const ipvs = await Ipvs.open({ netns: process.argv[2] })
for (const [method, ...args] of JSON.parse(readFileSync(0, 'utf8'))) {
  await ipvs[method](...args).catch((error) => {
    if (error.code === 'ERR_IPVS_ARGUMENT') throw error // nothing was sent: the table of the test is wrong
  })
}
await ipvs.close()
