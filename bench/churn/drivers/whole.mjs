// node whole.mjs VARIANT own FILE: what takes more than one list of changes to see. FILE is the table it starts from, and
// below that what differs from it at the end. SAMPLES says how many.
import { execFileSync } from 'node:child_process'
import { open as openFile, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Ipvs, MirroredPool, parseRules } from '../../../dist/index.js'
import { readWorkload } from './workload.mjs'

const [variant, , file] = process.argv.slice(2)
const samples = Number(process.env.SAMPLES)
const lines = readWorkload(file)
  .flat()
  .map(({ words }) => words)
const ipvs = await Ipvs.open({ deadlineMs: 600_000 })
const micros = (from) => Number(process.hrtime.bigint() - from) / 1000

/** The services as they are at first, and as they are to be at the end. */
function desired() {
  const text = (all) => all.map((words) => words.join(' ')).join('\n')
  const edits = new Map(
    lines.filter(([verb]) => verb === '-e').map((words) => [words.slice(1, 5).join(' '), words]),
  )
  const first = lines.filter(([verb]) => verb !== '-e')
  const last = first.map((words) => {
    const edit = edits.get(words.slice(1, 5).join(' '))
    return words[0] === '-a' && edit !== undefined ? ['-a', ...edit.slice(1)] : words
  })
  return [parseRules(text(first)), parseRules(text(last))]
}

async function timed(work) {
  globalThis.gc?.({ type: 'minor' })
  const from = process.hrtime.bigint()
  const result = await work()
  return [micros(from), result]
}

const udp = (vip) => ({ protocol: 'udp', address: vip.split(':')[0], port: 53 })

/** Weights of the whole table, `count` changes. */
function bulkWeights(count, weight) {
  const places = lines.filter(([verb]) => verb === '-a')
  const services = new Map()
  return Array.from({ length: count }, (_, i) => {
    const [, , vip, , at] = places[i % places.length]
    if (!services.has(vip)) services.set(vip, udp(vip))
    const destination = { address: at.split(':')[0], port: 53, forwarding: 'direct', weight }
    return { op: 'replace-destination', service: services.get(vip), destination }
  })
}

const BULK = 50_000

/** One server of two services that no bulk change touches. */
async function withPair(work) {
  const services = ['tcp', 'udp'].map((protocol) => ({ protocol, address: '192.0.2.9', port: 53 }))
  const member = (weight) => ({ address: '10.250.0.1', port: 53, forwarding: 'direct', weight })
  await ipvs.apply(
    services.flatMap((service) => [
      { op: 'add-service', service: { ...service, scheduler: 'wrr' } },
      { op: 'add-destination', service, destination: member(1) },
    ]),
    { onError: 'throw' },
  )
  const flip = (i) =>
    ipvs.apply(
      services.map((service) => ({
        op: 'replace-destination',
        service,
        destination: member(1 + (i % 9)),
      })),
      { onError: 'throw' },
    )
  const result = await work(flip)
  await ipvs.apply(
    services.map((service) => ({ op: 'remove-service', service })),
    { onError: 'throw' },
  )
  return result
}

async function flips(flip, count = samples) {
  const times = []
  for (let i = 0; i < 300; i++) await flip(i)
  for (let i = 0; i < count; i++) times.push((await timed(() => flip(i)))[0])
  return times
}

/** Reads of named pipes that nobody writes keep every thread of libuv's pool. */
async function withBlockedPool(work) {
  const pipes = Array.from({ length: 16 }, (_, n) =>
    path.join(tmpdir(), `bench-${process.pid}-${n}`),
  )
  execFileSync('mkfifo', pipes)
  const opening = pipes.map((pipe) => openFile(pipe, 'r'))
  await setImmediate()
  try {
    return await work()
  } finally {
    // From outside: our own threads are taken.
    execFileSync('sh', ['-c', 'for pipe; do : > "$pipe" & done; wait', 'sh', ...pipes])
    for (const handle of await Promise.all(opening)) await handle.close()
    await Promise.all(pipes.map((pipe) => unlink(pipe)))
  }
}

/** The longest time between two turns of the event loop while `work` runs. */
async function longestBlock(work) {
  let longest = 0
  let last = performance.now()
  let running = true
  const look = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (running) globalThis.setImmediate(look)
  }
  globalThis.setImmediate(look)
  await setImmediate()
  longest = 0
  last = performance.now()
  const took = await timed(work)
  running = false
  longest = Math.max(longest, performance.now() - last)
  return [took[0], longest]
}

