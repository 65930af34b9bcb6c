import { Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import { HealthChecker } from '../../../src/health/index.js'
import { registerMetrics } from '../../../src/metrics/index.js'
import { MirroredPool } from '../../../src/pool/index.js'
import { MemoryKernel } from '../../../src/testing/index.js'
import { twoServers } from '../pool/two-servers.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function world() {
  let now = 0
  const kernel = new MemoryKernel({ clock: () => now })
  const ipvs = await Ipvs.open({ kernel })
  const pool = await MirroredPool.open(ipvs, { ...twoServers, name: 'dns', initial: 'up' })
  closing.push(
    () => ipvs.close(),
    () => pool.close(),
  )
  const registry = new Registry()
  const figures = async () =>
    (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const register = (...sources: Parameters<typeof registerMetrics>[1][]) => {
    const undo = sources.map((one) => registerMetrics(registry, one))
    closing.push(...undo)
    return () => {
      for (const one of undo) one()
    }
  }
  // The kernel counts every two seconds.
  const count = () => {
    now += 2000
  }
  return { kernel, ipvs, pool, registry, figures, register, count }
}

describe('the table', () => {
  it('is told by service and by destination, counters as the kernel has them', async () => {
    const { kernel, ipvs, figures, register, count } = await world()
    await ipvs.addService({ fwmark: 7, scheduler: 'rr' })
    kernel.traffic(
      { protocol: 'udp', address: '192.0.2.1', port: 53 },
      { address: '10.1.0.1', port: 53 },
      { connections: 3, packets: 5, bytes: 500 },
    )
    count()
    register({ client: ipvs })
    const lines = await figures()
    expect(lines).toEqual(
      expect.arrayContaining([
        'ipvs_table_readable 1',
        'ipvs_service_connections_total{service="udp 192.0.2.1:53"} 3',
        'ipvs_service_connections_total{service="fwmark 7 ipv4"} 0',
        'ipvs_destination_in_bytes_total{service="udp 192.0.2.1:53",destination="10.1.0.1:53"} 500',
        'ipvs_destination_weight{service="tcp 192.0.2.1:53",destination="10.1.0.2:53"} 1',
      ]),
    )
    // One line for each row, of which there are three services and four destinations.
    expect(lines.length).toBe(1 + 5 * 3 + 9 * 4)
  })

  it('is read once for all figures of a scrape, and again for the next', async () => {
    const { ipvs, figures, register } = await world()
    let reads = 0
    const client = {
      namespace: ipvs.namespace,
      snapshot: () => {
        reads++
        return ipvs.snapshot()
      },
    }
    register({ client })
    await figures()
    expect(reads).toBe(1)
    await Promise.all([figures(), figures()])
    await figures()
    expect(reads).toBeGreaterThanOrEqual(3)
  })

  it('that cannot be read is told so, and costs nobody else the scrape', async () => {
    const { kernel, ipvs, pool, figures, register } = await world()
    register({ client: ipvs, pools: [pool] })
    kernel.fail({ of: 'read', errno: 'EPERM' })
    const lines = await figures()
    expect(lines).toContain('ipvs_table_readable 0')
    expect(lines).toContain('ipvs_pool_quorum{pool="dns"} 1')
    expect(lines.filter((line) => line.startsWith('ipvs_service'))).toEqual([])
  })

  it('has no figures of destinations if they are not wanted', async () => {
    const { ipvs, figures, register } = await world()
    register({ client: ipvs, destinations: false })
    expect((await figures()).filter((line) => /destination/.test(line))).toEqual([])
  })
})

describe('pools', () => {
  it('tell their servers, their state and how often each event came', async () => {
    const { pool, figures, register } = await world()
    register({ pools: () => [pool] })
    await pool.down('10.1.0.2')
    expect(await figures()).toEqual(
      expect.arrayContaining([
        'ipvs_pool_quorum{pool="dns"} 1',
        'ipvs_pool_converged{pool="dns"} 1',
        'ipvs_pool_missing_services{pool="dns"} 0',
        'ipvs_pool_server_up{pool="dns",server="10.1.0.1:53"} 1',
        'ipvs_pool_server_up{pool="dns",server="10.1.0.2:53"} 0',
        'ipvs_pool_server_serves{pool="dns",server="10.1.0.2:53"} 0',
        'ipvs_pool_server_weight{pool="dns",server="10.1.0.1:53"} 1',
        'ipvs_pool_events_total{pool="dns",event="down"} 1',
      ]),
    )
  })

  it('of one name would be one series: the scrape says which', async () => {
    const { ipvs, pool, figures, register } = await world()
    const other = await MirroredPool.open(ipvs, { ...twoServers, port: 54, name: 'dns' })
    closing.push(() => other.close())
    register({ pools: [pool, other] })
    await expect(figures()).rejects.toThrow(
      'two pools are named "dns": give each a name of its own, with option "name"',
    )
  })
})

describe('checkers', () => {
  it('tell the last check of each member', async () => {
    const { pool, figures, register } = await world()
    const checker = new HealthChecker(pool, {
      check: ({ address }: { address: string }) =>
        address === '10.1.0.2' ? Promise.reject(new Error('no')) : Promise.resolve(),
      fall: 1,
      intervalMs: 60_000,
    } as never)
    register({ checkers: { dns: checker } })
    checker.start()
    closing.push(() => checker.stop())
    await expect
      .poll(figures)
      .toEqual(expect.arrayContaining(['ipvs_check_up{checker="dns",member="10.1.0.2:53"} 0']))
    const lines = await figures()
    expect(lines).toContain('ipvs_check_up{checker="dns",member="10.1.0.1:53"} 1')
    expect(lines).toContain('ipvs_check_failures{checker="dns",member="10.1.0.2:53"} 1')
    const took = lines.find((line) => line.startsWith('ipvs_check_duration_seconds'))
    expect(Number(took?.split(' ').at(-1))).toBeLessThan(60)
  })
})

it('takes everything out again, listeners too', async () => {
  const { ipvs, pool, registry, figures, register } = await world()
  const { channel } = await import('node:diagnostics_channel')
  const undo = register({ client: ipvs, pools: [pool], checkers: {} })
  expect(channel('ipvs:drift').hasSubscribers).toBe(true)
  // The same names twice are refused, and leave nothing behind.
  expect(() => registerMetrics(registry, { pools: [pool] })).toThrow(/already been registered/)
  undo()
  expect(await figures()).toEqual([])
  expect(channel('ipvs:drift').hasSubscribers).toBe(false)
})

it('is OpenMetrics too', async () => {
  const { ipvs, register, registry } = await world()
  register({ client: ipvs })
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  const text = await registry.metrics()
  expect(text).toContain('# TYPE ipvs_service_connections counter\n')
  expect(text).toContain('ipvs_service_connections_total{service="tcp 192.0.2.1:53"} 0\n')
  expect(text.endsWith('# EOF\n')).toBe(true)
})

it.each([
  [undefined, {}, 'registry must be a Registry of prom-client; received undefined'],
  [new Registry(), { pool: [] }, 'sources.pool must be left out'],
  [new Registry(), { client: 5 }, 'sources.client must be a client'],
  [new Registry(), { pools: 5 }, 'sources.pools must be a list of pools'],
  [new Registry(), { checkers: { a: 5 } }, 'sources.checkers.a must be a HealthChecker'],
  [new Registry(), { checkers: null }, 'sources.checkers must be checkers by their names'],
  [new Registry(), { destinations: 1 }, 'sources.destinations must be true or false'],
])('refuses what is none: %#', (registry, sources, message) => {
  expect(() => registerMetrics(registry as never, sources as never)).toThrow(message)
})
