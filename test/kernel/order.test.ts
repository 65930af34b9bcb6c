// What only the real kernel's thread can show of the two lanes; their rules are in test/contract/lanes.ts.
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Change, Destination } from '../../src/types.js'
import { ipvs, setUp } from './setup.js'

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const twin = { ...id, protocol: 'tcp' } as const

function server(n: number, weight = 1): Destination {
  const address = `10.1.${Math.floor(n / 255)}.${(n % 255) + 1}`
  return { address, port: 53, forwarding: 'masquerade', weight }
}

/** The n-th change sets a weight of n. */
function bulk(count: number): Change[] {
  return Array.from({ length: count }, (_, n) => ({
    op: 'ensure-destination',
    service: id,
    destination: server(n % 1000, n),
  }))
}

kernelSuite('order and lanes', () => {
  setUp()

  test('a flip made in the midst of a bulk of 20,000 changes settles first, and long before', async () => {
    for (const service of [id, twin]) await ipvs.addService({ ...service, scheduler: 'wrr' })
    const reached = async () =>
      (await ipvs.destinations(id)).reduce((most, { weight }) => Math.max(most, weight), 0)
    const settled: string[] = []
    const all = ipvs.apply(bulk(20_000), { priority: 'bulk' }).finally(() => settled.push('bulk'))
    while ((await reached()) === 0);
    const flip: Change[] = [id, twin].map((service) => ({
      op: 'add-destination',
      service,
      destination: server(2000, 4),
    }))
    const result = await ipvs.apply(flip).finally(() => settled.push('flip'))
    expect(result.failed).toBe(0)
    // It waited for one batch, not for the rest.
    expect(await reached()).toBeLessThan(10_000)
    expect((await all).failed).toBe(0)
    expect(settled).toEqual(['flip', 'bulk'])
    expect(await reached()).toBe(19_999)
    expect((await ipvs.destinations(id)).length).toBe(1001)
    expect(await ipvs.destinations(twin)).toMatchObject([server(2000, 4)])
  })

  test('a bulk call does not stop the event loop', async () => {
    await ipvs.addService({ ...id, scheduler: 'wrr' })
    const all = ipvs.apply(bulk(20_000), { priority: 'bulk' })
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await all
    clearInterval(timer)
    expect(turns).toBeGreaterThan(2)
  })
})
