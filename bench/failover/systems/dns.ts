// DNS behind 192.0.2.53, on TCP and UDP: three servers, asked over both once a second, or as the first argument says: '{"intervalMs": 50}'.
import { checks, HealthChecker, Ipvs, MirroredPool } from 'ipvs'

const ipvs = await Ipvs.open()
const pool = await MirroredPool.open(ipvs, {
  address: '192.0.2.53',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: [
    { address: '192.0.2.11', weight: 1 },
    { address: '192.0.2.12', weight: 1 },
    { address: '192.0.2.13', weight: 1 },
  ],
  initial: 'adopt',
  reconcileIntervalMs: 1000,
  sysctls: 'apply',
})
const checker = new HealthChecker(pool, {
  check: checks.dns({ name: 'whoami.demo' }),
  intervalMs: 1000,
  timeoutMs: 500,
  fall: 3,
  retryDelayMs: 250,
  ...JSON.parse(process.argv[2] ?? '{}'),
})

pool.on('up', ({ server, reason }) => console.log(`${server} is up: ${reason}`))
pool.on('down', ({ server, reason }) => console.log(`${server} is down: ${reason}`))
pool.on('drift', ({ service, found }) => console.log(`${service} was changed: ${found}`))
pool.on('warning', ({ message }) => console.log(`pool: ${message}`))
pool.on('error', ({ error }) => console.log(`pool: ${error}`))
checker.on('warning', ({ message }) => console.log(`checker: ${message}`))
checker.start()

process.once('SIGTERM', async () => {
  await checker.stop()
  // The kernel goes on with what it holds; `{ withdraw: true }` takes the services out.
  await pool.close()
  await ipvs.close()
})
