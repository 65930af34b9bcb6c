// dropped.mjs NETNS: clients that nobody closes, and connections that nobody reads to their end. Prints how many threads of clients
// and descriptors there are, before and after they have been collected. Needs --expose-gc.
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Ipvs } from '../../../dist/index.js'
import { clientThreads } from './threads.mjs'

const [, , netns] = process.argv
const LIMIT_MS = 60_000
const descriptors = () => readdirSync('/proc/self/fd').length

async function use() {
  const ipvs = await Ipvs.open({ netns })
  await ipvs.apply([{ op: 'ensure-service', service: { fwmark: 1, scheduler: 'rr' } }])
  await ipvs.snapshot()
  await ipvs.destinations({ fwmark: 1 })
}

async function ask(ipvs) {
  await ipvs.connections().next()
}

const kept = await Ipvs.open({ netns })
const before = { threads: clientThreads(), descriptors: descriptors() }
for (let i = 0; i < 5; i++) await use()
const used = { threads: clientThreads(), descriptors: descriptors() }
for (let i = 0; i < 5; i++) await ask(kept)
const until = performance.now() + LIMIT_MS
const isLeft = () => clientThreads() > before.threads || descriptors() > before.descriptors
while (isLeft() && performance.now() < until) {
  gc()
  await sleep(10)
}
const after = { threads: clientThreads(), descriptors: descriptors() }
// One that is waited for is not collected.
await kept.services()
await kept.close()
console.log(JSON.stringify({ before, used, after }))
