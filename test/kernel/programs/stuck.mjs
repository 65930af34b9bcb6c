// stuck.mjs MODE NETNS FOLDER SCHEDULER: uses a client whose sendmsg is stuck in the kernel, which waits for SCHEDULER's
// module (slow-modprobe.sh). Writes "mark" when it is stuck and before it lets go; prints what happened as JSON.
import { closeSync, constants, existsSync, openSync, readdirSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Ipvs } from '../../../dist/client.js'

const [mode, netns, folder, scheduler] = isMainThread ? process.argv.slice(2) : workerData
const id = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const stuck = { op: 'add-service', service: { ...id, port: 54, scheduler } }
const add = (n) => ({
  op: 'add-destination',
  service: id,
  destination: { address: `10.1.${n >> 7}.${(n & 127) + 1}`, port: 53, forwarding: 'masquerade' },
})

async function untilStuck() {
  while (!existsSync(`${folder}/asked`)) await sleep(5)
  writeSync(1, 'mark\n')
}

/** Opened without waiting: where nobody reads, this fails instead. */
function release() {
  writeSync(1, 'mark\n')
  const fd = openSync(`${folder}/release`, constants.O_WRONLY | constants.O_NONBLOCK)
  writeSync(fd, '\n')
  closeSync(fd)
}

const threads = () => readdirSync('/proc/self/task').length

/** What a promise came to, and when. */
async function timed(promise) {
  const started = performance.now()
  const value = await promise.then(told, ({ code }) => code)
  return { value, ms: performance.now() - started }
}

/** Of an apply: how many changes ended in which way, as runs. */
function told(result) {
  if (result?.outcomes === undefined) return 'resolved'
  const runs = []
  for (const { status, error } of result.outcomes) {
    const text = [status, error?.code].filter(Boolean).join(' ')
    if (runs.at(-1)?.[0] === text) runs.at(-1)[1]++
    else runs.push([text, 1])
  }
  return runs
}

/** How late a timer came, at the latest, until it is stopped. */
function watchLoop() {
  let last = performance.now()
  let late = 0
  const timer = setInterval(() => {
    const now = performance.now()
    late = Math.max(late, now - last - 10)
    last = now
  }, 10)
  return () => {
    clearInterval(timer)
    return late
  }
}

const modes = { calls, close, terminate, sync }

async function calls() {
  const ipvs = await Ipvs.open({ netns, deadlineMs: 60_000 })
  await ipvs.addService({ ...id, scheduler: 'rr' })
  const other = await Ipvs.open({ netns })
  const said = {}
  const many = Array.from({ length: 2000 }, (_, n) => add(1000 + n))
  // Time enough to be encoded, cold and under strace, and sent.
  const first = timed(ipvs.apply([stuck, ...many], { deadlineMs: 3000 }))
  await untilStuck()
  const stop = watchLoop()
  const controller = new AbortController()
  const late = {
    queued: timed(ipvs.apply([add(1), add(2)], { deadlineMs: 200 })),
    bulk: timed(ipvs.apply([add(3)], { deadlineMs: 200, priority: 'bulk' })),
    verb: timed(ipvs.addDestination(id, add(4).destination, { deadlineMs: 200 })),
    command: timed(ipvs.setTimeouts({ udpSeconds: 77 }, { deadlineMs: 200 })),
    reconcile: timed(
      ipvs.reconcile([{ ...id, scheduler: 'rr', destinations: [] }], { deadlineMs: 200 }),
    ),
    read: timed(ipvs.snapshot({ deadlineMs: 200 })),
    aborted: timed(ipvs.apply([add(5)], { signal: controller.signal })),
  }
  // These have the time to wait.
  const accepted = timed(ipvs.apply([add(6), add(7)]))
  const acceptedRead = timed(ipvs.services())
  setTimeout(() => controller.abort(), 100)
  said.sync = await timed(new Promise((resolve) => resolve(ipvs.applySync([add(8)]))))
  said.first = await first
  for (const [name, call] of Object.entries(late)) said[name] = await call
  // Each kernel makes others wait differently; in any case for no longer than their deadlines.
  said.opening = await timed(Ipvs.open({ netns, deadlineMs: 300 }).then((more) => more.close()))
  said.other = await timed(other.apply([add(9)], { deadlineMs: 300 }))
  await sleep(1000)
  said.late = stop()
  said.stillStuck = await Promise.race([accepted.then(() => false), sleep(1, true)])
  release()
  said.accepted = await accepted
  said.acceptedRead = await acceptedRead
  said.next = await timed(ipvs.apply([add(10)]))
  said.nextSync = told(ipvs.applySync([add(11)]))
  said.timeouts = (await ipvs.timeouts()).udpSeconds
  await other.close()
  await ipvs.close()
  return said
}

async function close() {
  const said = {}
  const ipvs = await Ipvs.open({ netns, deadlineMs: 60_000 })
  await ipvs.addService({ ...id, scheduler: 'rr' })
  const first = timed(ipvs.apply([stuck], { deadlineMs: 300 }))
  await untilStuck()
  const queued = timed(ipvs.apply([add(1)], { deadlineMs: 500 }))
  said.close = await timed(ipvs.close())
  said.first = await first
  said.queued = await queued
  return said
}

async function terminate() {
  const said = {}
  const before = threads()
  const worker = new Worker(new URL(import.meta.url), {
    workerData: ['worker', netns, folder, scheduler],
  })
  await untilStuck()
  const stop = watchLoop()
  said.terminate = await timed(worker.terminate())
  said.left = threads() - before
  await sleep(1500)
  said.late = stop()
  release()
  // The thread that was stuck ends by itself.
  for (let tries = 0; tries < 200 && threads() > before; tries++) await sleep(10)
  said.leftAfter = threads() - before
  const ipvs = await Ipvs.open({ netns })
  said.next = await timed(ipvs.apply([add(1)]))
  await ipvs.close()
  return said
}

/** Of a worker that is inside applySync, which nothing can interrupt. */
async function sync() {
  const said = {}
  const worker = new Worker(new URL(import.meta.url), {
    workerData: ['syncWorker', netns, folder, scheduler],
  })
  await untilStuck()
  const stop = watchLoop()
  const ended = timed(worker.terminate())
  said.waits = await Promise.race([ended.then(() => false), sleep(1500, true)])
  said.late = stop()
  release()
  said.terminate = await ended
  const ipvs = await Ipvs.open({ netns })
  said.next = await timed(ipvs.apply([add(1)]))
  await ipvs.close()
  return said
}

async function work() {
  const ipvs = await Ipvs.open({ netns, deadlineMs: 60_000 })
  await ipvs.addService({ ...id, scheduler: 'rr' })
  if (mode === 'syncWorker') ipvs.applySync([stuck])
  else await ipvs.apply([stuck])
  parentPort.postMessage('done')
}

if (isMainThread) console.log(JSON.stringify(await modes[mode]()))
else await work()
