// open-close.mjs NETNS: opens and closes clients fifty times, some while calls are under way or failing, and prints how
// many threads and descriptors there were before and after.
import { closeSync, openSync } from 'node:fs'
import { Ipvs } from '../../../dist/client.js'
import { settled } from './threads.mjs'

const netns = process.argv[2]
const patience = { deadlineMs: 3_600_000 }

async function round(n) {
  const fd = openSync(`/run/netns/${netns}`, 'r')
  const ipvs = await Ipvs.open({ netns: n % 2 === 0 ? netns : { fd }, ...patience })
  closeSync(fd)
  const calls = [
    ipvs.services(),
    ipvs.apply([{ op: 'ensure-no-service', service: { fwmark: 1 } }]),
    ipvs.sysctls(),
    ipvs.snapshot(),
  ]
  if (n % 3 === 0) await Promise.all(calls)
  if (n % 5 === 0) await Ipvs.open({ netns: '/etc/passwd' }).catch(() => {})
  if (n % 5 === 1) await Ipvs.open({ netns: { fd: 99999 } }).catch(() => {})
  await ipvs.close()
  await Promise.all(calls)
}

await round(0) // the addon, libuv's threads, epoll
const before = await settled()
for (let n = 0; n < 50; n++) await round(n)
console.log(JSON.stringify({ before, after: await settled() }))
