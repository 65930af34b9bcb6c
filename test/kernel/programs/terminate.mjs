// terminate.mjs NETNS ROUNDS SEED: ends worker threads at any moment: while they open, write in bulk, write one by one,
// block in applySync, dump, close. Prints in how many rounds of each kind the worker had not finished yet, and the
// threads and descriptors before and after.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Ipvs } from '../../../dist/client.js'

const service = { fwmark: 1, scheduler: 'rr' }
const changes = (count) =>
  Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service,
    destination: { address: `10.1.0.${(n % 250) + 1}`, port: 53, forwarding: 'direct', weight: n },
  }))

/**
 * What a worker is in the middle of. `begin` is called at the moment from which the delay counts; each takes some
 * 100 ms from there on.
 */
const kinds = {
  async open(netns, begin) {
    begin()
    const clients = await Promise.all(Array.from({ length: 10 }, () => Ipvs.open({ netns })))
    await Promise.all(clients.map((client) => client.services()))
    for (const client of clients) await client.close()
    for (let n = 0; n < 10; n++) await (await Ipvs.open({ netns })).close()
  },
  async bulk(netns, begin) {
    const ipvs = await Ipvs.open({ netns, deadlineMs: 60_000 })
    const idle = await Ipvs.open({ netns })
    await ipvs.apply([{ op: 'ensure-service', service }])
    const many = changes(12_000)
    begin()
    const bulk = ipvs.apply(many, { priority: 'bulk' })
    await Promise.all([bulk, idle.snapshot(), ipvs.snapshot()])
  },
  async write(netns, begin) {
    const ipvs = await Ipvs.open({ netns })
    begin()
    for (const change of changes(200)) await ipvs.apply([{ op: 'ensure-service', service }, change])
  },
  async sync(netns, begin) {
    const ipvs = await Ipvs.open({ netns })
    const some = [{ op: 'ensure-service', service }, ...changes(400)]
    begin()
    for (let n = 0; n < 30; n++) ipvs.applySync(some)
  },
  async dump(netns, begin) {
    const ipvs = await Ipvs.open({ netns })
    await ipvs.apply([{ op: 'ensure-service', service }, ...changes(250)])
    begin()
    for (let n = 0; n < 10; n++) {
      await Promise.all([ipvs.snapshot(), ipvs.destinations(service), ipvs.sysctls()])
    }
  },
  async close(netns, begin) {
    const ipvs = await Ipvs.open({ netns })
    const other = await Ipvs.open({ netns })
    await ipvs.apply([{ op: 'ensure-service', service }])
    begin()
    for (let n = 0; n < 10; n++) void ipvs.apply(changes(500))
    void other.snapshot()
    await Promise.all([ipvs.close(), other.close()])
  },
}

/** The same delays for the same seed (mulberry32). */
function randomNumbers(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

async function terminate(netns, rounds, seed) {
  const random = randomNumbers(seed)
  const names = Object.keys(kinds)
  const middle = Object.fromEntries(names.map((name) => [name, 0]))
  let before
  for (let round = 0; round < rounds; round++) {
    const kind = names[round % names.length]
    const worker = new Worker(new URL(import.meta.url), { workerData: { netns, kind } })
    let finished = false
    worker.on('message', (message) => {
      finished ||= message === 'finished'
    })
    await once(worker, 'message')
    await sleep(random() * 80)
    await worker.terminate()
    if (!finished) middle[kind]++
    // What the first worker leaves is Node's own.
    before ??= await settled()
  }
  const after = await settled(before)
  // The main thread's own client still works.
  const ipvs = await Ipvs.open({ netns })
  await ipvs.apply([{ op: 'ensure-no-service', service }])
  await ipvs.close()
  console.log(JSON.stringify({ middle, before, after }))
}

/** The threads of clients end after the call that they are in. */
async function settled(goal) {
  const count = () => ({
    threads: readdirSync('/proc/self/task').length,
    descriptors: readdirSync('/proc/self/fd').length,
  })
  for (let tries = 0; goal !== undefined && tries < 100; tries++) {
    const now = count()
    if (now.threads <= goal.threads && now.descriptors <= goal.descriptors) return now
    await sleep(20)
  }
  if (goal === undefined) await sleep(500)
  return count()
}

async function work({ netns, kind }) {
  await kinds[kind](netns, () => parentPort.postMessage('begun'))
  parentPort.postMessage('finished')
  await sleep(60_000)
}

if (isMainThread) await terminate(process.argv[2], Number(process.argv[3]), Number(process.argv[4]))
else await work(workerData)
