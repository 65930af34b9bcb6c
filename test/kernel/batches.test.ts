import { beforeEach, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { IpvsError } from '../../src/errors.js'
import type { Change, Destination, Service } from '../../src/types.js'
import { ipvs, ns, setUp } from './setup.js'
import { procDestinations } from './witness.js'

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const service: Service = { ...id, scheduler: 'wrr' }

/** The n-th of 65,025 addresses. */
function server(n: number, weight = 1): Destination {
  const address = `10.1.${Math.floor(n / 255)}.${(n % 255) + 1}`
  return { address, port: 53, forwarding: 'masquerade', weight }
}

/** As /proc/net/ip_vs shows it. */
function hex(n: number): string {
  const bytes = [10, 1, Math.floor(n / 255), (n % 255) + 1]
  return `${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}:0035`.toUpperCase()
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

kernelSuite('batches', () => {
  setUp()

  beforeEach(() => ipvs.addService(service))

  test('5,000 failing changes in one call are 5,000 failed outcomes, each with its own code', async () => {
    const kinds: readonly [(n: number) => Change, string, string][] = [
      [
        (n) => ({ op: 'remove-destination', service: id, destination: server(n) }),
        'ERR_IPVS_NO_DESTINATION',
        'DEL_DEST',
      ],
      [
        (n) => ({ op: 'replace-destination', service: id, destination: server(n) }),
        'ERR_IPVS_NO_DESTINATION',
        'SET_DEST',
      ],
      [
        (n) => ({ op: 'remove-service', service: { ...id, port: 1000 + n } }),
        'ERR_IPVS_NO_SERVICE',
        'DEL_SERVICE',
      ],
      [() => ({ op: 'add-service', service }), 'ERR_IPVS_EXISTS', 'NEW_SERVICE'],
    ]
    const changes = numbers(5000).map((n) => kinds[n % kinds.length]![0](n))
    const result = await ipvs.apply(changes)
    expect(result).toMatchObject({ total: 5000, applied: 0, failed: 5000 })
    expect(result.errors.length).toBe(5000)
    expect(result.outcomes.length).toBe(5000)
    const wrong = result.outcomes.filter(({ change, status, error }, index) => {
      const [, code, command] = kinds[index % kinds.length]!
      const seen = error as IpvsError
      const right = status === 'failed' && seen.code === code && seen.command === command
      return !right || change !== changes[index] || seen.change !== change
    })
    expect(wrong).toEqual([])
    expect(result.errors.map(({ index }) => index)).toEqual(numbers(5000))
    expect(await ipvs.destinations(id)).toEqual([])
  })

  test('when every third of 6,000 fails, exactly those are reported and the others are in the table', async () => {
    const missing = (n: number): Change => ({
      op: 'replace-destination',
      service: id,
      destination: server(n),
    })
    const changes = numbers(6000).map(
      (n): Change =>
        n % 3 === 0
          ? missing(n)
          : { op: 'add-destination', service: id, destination: server(n, n) },
    )
    const result = await ipvs.apply(changes)
    expect(result).toMatchObject({ total: 6000, applied: 4000, failed: 2000 })
    expect(result.errors.map(({ index }) => index)).toEqual(numbers(2000).map((n) => n * 3))
    const statuses = result.outcomes.map(({ status }) => status)
    expect(statuses).toEqual(numbers(6000).map((n) => (n % 3 === 0 ? 'failed' : 'applied')))
    const seen = procDestinations(ns.proc()).map(({ address, weight }) => `${address} ${weight}`)
    const wanted = numbers(6000).filter((n) => n % 3 !== 0)
    expect(seen.sort()).toEqual(wanted.map((n) => `${hex(n)} ${n}`).sort())
  })

  test('20,000 changes leave exactly the table they say', async () => {
    // 200 services: TCP and UDP, IPv4 and IPv6, with 50 servers each; then half of the servers change, a quarter goes.
    const ids = numbers(200).map((n) => ({
      protocol: n % 2 === 0 ? ('tcp' as const) : ('udp' as const),
      address: n % 4 < 2 ? `192.0.2.${n + 1}` : `2001:db8::${(n + 1).toString(16)}`,
      port: 53,
    }))
    const real = (n: number, ipv6: boolean, weight: number): Destination => ({
      address: ipv6 ? `2001:db8:1::${(n + 1).toString(16)}` : `10.1.0.${n + 1}`,
      port: 53,
      forwarding: 'direct',
      weight,
    })
    const changes: Change[] = []
    const wanted: string[] = []
    for (const id of ids) {
      const ipv6 = id.address.includes(':')
      const option = `${id.protocol === 'tcp' ? '-t' : '-u'} ${ipv6 ? `[${id.address}]` : id.address}:53`
      changes.push({ op: 'add-service', service: { ...id, scheduler: 'wrr' } })
      wanted.push(`-A ${option} -s wrr`)
      for (let n = 0; n < 50; n++) {
        changes.push({ op: 'add-destination', service: id, destination: real(n, ipv6, 1) })
      }
      for (let n = 0; n < 24; n++) {
        const destination = real(n, ipv6, 100 + n)
        changes.push({ op: 'replace-destination', service: id, destination })
      }
      for (let n = 24; n < 36; n++) {
        changes.push({ op: 'remove-destination', service: id, destination: real(n, ipv6, 0) })
      }
      for (let n = 44; n < 57; n++) {
        changes.push({ op: 'ensure-destination', service: id, destination: real(n, ipv6, 7) })
      }
      for (let n = 0; n < 57; n++) {
        if (n >= 24 && n < 36) continue
        const { address } = real(n, ipv6, 0)
        const weight = n < 24 ? 100 + n : n < 44 ? 1 : 7
        wanted.push(`-a ${option} -r ${ipv6 ? `[${address}]` : address}:53 -g -w ${weight}`)
      }
    }
    expect(changes.length).toBe(20_000)
    const result = await ipvs.apply(changes)
    expect(result.errors).toEqual([])
    expect(result).toMatchObject({ total: 20_000, applied: 20_000, failed: 0 })
    const rules = ns
      .rules()
      .filter((line) => !line.includes(' 192.0.2.1:53') || line.includes('-t'))
    expect(rules).toEqual(wanted.sort())

    const snapshot = await ipvs.snapshot()
    expect(snapshot.verified).toBe(true)
    expect(snapshot.services.flatMap((tree) => tree.destinations).length).toBe(200 * 45)
    const removed = await ipvs.apply(ids.map((id) => ({ op: 'remove-service', service: id })))
    expect(removed.applied).toBe(200)
    expect(ns.rules()).toEqual(['-A -u 192.0.2.1:53 -s wrr'])
  })

  test('an empty list is applied', async () => {
    const empty = { total: 0, applied: 0, failed: 0, errors: [], outcomes: [] }
    expect(await ipvs.apply([])).toMatchObject(empty)
    expect(await ipvs.apply([], { priority: 'bulk', onError: 'throw' })).toMatchObject(empty)
    expect(ipvs.applySync([])).toMatchObject(empty)
  })

  test('applySync gives the results of apply, failures too', async () => {
    const changes: readonly Change[] = numbers(600).map((n): Change => {
      if (n % 4 === 0) return { op: 'remove-destination', service: id, destination: server(n) }
      if (n % 4 === 1) return { op: 'ensure-destination', service: id, destination: server(n, n) }
      if (n % 4 === 2) return { op: 'add-destination', service: id, destination: server(n - 1) }
      return { op: 'replace-service', service: { ...service, port: n + 1000 } }
    })
    const later = await ipvs.apply(changes)
    const table = ns.rules()
    expect(later).toMatchObject({ applied: 150, failed: 450 })
    await ipvs.apply([
      { op: 'remove-service', service: id },
      { op: 'add-service', service },
    ])
    const now = ipvs.applySync(changes)
    expect(now).toMatchObject({ total: 600, applied: 150, failed: 450 })
    expect(now.outcomes).toEqual(later.outcomes)
    expect(now.errors).toEqual(later.errors)
    expect(ns.rules()).toEqual(table)
  })

  test('applySync takes one netlink batch and refuses more before it sends anything', async () => {
    const add = (n: number): Change => ({
      op: 'add-destination',
      service: id,
      destination: server(n),
    })
    const most = ipvs.applySync(numbers(1000).map(add))
    expect(most).toMatchObject({ total: 1000, applied: 1000, failed: 0 })
    const twice = (op: 'remove-destination' | 'ensure-destination', count: number) =>
      numbers(count).map((n): Change => ({ op, service: id, destination: server(n) }))
    expect(() => ipvs.applySync(twice('remove-destination', 1100))).toThrow(RangeError)
    expect(() => ipvs.applySync(twice('ensure-destination', 600))).toThrow(RangeError)
    expect((await ipvs.destinations(id)).length).toBe(1000)
    expect(ipvs.applySync(twice('remove-destination', 1000)).applied).toBe(1000)
    expect(await ipvs.destinations(id)).toEqual([])
  })

  test('applySync is ERR_IPVS_BUSY while calls are queued, and sends nothing then', async () => {
    const change: Change = { op: 'add-destination', service: id, destination: server(1) }
    const queued = ipvs.apply(
      numbers(5000).map((n) => ({
        op: 'ensure-destination',
        service: id,
        destination: server(n + 2),
      })),
    )
    expect(() => ipvs.applySync([change])).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_BUSY' }),
    )
    const read = ipvs.services()
    expect(() => ipvs.applySync([change])).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_BUSY' }),
    )
    expect((await queued).applied).toBe(5000)
    await read
    expect((await ipvs.destinations(id)).some(({ address }) => address === server(1).address)).toBe(
      false,
    )
    expect(ipvs.applySync([change]).applied).toBe(1)
  })
})
