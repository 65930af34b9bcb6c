// terminate.mjs NETNS ROUNDS SEED: ends worker threads at any moment: while they open, write in bulk, write one by one,
// block in applySync, dump, close. Prints the threads and descriptors after the first round and after the last.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Ipvs } from '../../../dist/client.js'
import { settled } from './threads.mjs'

const service = { fwmark: 1, scheduler: 'rr' }
const changes = (count) =>
  Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service,
    destination: { address: `10.1.0.${(n % 250) + 1}`, port: 53, forwarding: 'direct', weight: n },
  }))
const forever = async (work) => {
  for (;;) await work()
}

/** What a worker is in the midst of, from the moment on at which it calls `begin`. None comes to an end. */
const kinds = {
  async open(open, begin) {
    begin()
    await forever(async () => {
      const clients = await Promise.all(Array.from({ length: 10 }, open))
      await Promise.all(clients.map((client) => client.services()))
      for (const client of clients) await client.close()
    })
  },
  async bulk(open, begin) {
    const [ipvs, idle] = [await open(), await open()]
    const many = changes(12_000)
    begin()
    await forever(() => {
      const bulk = ipvs.apply(many, { priority: 'bulk' })
      return Promise.all([bulk, idle.snapshot(), ipvs.snapshot()])
    })
  },
  async write(open, begin) {
    const ipvs = await open()
    begin()
    await forever(async () => {
      for (const change of changes(200)) await ipvs.apply([change])
    })
  },
  async sync(open, begin) {
    const ipvs = await open()
    const some = changes(400)
    begin()
    for (;;) ipvs.applySync(some)
  },
  async dump(open, begin) {
    const ipvs = await open()
    await ipvs.apply(changes(250))
    begin()
    await forever(() => Promise.all([ipvs.snapshot(), ipvs.destinations(service), ipvs.sysctls()]))
  },
  async close(open, begin) {
    begin()
    await forever(async () => {
      const [ipvs, other] = [await open(), await open()]
      for (let n = 0; n < 10; n++) void ipvs.apply(changes(500))
      void other.snapshot()
      await Promise.all([ipvs.close(), other.close()])
    })
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
  let first
  for (let round = 0; round < rounds; round++) {
    const kind = names[round % names.length]
    const worker = new Worker(new URL(import.meta.url), { workerData: { netns, kind } })
    await once(worker, 'message')
    await sleep(random() * 80)
    await worker.terminate()
    // What the first worker leaves is Node's own.
    first ??= await settled()
  }
  const last = await settled()
  // The main thread's own client still works.
  const ipvs = await Ipvs.open({ netns, deadlineMs: 3_600_000 })
  await ipvs.apply([{ op: 'ensure-no-service', service }])
  await ipvs.close()
  console.log(JSON.stringify({ first, last }))
}

async function work({ netns, kind }) {
  const open = () => Ipvs.open({ netns, deadlineMs: 3_600_000 })
  const ipvs = await open()
  await ipvs.apply([{ op: 'ensure-service', service }])
  await ipvs.close()
  await kinds[kind](open, () => parentPort.postMessage('begun'))
}

if (isMainThread) await terminate(process.argv[2], Number(process.argv[3]), Number(process.argv[4]))
else await work(workerData)
