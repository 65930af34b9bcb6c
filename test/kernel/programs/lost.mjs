// lost.mjs NETNS: makes changes some of whose answers are lost (lose-answers.c) and prints what the client says of them.
// Each batch is one recvmmsg; the comments number them.
import { Ipvs } from '../../../dist/client.js'

const [, , netns] = process.argv
const service = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const server = (n, weight = 1) => ({
  address: `10.1.0.${n}`,
  port: 53,
  forwarding: 'masquerade',
  weight,
})
const replace = (n, weight) => ({
  op: 'replace-destination',
  service,
  destination: server(n, weight),
})
const add = (n) => ({ op: 'add-destination', service, destination: server(n) })
const told = ({ outcomes }) =>
  outcomes.map(({ status, error }) =>
    [status, error?.code ?? '', error?.observed?.weight ?? ''].join(' ').trim(),
  )

const ipvs = await Ipvs.open({ netns, deadlineMs: 3_600_000 })
const said = {}
await ipvs.addService({ ...service, scheduler: 'rr' }) // 1
await ipvs.addDestination(service, server(1)) // 2, lost: the kernel has it, so it resolves
said.next = told(await ipvs.apply([add(2)])) // 3, on a new socket
said.mixed = told(await ipvs.apply([add(3), add(1), replace(9), replace(2, 7), replace(2, 8)])) // 4, lost
said.sync = told(ipvs.applySync([add(4)])) // 5, lost: there is no time to settle
said.syncNext = told(ipvs.applySync([add(5)])) // 6
const closing = ipvs.apply([
  add(6),
  add(7),
  { op: 'ensure-service', service: { ...service, port: 54, scheduler: 'rr' } },
]) // 7, lost
await ipvs.close()
said.closing = told(await closing)
console.log(JSON.stringify(said))
