// terminate.mjs NETNS ROUNDS: ends worker threads that are in the middle of a bulk, each a little later than the one before.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Ipvs } from '../../../dist/client.js'

if (isMainThread) await terminate(process.argv[2], Number(process.argv[3]))
else await work(workerData)

async function terminate(netns, rounds) {
  let middle = 0
  for (let round = 0; round < rounds; round++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: netns })
    let finished = false
    worker.on('message', (message) => {
      finished ||= message === 'finished'
    })
    await once(worker, 'message')
    await sleep(round * 2)
    await worker.terminate()
    if (!finished) middle++
  }
  // The main thread's own client still works, and so does one that is opened now.
  const ipvs = await Ipvs.open({ netns })
  await ipvs.apply([{ op: 'ensure-no-service', service: { fwmark: 1 } }])
  await ipvs.close()
  console.log(JSON.stringify({ middle }))
}

async function work(netns) {
  const ipvs = await Ipvs.open({ netns, deadlineMs: 60_000 })
  const idle = await Ipvs.open({ netns })
  const service = { fwmark: 1, scheduler: 'rr' }
  await ipvs.apply([{ op: 'ensure-service', service }])
  const changes = Array.from({ length: 12_000 }, (_, n) => ({
    op: 'ensure-destination',
    service,
    destination: { address: `10.1.0.${(n % 250) + 1}`, port: 53, forwarding: 'direct', weight: n },
  }))
  const bulk = ipvs.apply(changes, { priority: 'bulk' })
  const reads = [idle.snapshot(), ipvs.snapshot()]
  parentPort.postMessage('working')
  await Promise.all([bulk, ...reads])
  parentPort.postMessage('finished')
  await sleep(60_000)
}
