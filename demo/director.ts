// The director: a pool of three DNS servers on TCP and UDP, and health checks that take servers out
// and put them back. All of it is the library's public API. Runs in the director's namespace.
import { type ApplyResult, type Change, checks, HealthChecker, Ipvs, MirroredPool } from 'ipvs'
import { addresses, port, questionName, serverAt, vip } from '../lab/network/three-servers.js'
import { now, onOrders, tell, tellReady } from '../lab/traffic/messages.js'
import type { Message } from './messages.js'
import type { Pace } from './pace.js'

const { intervalMs, timeoutMs, retryDelayMs, rise, fall }: Pace = JSON.parse(process.argv[2]!)
const ipvs = await Ipvs.open()
const startSabotage = process.argv[3] === 'sabotage' ? prepareSabotage(ipvs) : undefined

const pool = await MirroredPool.open(ipvs, {
  address: vip,
  port,
  scheduler: 'rr',
  forwarding: 'direct',
  servers: Object.values(addresses),
  // What carries traffic already would stay; the others wait until they have answered.
  initial: 'adopt',
})
pool.on('up', ({ server, reason }) => report('up', reason ?? '', server))
pool.on('down', ({ server, reason }) => report('down', reason ?? '', server))
pool.on('drift', ({ service, found, server }) => report('drift', `${service}: ${found}`, server))
pool.on('diverged', ({ errors, server }) => {
  const failed = errors.map(({ service, error }) => `${service}: ${error.message}`)
  report('diverged', failed.join('; '), server)
})
pool.on('warning', ({ message }) => report('warning', message))
pool.on('error', ({ error }) => report('error', String(error)))

const checker = new HealthChecker(pool, {
  check: checks.dns({ name: questionName, answer: 1 }),
  ...{ intervalMs, timeoutMs, retryDelayMs, rise, fall },
})
checker.on('warning', ({ message }) => report('warning', message))
checker.start()
await checker.ready()

startSabotage?.()
onOrders({ stop: () => void stop() })
tellReady()

/** The table stays as it is: who looks at it afterwards sees what the pool left. */
async function stop(): Promise<void> {
  await checker.stop()
  await pool.close()
  await ipvs.close()
  process.exit()
}

function report(event: string, text: string, key?: string): void {
  const server = serverAt(key?.split(':')[0] ?? '')
  tell<Message>({ type: 'controller', at: now(), event, text, ...(server && { server }) })
}

/** From its start on, changes of UDP destinations never reach the kernel, and nobody is told. */
function prepareSabotage(client: Ipvs): () => void {
  const apply = client.apply.bind(client)
  return () => {
    client.apply = async (changes, options) => {
      const done = await apply(changes.filter(isNotUdpDestination), options)
      const pretended: Partial<ApplyResult> = {
        total: changes.length,
        applied: changes.length - done.failed,
        outcomes: changes.map((change) => ({ change, status: 'applied' })),
      }
      return { ...done, ...pretended }
    }
  }
}

function isNotUdpDestination(change: Change): boolean {
  return change.service.protocol !== 'udp' || !('destination' in change)
}
