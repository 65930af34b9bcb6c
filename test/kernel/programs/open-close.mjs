// open-close.mjs NETNS: opens and closes clients fifty times, some while calls are under way or failing, and prints how
// many threads and descriptors there were before and after.
import { closeSync, openSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ipvs } from '../../../dist/client.js'

const netns = process.argv[2]

function count() {
  return {
    tasks: readdirSync('/proc/self/task').length,
    fds: readdirSync('/proc/self/fd').length,
  }
}

async function round(n) {
  const fd = openSync(`/run/netns/${netns}`, 'r')
  const ipvs = await Ipvs.open({ netns: n % 2 === 0 ? netns : { fd } })
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

/** Threads end shortly after close() has resolved. */
async function settled(goal) {
  for (let tries = 0; tries < 100; tries++) {
    const now = count()
    if (goal !== undefined && now.tasks <= goal.tasks && now.fds <= goal.fds) return now
    await sleep(20)
  }
  return count()
}

await round(0) // the addon, libuv's threads, epoll
await sleep(200)
const before = count()
for (let n = 0; n < 50; n++) await round(n)
console.log(JSON.stringify({ before, after: await settled(before) }))
