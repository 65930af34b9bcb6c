import { Registry } from 'prom-client'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
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
    register({ ipvs })
    const lines = await figures()
    expect(lines).toEqual(
      expect.arrayContaining([
        'ipvs_table_readable 1',
        'ipvs_service_connections_total{service="udp 192.0.2.1:53"} 3',
        'ipvs_service_connections_total{service="fwmark 7 ipv4"} 0',
        'ipvs_destination_in_bytes_total{service="udp 192.0.2.1:53",server="10.1.0.1:53"} 500',
        'ipvs_destination_weight{service="tcp 192.0.2.1:53",server="10.1.0.2:53"} 1',
      ]),
    )
    // One line for each row, of which there are three services and four destinations; three for the table itself.
    expect(lines.length).toBe(3 + 5 * 3 + 9 * 4)
  })

  it("bears the pool's name where a pool has the service", async () => {
    const { ipvs, pool, figures, register } = await world()
    await ipvs.addService({ fwmark: 7, scheduler: 'rr' })
    register({ ipvs, pools: [pool] })
    const lines = await figures()
    expect(lines).toContain(
      'ipvs_destination_weight{pool="dns",service="tcp 192.0.2.1:53",server="10.1.0.2:53"} 1',
    )
    expect(lines).toContain('ipvs_service_connections_total{service="fwmark 7 ipv4"} 0')
  })

  it('has a series of its own for each protocol, port and family of marks', async () => {
    const { ipvs, figures, register } = await world()
    for (const family of ['ipv4', 'ipv6'] as const) {
      await ipvs.addService({ fwmark: 7, family, scheduler: 'rr' })
    }
    await ipvs.addService({ protocol: 'tcp', address: '2001:db8::1', port: 53, scheduler: 'rr' })
    register({ ipvs })
    const series = (await figures()).map((line) => line.replace(/ \S+$/, ''))
    expect(new Set(series).size).toBe(series.length)
    expect(series.filter((one) => one.startsWith('ipvs_service_connections_total')).length).toBe(5)
  })

  it('is never zeroed', async () => {
    const { kernel, ipvs, figures, register, count } = await world()
    const service = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
    kernel.traffic(service, { address: '10.1.0.1', port: 53 }, { connections: 3 })
    count()
    register({ ipvs })
    await figures()
    await figures()
    expect((await ipvs.service(service))?.stats.connections).toBe(3n)
  })

  it('counts on when a destination comes back, and when somebody has zeroed it', async () => {
    const { kernel, ipvs, figures, register, count } = await world()
    const service = { fwmark: 7, family: 'ipv4' } as const
    const destination = { address: '10.1.0.9', port: 0 }
    const total = async () => {
      const name = 'ipvs_destination_connections_total{service="fwmark 7 ipv4"'
      return (await figures())
        .find((line) => line.startsWith(name))
        ?.split(' ')
        .at(-1)
    }
    const traffic = (connections: number) => {
      kernel.traffic(service, destination, { connections })
      count()
    }
    const create = async () => {
      await ipvs.addService({ ...service, scheduler: 'rr' })
      await ipvs.addDestination(service, { ...destination, forwarding: 'masquerade' })
    }
    await create()
    register({ ipvs })
    traffic(10)
    expect(await total()).toBe('10')
    await ipvs.removeService(service)
    expect(await total()).toBeUndefined()
    await create()
    traffic(4)
    expect((await ipvs.destinations(service))[0]?.stats.connections).toBe(4n)
    expect(await total()).toBe('14')
    await ipvs.zero(service)
    traffic(1)
    expect(await total()).toBe('15')
  })

  it('tells where the kernel does not count', async () => {
    const { ipvs, figures, register } = await world()
    register({ ipvs })
    expect(await figures()).toContain('ipvs_estimation_running 1')
    await ipvs.setSysctl('run_estimation', 0)
    expect(await figures()).toContain('ipvs_estimation_running 0')
  })

  it('notices counters that stand still, where no setting can be read', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const { kernel, ipvs, figures, register, count } = await world()
    const service = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
    kernel.traffic(service, { address: '10.1.0.1', port: 53 }, { connections: 100, packets: 100 })
    count()
    register({ ipvs: { snapshot: () => ipvs.snapshot() } })
    const told = async () => (await figures()).filter((line) => line.startsWith('ipvs_estimation'))
    expect(await told()).toEqual([])
    vi.advanceTimersByTime(9_999)
    expect(await told()).toEqual([])
    vi.advanceTimersByTime(1)
    expect(await told()).toEqual(['ipvs_estimation_running 0'])
    // They move again.
    count()
    expect(await told()).toEqual([])
  })

  it('leaves out what there is no room for, and says how much', async () => {
    const { ipvs, figures, register } = await world()
    register({ ipvs, mostSeries: 5 * 2 + 9 })
    const lines = await figures()
    expect(lines).toContain('ipvs_table_series_left_out 27')
    expect(lines.filter((line) => line.startsWith('ipvs_destination_')).length).toBe(9)
    expect(lines.filter((line) => line.startsWith('ipvs_service_')).length).toBe(10)
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
    register({ ipvs: client })
    await figures()
    expect(reads).toBe(1)
    await Promise.all([figures(), figures()])
    await figures()
    expect(reads).toBeGreaterThanOrEqual(3)
  })

  it('that cannot be read is told so, and costs nobody else the scrape', async () => {
    const { kernel, ipvs, pool, figures, register } = await world()
    register({ ipvs, pools: [pool] })
    kernel.fail({ of: 'read', errno: 'EPERM' })
    const lines = await figures()
    expect(lines).toContain('ipvs_table_readable 0')
    expect(lines).toContain('ipvs_pool_quorum{pool="dns"} 1')
    expect(lines.filter((line) => line.startsWith('ipvs_service'))).toEqual([])
  })

  it('has no figures of destinations if they are not wanted', async () => {
    const { ipvs, figures, register } = await world()
    register({ ipvs, destinations: false })
    expect((await figures()).filter((line) => /server=|destination/.test(line))).toEqual([])
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
        'ipvs_pool_servers{pool="dns"} 2',
        'ipvs_pool_servers_up{pool="dns"} 1',
        'ipvs_pool_servers_serving{pool="dns"} 1',
        'ipvs_pool_events_total{pool="dns",event="down"} 1',
        'ipvs_pool_events_total{pool="dns",event="diverged"} 0',
      ]),
    )
    await pool.setAdmin('10.1.0.1', 'drain')
    expect(await figures()).toContain(
      'ipvs_pool_server_admin_ready{pool="dns",server="10.1.0.1:53"} 0',
    )
  })

  it('can be told without their servers, or with some of them', async () => {
    const { pool, registry, figures, register } = await world()
    const undo = register({ pools: [pool], servers: false })
    expect((await figures()).filter((line) => line.includes('server='))).toEqual([])
    expect(await figures()).toContain('ipvs_pool_servers{pool="dns"} 2')
    undo()
    closing.push(registerMetrics(registry, { pools: [pool], mostSeries: 5 }))
    const lines = await figures()
    expect(lines).toContain('ipvs_pool_series_left_out 5')
    expect(lines).toContain('ipvs_pool_servers{pool="dns"} 2')
    expect(lines.filter((line) => line.includes('server=')).length).toBe(5)
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
  const check = ({ address }: { address: string }) =>
    address === '10.1.0.2'
      ? Promise.reject(new Error('tcp 10.1.0.2:53: connection refused'))
      : Promise.resolve()

  it('tell the last check of each server, and how all have ended', async () => {
    const { pool, figures, register } = await world()
    const checker = new HealthChecker(pool, { check, fall: 1, intervalMs: 60_000 })
    register({ checkers: { 'dns/tcp': checker }, buckets: [0.5, 60] })
    checker.start()
    closing.push(() => checker.stop())
    const labels = 'pool="dns",checker="tcp"'
    await expect
      .poll(figures)
      .toEqual(expect.arrayContaining([`ipvs_check_duration_seconds_count{${labels}} 2`]))
    const lines = await figures()
    expect(lines).toEqual(
      expect.arrayContaining([
        `ipvs_check_up{${labels},server="10.1.0.1:53"} 1`,
        `ipvs_check_up{${labels},server="10.1.0.2:53"} 0`,
        `ipvs_check_consecutive_failures{${labels},server="10.1.0.2:53"} 1`,
        `ipvs_check_results_total{${labels},server="10.1.0.2:53",outcome="failure"} 1`,
        `ipvs_check_results_total{${labels},server="10.1.0.2:53",outcome="success"} 0`,
        `ipvs_check_failures_total{${labels},reason="refused"} 1`,
        `ipvs_check_failures_total{${labels},reason="timeout"} 0`,
        `ipvs_check_duration_seconds_bucket{le="60",${labels}} 2`,
        `ipvs_check_duration_seconds_bucket{le="+Inf",${labels}} 2`,
      ]),
    )
    const took = lines.find((line) => line.startsWith('ipvs_check_last_duration_seconds'))
    expect(Number(took?.split(' ').at(-1))).toBeLessThan(60)
  })

  it('may come and go: one that takes the place of another is counted on', async () => {
    const { pool, figures, register } = await world()
    const make = () => new HealthChecker(pool, { check, fall: 1, intervalMs: 60_000 })
    let now: Record<string, HealthChecker> = {}
    const undo = register({ checkers: () => now })
    const total = async () =>
      (await figures()).find((line) => line.startsWith('ipvs_check_duration_seconds_count'))
    expect(await total()).toBeUndefined()
    const both = [make(), make()]
    closing.push(() => Promise.all(both.map((one) => one.stop())))
    for (const [index, checker] of both.entries()) {
      now = { dns: checker }
      await figures()
      checker.start()
      const name = 'ipvs_check_duration_seconds_count{checker="dns"}'
      await expect.poll(total).toBe(`${name} ${2 * (index + 1)}`)
    }
    now = {}
    expect(await total()).toBeUndefined()
    undo()
    expect(both.map((one) => one.listenerCount('result'))).toEqual([0, 0])
  })
})

