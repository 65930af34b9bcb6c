// The director: a pool of three DNS servers on TCP and UDP, and health checks that take servers out
// and put them back. Everything below is the public API; runs in the director's namespace.
import { type ApplyResult, type Change, checks, HealthChecker, Ipvs, MirroredPool } from 'ipvs'
import { now, onOrders, tell } from './messages.js'
import { addresses, port, questionName, type Server, serverAt, vip } from './topology.js'

const ipvs = await Ipvs.open()
const sabotage = process.argv.includes('--sabotage') ? dropUdp(ipvs) : undefined

const pool = await MirroredPool.open(ipvs, {
  address: vip,
  port,
  scheduler: 'rr',
  forwarding: 'direct',
  servers: Object.values(addresses),
  // What carries traffic already stays; the others wait until they have answered.
  initial: 'adopt',
})

const checker = new HealthChecker(pool, {
  check: checks.dns({ name: questionName, answer: 1 }),
  intervalMs: 250,
  timeoutMs: 250,
  retryDelayMs: 100,
  rise: 2,
  fall: 3,
})

checker.on('transition', ({ member, to, reason }) => {
  report('check', member.address, `says ${to}: ${reason}`)
})
checker.on('warning', ({ message }) => report('warning', undefined, message))
