// leaks.mjs LIBRARY NETNS PLAN [LEAKY]: does everything a client can do, in rounds, and prints what is left after each:
// threads, descriptors, memory (count-memory.c). PLAN says how often, as JSON: `rounds`, and in each `opens`, `reads`,
// `single` changes one by one, `batches` of 1000, `givenUp`. LIBRARY is a folder with dist and the addon, LEAKY an addon
// that leaks on purpose, twenty times a round.
import { closeSync, openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { settled } from './threads.mjs'

const [library, netns, json, leaky] = process.argv.slice(2)
const plan = JSON.parse(json)
const { Ipvs } = await import(`${library}/dist/client.js`)
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc')

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const server = (n, weight = 1) => ({
  address: `10.1.${n >> 7}.${(n & 127) + 1}`,
  port: 53,
  forwarding: 'masquerade',
  weight,
})
const ensure = (count) =>
  Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service: id,
    destination: server(n % 300, n),
  }))
const failing = { op: 'add-service', service: { ...id, scheduler: 'rr' } }
const many = ensure(1000)
const made = { clients: 0, changes: 0, reads: 0, abandoned: 0, aborted: 0, errors: 0 }

async function outcome(promise) {
  const { outcomes } = await promise
  made.changes += outcomes.length
  for (const { error } of outcomes) {
    if (error === undefined) continue
    if (error.message.includes('signal')) made.aborted++
    else if (error.message.includes('deadline')) made.abandoned++
    else made.errors++
  }
}

async function read(promise) {
  made.reads++
  const { code } = (await promise.catch((error) => error)) ?? {}
  if (code === 'ERR_IPVS_TIMEOUT') made.abandoned++
}

async function openClose(count) {
  for (let n = 0; n < count; n++) {
    const fd = openSync(`/run/netns/${netns}`, 'r')
    const ipvs = await Ipvs.open({ netns: n % 2 === 0 ? netns : { fd }, deadlineMs: 3_600_000 })
    closeSync(fd)
    made.clients++
    const calls = [ipvs.services(), outcome(ipvs.apply([failing])), ipvs.sysctls(), ipvs.snapshot()]
    if (n % 3 === 0) await Promise.all(calls)
    if (n % 5 === 0) await Ipvs.open({ netns: '/etc/passwd' }).catch(() => made.errors++)
    if (n % 5 === 1)
      await Ipvs.open({ netns, deadlineMs: 1 }).then(
        (more) => more.close(),
        () => made.abandoned++,
      )
    await ipvs.close()
    await Promise.all(calls)
  }
}

async function reads(ipvs, count) {
  for (let n = 0; n < count; n++) {
    await Promise.all([
      read(ipvs.services()),
      read(ipvs.service(id)),
      read(ipvs.destinations(id)),
      read(ipvs.destinations({ fwmark: 77 })),
      read(ipvs.snapshot()),
      read(ipvs.sysctls()),
      read(ipvs.timeouts()),
      read(ipvs.info()),
      read(ipvs.syncDaemons()),
    ])
    for await (const _ of ipvs.connections()) break
  }
}

async function changes(ipvs) {
  for (let n = 0; n < plan.single; n++) {
    if (n % 10 === 9) await ipvs.addService(failing.service).catch(() => made.errors++)
    else if (n % 3 === 0) made.errors += ipvs.applySync([many[n % 1000]]).failed
    else await ipvs.replaceDestination(id, server(n % 300, n))
    made.changes++
  }
  for (let n = 0; n < plan.batches; n++) {
    await outcome(ipvs.apply(many, n % 2 === 0 ? {} : { priority: 'bulk' }))
  }
  await ipvs.reconcile([
    { ...id, scheduler: 'rr', destinations: many.slice(0, 300).map((one) => one.destination) },
  ])
}

async function givenUp(ipvs, count) {
  for (let n = 0; n < count; n++) {
    const controller = new AbortController()
    const calls = [
      outcome(ipvs.apply([...many, ...many], { deadlineMs: 1 })),
      outcome(ipvs.apply(many, { deadlineMs: 1, priority: 'bulk' })),
      outcome(ipvs.apply([...many, ...many], { signal: controller.signal, priority: 'bulk' })),
      outcome(ipvs.apply([failing, ...many.slice(0, 5)])),
      read(ipvs.snapshot({ deadlineMs: 1 })),
      read(ipvs.destinations(id, { deadlineMs: 1 })),
      read(ipvs.sysctls({ deadlineMs: 1 })),
      (async () => {
        for await (const _ of ipvs.connections({ deadlineMs: 1 })) break
      })().catch(() => made.abandoned++),
    ]
    setTimeout(() => controller.abort(), n % 4)
    await Promise.all(calls)
  }
}

/** What is left once threads have ended. Objects and what they hold are finalized in a later turn. */
async function leftOver() {
  const { threads, descriptors } = await settled()
  for (let n = 0; n < 10; n++) {
    gc()
    await setImmediate()
  }
  const counted = process.env.COUNT_MEMORY && readFileSync(process.env.COUNT_MEMORY)
  const places = {}
  for (let at = 40; counted && at < counted.length; at += 32) {
    const [addon, offset] = [counted.readUInt32LE(at), counted.readUInt32LE(at + 4)]
    const blocks = Number(counted.readBigInt64LE(at + 8))
    if (addon !== 0 && blocks !== 0) places[`${addon}+0x${offset.toString(16)}`] = blocks
  }
  const number = (at) => (counted ? Number(counted.readBigInt64LE(at)) : 0)
  return {
    threads,
    descriptors,
    heap: number(0),
    blocks: number(8),
    bytes: number(16),
    ever: number(24),
    overflow: number(32),
    places,
  }
}

const leak = leaky === undefined ? () => {} : createRequire(import.meta.url)(leaky).leak
const left = []
for (let round = 0; round < plan.rounds; round++) {
  const ipvs = await Ipvs.open({ netns, deadlineMs: 3_600_000 })
  await ipvs.apply([
    { op: 'ensure-service', service: failing.service },
    ...many.slice(0, 300).map((change) => ({ ...change })),
  ])
  await openClose(plan.opens)
  await reads(ipvs, plan.reads)
  await changes(ipvs)
  await givenUp(ipvs, plan.givenUp)
  for (let n = 0; n < 20; n++) leak()
  await ipvs.flush()
  await ipvs.close()
  left.push(await leftOver())
}
console.log(JSON.stringify({ made, left }))
