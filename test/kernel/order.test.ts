import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Ipvs } from '../../src/client.js'
import type { Change, Destination, Service } from '../../src/types.js'
import { kernelSuite, type Namespace, namespace } from './namespace.js'

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const twin = { ...id, protocol: 'tcp' } as const
const service: Service = { ...id, scheduler: 'wrr' }

function server(n: number, weight = 1): Destination {
  const address = `10.1.${Math.floor(n / 255)}.${(n % 255) + 1}`
  return { address, port: 53, forwarding: 'masquerade', weight }
}

function bulk(count: number): Change[] {
  return Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service: id,
    destination: server(n % 1000, n),
  }))
}

kernelSuite('order and lanes', () => {
  let space: Namespace
  let ipvs: Ipvs

  beforeAll(async () => {
    space = namespace()
    ipvs = await Ipvs.open({ netns: space.name, deadlineMs: 60_000 })
  })

  afterAll(async () => {
    await ipvs?.close()
    space?.close()
  })

  beforeEach(async () => {
    await ipvs.apply([
      { op: 'ensure-no-service', service: id },
      { op: 'ensure-no-service', service: twin },
      { op: 'add-service', service },
      { op: 'add-service', service: { ...twin, scheduler: 'wrr' } },
    ])
  })

  async function weightOf(
    n: number,
    service: typeof id | typeof twin = id,
  ): Promise<number | undefined> {
    const { address } = server(n)
    return (await ipvs.destinations(service)).find((row) => row.address === address)?.weight
  }

  test('of 500 writes to one destination that nobody waited for, the last one stands', async () => {
    await ipvs.addDestination(id, server(0))
    const writes = Array.from({ length: 500 }, (_, n) =>
      ipvs.replaceDestination(id, server(0, n + 1)),
    )
    await Promise.all(writes)
    expect(await weightOf(0)).toBe(500)
    expect(space.rules()).toContain('-a -u 192.0.2.1:53 -r 10.1.0.1:53 -m -w 500')
  })

  test('calls reach the kernel in the order in which they were made', async () => {
    const calls = [
      ipvs.addDestination(id, server(0)),
      ipvs.replaceDestination(id, server(0, 7)),
      ipvs.removeDestination(id, server(0)),
      ipvs.addDestination(id, server(0, 9)),
      ipvs.addDestination(id, server(0, 10)),
      ipvs.removeService(id),
      ipvs.replaceDestination(id, server(0)),
      ipvs.addService(service),
      ipvs.addDestination(id, server(1, 3)),
    ]
    const results = await Promise.allSettled(calls)
    expect(
      results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ok')),
    ).toEqual(['ok', 'ok', 'ok', 'ok', 'ERR_IPVS_EXISTS', 'ok', 'ERR_IPVS_NO_SERVICE', 'ok', 'ok'])
    expect((await ipvs.destinations(id)).map(({ address, weight }) => [address, weight])).toEqual([
      ['10.1.0.2', 3],
    ])
  })

  test('a read sees every write that was made before it, and settles after it', async () => {
    const settled: string[] = []
    const note = <T>(name: string, promise: Promise<T>): Promise<T> =>
      promise.finally(() => settled.push(name))
    const write = note(
      'write',
      ipvs.apply([{ op: 'add-destination', service: id, destination: server(0, 5) }]),
    )
    const first = note('first', ipvs.destinations(id))
    const change = note('change', ipvs.replaceDestination(id, server(0, 6)))
    const second = note('second', ipvs.destinations(id))
    const remove = note('remove', ipvs.removeService(id))
    const third = note('third', ipvs.service(id))
    const snapshot = note('snapshot', ipvs.snapshot())
    await Promise.all([write, change, remove])
    // Writes overtake nothing but a read under way, which may see them.
    expect([5, 6]).toContain((await first)[0]!.weight)
    expect((await second)[0]!.weight).toBe(6)
    expect(await third).toBeUndefined()
    expect((await snapshot).services.map((tree) => tree.protocol)).toEqual(['tcp'])
    expect(settled.indexOf('write')).toBeLessThan(settled.indexOf('first'))
    expect(settled.indexOf('change')).toBeLessThan(settled.indexOf('second'))
    expect(settled.indexOf('remove')).toBeLessThan(settled.indexOf('third'))
  })

  test('a failing call does not touch the calls that went out with it', async () => {
    const calls = Array.from({ length: 300 }, (_, n) =>
      n % 3 === 0
        ? ipvs.removeDestination(id, server(5000 + n))
        : ipvs.addDestination(id, server(n, n)),
    )
    const results = await Promise.allSettled(calls)
    expect(results.map(({ status }) => status)).toEqual(
      Array.from({ length: 300 }, (_, n) => (n % 3 === 0 ? 'rejected' : 'fulfilled')),
    )
    expect((await ipvs.destinations(id)).length).toBe(200)
  })

  test('a flip made during a bulk of 30,000 changes settles first, and long before', async () => {
    const settled: string[] = []
    const started = performance.now()
    const all = ipvs.apply(bulk(30_000), { priority: 'bulk' }).finally(() => settled.push('bulk'))
    const queued = performance.now()
    const flip: Change[] = [id, twin].map((service) => ({
      op: 'add-destination',
      service,
      destination: server(2000, 4),
    }))
    const result = await ipvs.apply(flip).finally(() => settled.push('flip'))
    const flipped = performance.now()
    expect(result.failed).toBe(0)
    expect((await all).failed).toBe(0)
    const done = performance.now()
    expect(settled).toEqual(['flip', 'bulk'])
    // It waited for one batch of about sixty, not for the rest.
    expect(flipped - queued).toBeLessThan((done - started) / 4)
    expect(await weightOf(2000)).toBe(4)
    expect(await weightOf(2000, twin)).toBe(4)
    expect((await ipvs.destinations(id)).length).toBe(1001)
    expect(await weightOf(999)).toBe(29_999)
  })

  test('without the bulk lane a flip waits its turn', async () => {
    const settled: string[] = []
    const all = ipvs.apply(bulk(5000)).finally(() => settled.push('first'))
    const flip = ipvs.addDestination(twin, server(2000)).finally(() => settled.push('second'))
    await Promise.all([all, flip])
    expect(settled).toEqual(['first', 'second'])
  })

  test('a bulk change of an object that a later call has written is superseded, and the later value stands', async () => {
    const changes = bulk(20_000)
    const stale: Change[] = [
      { op: 'ensure-destination', service: id, destination: server(3000, 1) },
      { op: 'ensure-destination', service: id, destination: server(3001, 1) },
      { op: 'replace-service', service: { ...service, scheduler: 'rr' } },
      { op: 'add-destination', service: twin, destination: server(3000, 1) },
      { op: 'replace-service', service: { ...twin, scheduler: 'rr' } },
    ]
    changes.push(...stale)
    const all = ipvs.apply(changes, { priority: 'bulk' })
    const later = Promise.all([
      ipvs.addDestination(id, server(3000, 70)),
      ipvs.replaceService({ ...service, scheduler: 'lc' }),
      ipvs.removeService(twin),
    ])
    await later
    const result = await all
    const statuses = result.outcomes.slice(20_000).map(({ status }) => status)
    expect(statuses).toEqual(['superseded', 'applied', 'superseded', 'superseded', 'superseded'])
    expect(result).toMatchObject({ total: 20_005, applied: 20_001, failed: 4 })
    expect(result.errors.map(({ error }) => (error as { code?: string }).code)).toEqual(
      Array(4).fill('ERR_IPVS_SUPERSEDED'),
    )
    expect(await weightOf(3000)).toBe(70)
    expect(await weightOf(3001)).toBe(1)
    expect((await ipvs.service(id))!.scheduler).toBe('lc')
    expect(await ipvs.service(twin)).toBeUndefined()
  })

  test('a bulk change made after a normal one is not superseded by it', async () => {
    const first = ipvs.apply(bulk(5000), { priority: 'bulk' })
    const normal = ipvs.addDestination(id, server(3000, 1))
    const second = ipvs.apply(
      [{ op: 'replace-destination', service: id, destination: server(3000, 2) }],
      { priority: 'bulk' },
    )
    expect((await first).failed).toBe(0)
    await normal
    expect((await second).failed).toBe(0)
    expect(await weightOf(3000)).toBe(2)
  })

  test('bulk calls keep their order among themselves', async () => {
    const calls = [1, 2, 3, 4].map((weight) =>
      ipvs.apply(
        Array.from({ length: 1500 }, (_, n) => ({
          op: 'ensure-destination' as const,
          service: id,
          destination: server(n, weight),
        })),
        { priority: 'bulk' },
      ),
    )
    for (const { failed } of await Promise.all(calls)) expect(failed).toBe(0)
    const weights = (await ipvs.destinations(id)).map(({ weight }) => weight)
    expect(new Set(weights)).toEqual(new Set([4]))
  })

  test('a bulk call does not stop the event loop', async () => {
    const all = ipvs.apply(bulk(30_000), { priority: 'bulk' })
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await all
    clearInterval(timer)
    expect(turns).toBeGreaterThan(2)
    expect(readFileSync('/proc/self/comm', 'utf8')).not.toBe('ipvs\n')
  })

  test('a later call that wrote nothing supersedes nothing', async () => {
    const far = { ...id, port: 99 }
    const late = apply([...bulk(3000), { op: 'add-service', service: { ...far, scheduler: 'rr' } }])
    // It overtakes the bulk call, and finds no such service.
    await expect(ipvs.replaceService({ ...far, scheduler: 'wrr' })).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SERVICE',
    })
    expect((await late).failed).toBe(0)
    expect((await ipvs.service(far))?.scheduler).toBe('rr')
    await ipvs.removeService(far)
  })

  test('a queued removal of a service does not take away what was written below it later', async () => {
    const late = apply([...bulk(3000), { op: 'remove-service', service: twin }])
    await ipvs.addDestination(twin, server(1, 5))
    const { outcomes } = await late
    expect(outcomes.at(-1)!.status).toBe('superseded')
    expect(await weightOf(1, twin)).toBe(5)
  })

  function apply(changes: Change[]) {
    return ipvs.apply(changes, { priority: 'bulk' })
  }
})
