// attempt.mjs [NETNS]: opens a client here, and one in NETNS, writes and reads, and prints what came of it.
// DROP=1: becomes an ordinary user between opening and the rest.
import { Ipvs } from '../../../dist/client.js'

const [, , netns] = process.argv
const service = { protocol: 'udp', address: '192.0.2.9', port: 53, scheduler: 'rr' }
const results = {}

async function attempt(name, work) {
  try {
    const value = await work()
    results[name] = { ok: true, value: value instanceof Ipvs ? undefined : value }
    return value
  } catch (error) {
    const { name: kind, message, code, errno, errnoName, command, change, reason } = error
    results[name] = { kind, message, code, errno, errnoName, command, change, reason }
  }
}

const patience = { deadlineMs: 3_600_000 }
const ipvs = await attempt('open', () => Ipvs.open(patience))
if (netns !== undefined) await attempt('openNamed', () => Ipvs.open({ netns, ...patience }))
if (ipvs !== undefined) {
  if (process.env.DROP === '1') {
    process.setgid(65534)
    process.setuid(65534)
  }
  await attempt('addService', () => ipvs.addService(service))
  await attempt('applySync', () => {
    const { error } = ipvs.applySync([{ op: 'remove-service', service }]).errors[0] ?? {}
    if (error !== undefined) throw error
  })
  await attempt('services', () => ipvs.services())
  await attempt('service', () => ipvs.service(service))
  await attempt('destinations', () => ipvs.destinations(service))
  await attempt('snapshot', () => ipvs.snapshot())
  await attempt('close', () => ipvs.close())
}
console.log(JSON.stringify(results))
