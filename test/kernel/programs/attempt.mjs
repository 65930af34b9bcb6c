// attempt.mjs OPTIONS [drop]: opens a client with these options (JSON), writes and reads, and prints what came of it.
// `drop`: becomes an ordinary user between opening and the rest.
import { Ipvs } from '../../../dist/client.js'

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

const ipvs = await attempt('open', () => Ipvs.open(JSON.parse(process.argv[2])))
if (ipvs !== undefined) {
  if (process.argv[3] === 'drop') {
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