it('takes everything out again, listeners too', async () => {
  const { ipvs, pool, registry, figures, register } = await world()
  const { channel } = await import('node:diagnostics_channel')
  const undo = register({ ipvs, pools: [pool], checkers: {} })
  expect(channel('ipvs:drift').hasSubscribers).toBe(true)
  // The same names twice are refused, and leave nothing behind.
  expect(() => registerMetrics(registry, { pools: [pool] })).toThrow(/already been registered/)
  undo()
  expect(await figures()).toEqual([])
  expect(channel('ipvs:drift').hasSubscribers).toBe(false)
})

it('is OpenMetrics too', async () => {
  const { ipvs, register, registry } = await world()
  register({ ipvs })
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  const text = await registry.metrics()
  expect(text).toContain('# TYPE ipvs_service_connections counter\n')
  expect(text).toContain('ipvs_service_connections_total{service="tcp 192.0.2.1:53"} 0\n')
  expect(text.endsWith('# EOF\n')).toBe(true)
})

it.each([
  [undefined, {}, 'registry must be a Registry of prom-client; received undefined'],
  [new Registry(), { pool: [] }, 'sources.pool must be left out'],
  [new Registry(), { ipvs: 5 }, 'sources.ipvs must be a client'],
  [new Registry(), { pools: 5 }, 'sources.pools must be a list of pools'],
  [new Registry(), { checkers: { a: 5 } }, 'sources.checkers.a must be a HealthChecker'],
  [new Registry(), { checkers: null }, 'sources.checkers must be checkers by their names'],
  [new Registry(), { destinations: 1 }, 'sources.destinations must be true or false'],
  [new Registry(), { servers: 0 }, 'sources.servers must be true or false'],
  [new Registry(), { mostSeries: -1 }, 'sources.mostSeries must be an integer from 0'],
  [new Registry(), { buckets: 5 }, 'sources.buckets must be ascending numbers'],
  [new Registry(), { buckets: [1, 1] }, 'sources.buckets must be ascending numbers'],
  [new Registry(), { buckets: [] }, 'sources.buckets must be ascending numbers'],
])('refuses what is none: %#', (registry, sources, message) => {
  expect(() => registerMetrics(registry as never, sources as never)).toThrow(message)
})