/** Bytes after collections, ten times over the flips from the 10,000th on. */
async function memoryOver(flip) {
  const usage = () => {
    for (let i = 0; i < 4; i++) globalThis.gc()
    const { heapUsed, external, rss } = process.memoryUsage()
    return { heapUsed, external, rss }
  }
  const warm = samples / 100
  const times = []
  const seen = []
  for (let i = 1; i <= samples; i++) {
    const from = i % 100 === 0 ? process.hrtime.bigint() : undefined
    const pending = flip(i)
    if (pending !== undefined) await pending
    if (from !== undefined) times.push(micros(from))
    if (i === warm || i % (samples / 10) === 0) seen.push(usage())
  }
  const grown = (key) => seen.at(-1)[key] - seen[0][key]
  const extra = {
    heapBytesGrown: grown('heapUsed'),
    externalBytesGrown: grown('external'),
    residentBytesGrown: grown('rss'),
  }
  return { times, extra }
}

const variants = {
  async reconcile() {
    const [first, last] = desired()
    const times = []
    // Back and forth, so that the last one leaves the table that is wanted.
    for (let i = 0; i <= samples; i++) {
      const [time, result] = await timed(() =>
        ipvs.reconcile((samples - i) % 2 === 0 ? last : first, { deadlineMs: 600_000 }),
      )
      if (result.failed > 0) throw result.errors[0].error
      // The first may find the table as it is to be, or not.
      if (i > 0) times.push(time)
    }
    return { times }
  },
  async snapshot() {
    const [, last] = desired()
    const times = []
    for (let i = 0; i < samples; i++) times.push((await timed(() => ipvs.snapshot()))[0])
    await ipvs.reconcile(last)
    return { times }
  },
  flips: async () => ({ times: await withPair((flip) => flips(flip)) }),
  'flips-in-bulk': async () => {
    const list = bulkWeights(BULK, 5)
    const times = await withPair(async (flip) => {
      const seen = []
      while (seen.length < samples) {
        let running = true
        const bulk = ipvs.apply(list, { priority: 'bulk', onError: 'throw' }).finally(() => {
          running = false
        })
        while (running && seen.length < samples)
          seen.push((await timed(() => flip(seen.length)))[0])
        await bulk
      }
      return seen
    })
    await ipvs.apply(bulkWeights(BULK, 1), { onError: 'throw' })
    return { times }
  },
  'flips-blocked': async () => ({
    times: await withBlockedPool(() => withPair((flip) => flips(flip))),
  }),
  'event-loop': async () => {
    const list = bulkWeights(BULK, 5)
    const [time, longest] = await longestBlock(() => ipvs.apply(list, { onError: 'throw' }))
    await ipvs.apply(bulkWeights(BULK, 1), { onError: 'throw' })
    return { times: [time], extra: { longestBlockUs: longest * 1000 } }
  },
  'memory-sync': async () => {
    const changes = (weight) =>
      ['tcp', 'udp'].map((protocol) => ({
        op: 'replace-destination',
        service: { protocol, address: '192.0.2.1', port: 53 },
        destination: { address: '10.0.0.1', port: 53, forwarding: 'direct', weight },
      }))
    const seen = await memoryOver((i) => {
      if (ipvs.applySync(changes(1 + (i % 9))).failed > 0) throw new Error('a flip failed')
    })
    ipvs.applySync(changes(1))
    return seen
  },
  'memory-pool': async () => {
    const pool = await MirroredPool.open(ipvs, {
      address: '192.0.2.1',
      port: 53,
      protocols: ['tcp', 'udp'],
      scheduler: 'wrr',
      forwarding: 'direct',
      onePacket: false,
      initial: 'up',
      servers: [1, 2, 3, 4].map((n) => `10.0.0.${n}`),
    })
    const seen = await memoryOver((i) => pool.setWeight('10.0.0.1', 1 + (i % 9)))
    await pool.setWeight('10.0.0.1', 1)
    await pool.close()
    return seen
  },
}

if (variants[variant] === undefined) throw new Error(`there is no variant ${variant}`)
const { times, extra } = await variants[variant]()
await ipvs.close()
process.stdout.write(`${JSON.stringify({ times, ...(extra && { extra }) })}\n`)
