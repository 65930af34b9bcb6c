// checks-in-threads.mjs: TCP checks that wait for an answer in threads of JavaScript. Says what is left of threads that were ended in
// the middle of it, and what one has said that had nothing else to do.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { startDeaf } from '../../../build/tools/test/unit/health/deaf.js'
import { checks } from '../../../dist/index.js'

const AT_ONCE = 20

function begin(port) {
  const { signal } = new AbortController()
  return checks.tcp()({ key: 'deaf', address: '127.0.0.1', port }, { signal })
}

if (isMainThread) {
  const deaf = await startDeaf()
  const start = async (count) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { port: deaf.port, count } })
    await once(worker, 'message')
    return worker
  }
  const rounds = async (count) => {
    for (let n = 0; n < count; n++) await (await start(AT_ONCE)).terminate()
  }
  const look = () => {
    const [threads, descriptors] = ['task', 'fd'].map(
      (of) => readdirSync(`/proc/self/${of}`).length,
    )
    return { threads, descriptors }
  }
  await rounds(2)
  const first = look()
  await rounds(10)
  // The kernel lists a thread that has ended a moment longer.
  for (let tries = 0; tries < 500 && look().threads > first.threads; tries++) await sleep(10)
  const last = look()
  const alone = await start(1)
  const exit = once(alone, 'exit')
  const message = once(alone, 'message')
  deaf.hear()
  const [said] = await message
  const [code] = await exit
  await deaf.close()
  console.log(JSON.stringify({ first, last, said, code }))
} else {
  const all = Array.from({ length: workerData.count }, () => begin(workerData.port))
  parentPort.postMessage('begun')
  const ends = await Promise.all(all)
  parentPort.postMessage(ends[0].detail)
}
