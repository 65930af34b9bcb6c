import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { destinationKey, serviceKey } from '../../src/identity.js'
import type {
  Change,
  Destination,
  Family,
  Service,
  ServiceId,
  ServiceSettings,
  ServiceTree,
} from '../../src/types.js'
import { ipvs, ns, setUp } from './setup.js'
import {
  asRead,
  destinationAsRead,
  destinationSettings,
  PROC_METHODS,
  procDestinations,
  ruleLines,
  settingsOf,
  thresholds,
} from './witness.js'

const IDS: readonly ServiceId[] = [
  { protocol: 'tcp', address: '192.0.2.1', port: 53 },
  { protocol: 'udp', address: '192.0.2.1', port: 53 },
  { protocol: 'sctp', address: '192.0.2.1', port: 53 },
  { protocol: 'tcp', address: '2001:db8::1', port: 53 },
  { protocol: 'udp', address: '2001:db8::1', port: 53 },
  { protocol: 'sctp', address: '2001:db8::1', port: 53 },
  { fwmark: 7, family: 'ipv4' },
  { fwmark: 4_294_967_295, family: 'ipv6' },
]

const TCP = IDS[0]!
const UDP = IDS[1]!

function familyOf(id: ServiceId): Family {
  if (id.fwmark !== undefined) return id.family ?? 'ipv4'
  return id.address.includes(':') ? 'ipv6' : 'ipv4'
}

/** One destination of every forwarding method, and a tunnel across the families. */
function everyForwarding(id: ServiceId): Destination[] {
  const ipv6 = familyOf(id) === 'ipv6'
  const own = (n: number): string => (ipv6 ? `2001:db8:1::${n}` : `10.1.0.${n}`)
  const other = ipv6 ? '10.1.0.99' : '2001:db8:1::99'
  const port = 53
  return [
    { address: own(1), port, forwarding: 'direct', weight: 3 },
    { address: own(2), port: 5353, forwarding: 'masquerade', weight: 0 },
    {
      address: own(3),
      port,
      forwarding: 'masquerade',
      weight: 2_147_483_647,
      upperThreshold: 2_000_000,
      lowerThreshold: 7,
    },
    { address: own(4), port, forwarding: 'tunnel' },
    { address: own(5), port, forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080 } },
    {
      address: own(6),
      port,
      forwarding: 'tunnel',
      tunnel: { type: 'gue', port: 65535, checksum: 'standard' },
    },
    {
      address: own(7),
      port,
      forwarding: 'tunnel',
      tunnel: { type: 'gue', port: 1, checksum: 'remote' },
    },
    { address: own(8), port, forwarding: 'tunnel', tunnel: { type: 'gre' } },
    {
      address: own(9),
      port,
      forwarding: 'tunnel',
      tunnel: { type: 'gre', checksum: 'standard' },
    },
    { address: own(10), port, forwarding: 'local', upperThreshold: 5 },
    {
      address: other,
      port,
      forwarding: 'tunnel',
      weight: 9,
      tunnel: { type: 'gue', port: 6080, checksum: 'remote' },
    },
  ]
}

/** Each address with the settings of another: every field changes. */
function rotated(destinations: readonly Destination[]): Destination[] {
  const within = destinations.filter(
    ({ address, port }) => !isOther(destinations, address) && port === 53,
  )
  return destinations.map((destination) => {
    const at = within.indexOf(destination)
    if (at < 0) {
      const { tunnel: _, ...rest } = destination
      return { ...rest, weight: 4, upperThreshold: 8, lowerThreshold: 2 }
    }
    const { address, port } = destination
    return { ...within[(at + 1) % within.length]!, address, port }
  })
}

function isOther(destinations: readonly Destination[], address: string): boolean {
  return address.includes(':') !== destinations[0]!.address.includes(':')
}

kernelSuite('changes', () => {
  setUp()

  async function applyAll(changes: readonly Change[]): Promise<void> {
    const result = await ipvs.apply(changes)
    expect(result.errors).toEqual([])
    expect(result).toMatchObject({ total: changes.length, applied: changes.length, failed: 0 })
  }

  /** ipvsadm, /proc and all three ways of reading must show exactly these services. */
  async function expectTable(trees: readonly ServiceTree[]): Promise<void> {
    expect(ns.rules()).toEqual(ruleLines(trees))
    const destinations = trees.flatMap((tree) => tree.destinations)
    const proc = procDestinations(ns.proc())
    expect(proc.map(({ method, weight }) => `${method} ${weight}`).sort()).toEqual(
      destinations.map((d) => `${PROC_METHODS[d.forwarding]} ${d.weight ?? 1}`).sort(),
    )
    const { services, verified } = await ipvs.snapshot()
    expect(verified).toBe(true)
    expect(new Set((await ipvs.services()).map(serviceKey))).toEqual(new Set(trees.map(serviceKey)))
    expect(new Set(services.map(serviceKey))).toEqual(new Set(trees.map(serviceKey)))
    for (const { destinations, ...service } of trees) {
      const key = serviceKey(service)
      const seen = services.find((other) => serviceKey(other) === key)!
      expect(settingsOf(seen)).toEqual(asRead(service as Service))
      expect(settingsOf((await ipvs.service(service))!)).toEqual(asRead(service as Service))
      const wanted = new Map(destinations.map((d) => [destinationKey(d), destinationAsRead(d)]))
      for (const rows of [seen.destinations, await ipvs.destinations(service)]) {
        const read = rows.map((row) => [destinationKey(row), destinationSettings(row)] as const)
        expect(new Map(read)).toEqual(wanted)
        expect(read.length).toBe(destinations.length)
      }
    }
  }

  test.each(IDS.map((id) => [serviceKey(id), id] as const))(
    'every operation does to %s what ipvsadm then shows',
    async (_, id) => {
      const ipv6 = familyOf(id) === 'ipv6'
      const onePacket = id.fwmark !== undefined || id.protocol === 'udp'
      const plain = { ...id, scheduler: 'rr' }
      const full: Service = {
        ...id,
        scheduler: 'wrr',
        onePacket,
        persistence: { timeoutSeconds: 77, netmask: ipv6 ? 64 : '255.255.255.0' },
        schedulerFlags: ['flag-1', 'flag-3'],
      }
      const hashed: Service = { ...id, scheduler: 'sh', schedulerFlags: ['sh-fallback'] }

      await applyAll([{ op: 'add-service', service: plain }])
      await expectTable([{ ...plain, destinations: [] }])
      await applyAll([{ op: 'replace-service', service: full }])
      await expectTable([{ ...full, destinations: [] }])
      await applyAll([{ op: 'ensure-service', service: hashed }])
      await expectTable([{ ...hashed, destinations: [] }])
      await applyAll([{ op: 'remove-service', service: id }])
      await expectTable([])
      await applyAll([{ op: 'ensure-no-service', service: id }])
      await applyAll([{ op: 'ensure-service', service: full }])
      await expectTable([{ ...full, destinations: [] }])

      const first = everyForwarding(id)
      const second = rotated(first)
      expect(second.map(destinationKey)).toEqual(first.map(destinationKey))
      const each = (op: 'add' | 'replace' | 'ensure', list: readonly Destination[]): Change[] =>
        list.map((destination) => ({ op: `${op}-destination`, service: id, destination }))
      await applyAll(each('add', first))
      await expectTable([{ ...full, destinations: first }])
      await applyAll(each('replace', second))
      await expectTable([{ ...full, destinations: second }])
      await applyAll(each('ensure', first))
      await expectTable([{ ...full, destinations: first }])

      const half = first.slice(0, 5)
      const remove = (op: 'remove-destination' | 'ensure-no-destination', list: Destination[]) =>
        list.map(({ address, port }) => ({ op, service: id, destination: { address, port } }))
      await applyAll(remove('remove-destination', half))
      await expectTable([{ ...full, destinations: first.slice(5) }])
      await applyAll(remove('ensure-no-destination', first))
      await expectTable([{ ...full, destinations: [] }])
      await applyAll(each('ensure', second))
      await expectTable([{ ...full, destinations: second }])
      await applyAll([{ op: 'ensure-no-service', service: id }])
      await expectTable([])
      await applyAll(remove('ensure-no-destination', first))
    },
  )

  test('services of every kind live side by side', async () => {
    const trees = IDS.map(
      (id): ServiceTree => ({
        ...id,
        scheduler: 'wlc',
        destinations: everyForwarding(id),
      }),
    )
    await applyAll(
      trees.flatMap(({ destinations, ...service }) => [
        { op: 'add-service', service } as Change,
        ...destinations.map(
          (destination): Change => ({ op: 'add-destination', service, destination }),
        ),
      ]),
    )
    await expectTable(trees)
  })

  test('what was read can be written back, and changes nothing', async () => {
    const settings: readonly ServiceSettings[] = [
      { scheduler: 'rr' },
      { scheduler: 'mh', schedulerFlags: ['mh-fallback', 'mh-port'] },
      { scheduler: 'wrr', persistence: { timeoutSeconds: 300 } },
    ]
    const trees = IDS.map(
      (id, index): ServiceTree => ({
        ...id,
        ...settings[index % settings.length]!,
        destinations: everyForwarding(id),
      }),
    )
    await applyAll(
      trees.flatMap(({ destinations, ...service }) => [
        { op: 'add-service', service } as Change,
        ...destinations.map(
          (destination): Change => ({ op: 'add-destination', service, destination }),
        ),
      ]),
    )
    const before = ns.rules()
    const limits = thresholds(ns.ipvsadm('-Ln', '--thresholds'))
    const { services } = await ipvs.snapshot()
    for (const op of ['replace', 'ensure'] as const) {
      await applyAll(
        services.flatMap((service) => [
          { op: 'replace-service', service } as Change,
          ...service.destinations.map(
            (destination): Change => ({ op: `${op}-destination`, service, destination }),
          ),
        ]),
      )
    }
    expect(ns.rules()).toEqual(before)
    expect(thresholds(ns.ipvsadm('-Ln', '--thresholds'))).toEqual(limits)
    await expectTable(trees)
    for (const service of await ipvs.services()) {
      await ipvs.replaceService(service)
      await ipvs.updateService(service, {})
      const [destination] = await ipvs.destinations(service)
      await ipvs.replaceDestination(service, destination!)
      await ipvs.updateDestination(service, destination!, {})
    }
    expect(ns.rules()).toEqual(before)
    await applyAll(services.map((service) => ({ op: 'remove-service', service })))
    await applyAll(
      services.map(({ destinations: _, ...service }) => ({ op: 'add-service', service })),
    )
    await expectTable(trees.map((tree) => ({ ...tree, destinations: [] })))
  })

  test('thresholds are what "ipvsadm -Ln --thresholds" shows', async () => {
    await ipvs.addService({ ...TCP, scheduler: 'wlc' })
    const base = { address: '10.1.0.1', port: 53, forwarding: 'direct' } as const
    const limits = async (): Promise<unknown> =>
      thresholds(ns.ipvsadm('-Ln', '--thresholds')).get('10.1.0.1:53')
    await ipvs.addDestination(TCP, { ...base, upperThreshold: 100, lowerThreshold: 40 })
    expect(await limits()).toEqual([100, 40])
    await ipvs.replaceDestination(TCP, {
      ...base,
      upperThreshold: 2_147_483_647,
      lowerThreshold: 1,
    })
    expect(await limits()).toEqual([2_147_483_647, 1])
    await ipvs.updateDestination(TCP, base, { upperThreshold: 9, lowerThreshold: 9 })
    expect(await limits()).toEqual([9, 9])
    await ipvs.replaceDestination(TCP, base)
    expect(await limits()).toEqual([0, 0])
  })

  test('persistence holds the longest and shortest timeouts and every kind of mask', async () => {
    const persistences = [
      [UDP, { timeoutSeconds: 4_294_967 }],
      [UDP, { timeoutSeconds: 1, netmask: '255.255.255.255' }],
      [UDP, { timeoutSeconds: 60, netmask: '128.0.0.0' }],
      [TCP, { timeoutSeconds: 60, netmask: '255.255.255.254' }],
      [IDS[4]!, { timeoutSeconds: 60, netmask: 1 }],
      [IDS[4]!, { timeoutSeconds: 60, netmask: 127 }],
      [IDS[3]!, { timeoutSeconds: 60, netmask: 128 }],
      [IDS[7]!, { timeoutSeconds: 60, netmask: 48 }],
      [IDS[6]!, { timeoutSeconds: 60, netmask: '255.0.0.0' }],
    ] as const
    const services = persistences.map(([id, persistence], index): Service => {
      const own = id.fwmark === undefined ? { port: 1000 + index } : { fwmark: 100 + index }
      return { ...id, ...own, scheduler: 'rr', persistence } as Service
    })
    const bare = services.map(({ persistence: _, ...service }) => service as Service)
    const table = (list: Service[]) => list.map((service) => ({ ...service, destinations: [] }))
    await applyAll(services.map((service) => ({ op: 'add-service', service })))
    await expectTable(table(services))
    for (const service of services) await ipvs.updateService(service, { persistence: undefined })
    await expectTable(table(bare))
    for (const [index, [, persistence]] of persistences.entries()) {
      await ipvs.updateService(bare[index]!, { persistence })
    }
    await expectTable(table(services))
  })

  test('a port-0 service of a persistent virtual server takes a destination with port 0', async () => {
    const service: Service = {
      protocol: 'tcp',
      address: '192.0.2.1',
      port: 0,
      scheduler: 'rr',
      persistence: { timeoutSeconds: 60 },
    }
    const destination = { address: '10.1.0.1', port: 0, forwarding: 'direct' } as const
    await ipvs.addService(service)
    await ipvs.addDestination(service, destination)
    await expectTable([{ ...service, destinations: [destination] }])
  })

  test.each([
    'rr',
    'wrr',
    'lc',
    'wlc',
    'lblc',
    'lblcr',
    'dh',
    'sh',
    'sed',
    'nq',
    'fo',
    'ovf',
    'mh',
  ])('scheduler %s loads by itself', async (scheduler) => {
    await ipvs.addService({ ...UDP, scheduler: 'rr' })
    await ipvs.updateService(UDP, { scheduler })
    await ipvs.addService({ ...TCP, scheduler })
    expect(ns.rules()).toEqual(
      ruleLines([UDP, TCP].map((id) => ({ ...id, scheduler, destinations: [] }))),
    )
  })

  test('scheduler flags keep their bits', async () => {
    const services: Service[] = [
      { ...TCP, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
      { ...UDP, scheduler: 'mh', schedulerFlags: ['mh-port'] },
      { ...IDS[3]!, scheduler: 'sh', schedulerFlags: ['sh-port'] },
      { ...IDS[4]!, scheduler: 'mh', schedulerFlags: ['mh-fallback', 'mh-port'] },
      { ...IDS[6]!, scheduler: 'wrr', schedulerFlags: ['flag-1', 'flag-2', 'flag-3'] },
      { ...IDS[7]!, scheduler: 'rr', schedulerFlags: ['flag-2'] },
    ]
    await applyAll(services.map((service) => ({ op: 'add-service', service })))
    await expectTable(services.map((service) => ({ ...service, destinations: [] })))
    await applyAll(
      services.map((service) => ({
        op: 'replace-service',
        service: { ...service, schedulerFlags: [] },
      })),
    )
    await expectTable(
      services.map(({ schedulerFlags: _, ...service }) => ({ ...service, destinations: [] })),
    )
  })

  test('one-packet scheduling goes on and off', async () => {
    const ids = [UDP, IDS[4]!, IDS[6]!, IDS[7]!]
    const write = async (op: 'add-service' | 'replace-service', onePacket: boolean) => {
      await applyAll(ids.map((id) => ({ op, service: { ...id, scheduler: 'rr', onePacket } })))
      await expectTable(ids.map((id) => ({ ...id, scheduler: 'rr', onePacket, destinations: [] })))
    }
    await write('add-service', true)
    await write('replace-service', false)
    await write('replace-service', true)
  })

  test('the persistence engine "sip" loads by itself, and is gone after a replace without it', async () => {
    for (const id of [UDP, IDS[4]!]) {
      const plain: Service = { ...id, scheduler: 'rr', persistence: { timeoutSeconds: 60 } }
      const service = { ...plain, persistenceEngine: 'sip' }
      await ipvs.addService(service)
      await expectTable([{ ...service, destinations: [] }])
      await ipvs.replaceService(plain)
      await expectTable([{ ...plain, destinations: [] }])
      await ipvs.updateService(id, { persistenceEngine: 'sip' })
      await expectTable([{ ...service, destinations: [] }])
      await ipvs.removeService(id)
    }
  })

  test('a destination keeps its identity when its address is spelt in another way', async () => {
    const id = { protocol: 'udp', address: '2001:DB8:0:0::1', port: 53 } as const
    const destination = { address: '2001:db8:1:0:0:0:0:1', port: 53, forwarding: 'direct' } as const
    await ipvs.addService({ ...id, scheduler: 'rr' })
    await ipvs.addDestination(id, destination)
    await ipvs.updateDestination(id, { address: '2001:0DB8:1::0001', port: 53 }, { weight: 5 })
    await expectTable([
      {
        ...id,
        address: '2001:db8::1',
        scheduler: 'rr',
        destinations: [{ ...destination, address: '2001:db8:1::1', weight: 5 }],
      },
    ])
  })

  test('update changes what the patch names and keeps the rest', async () => {
    const service: Service = {
      ...UDP,
      scheduler: 'wrr',
      onePacket: true,
      persistence: { timeoutSeconds: 60, netmask: '255.255.0.0' },
      schedulerFlags: ['flag-2'],
    }
    const destination: Destination = {
      address: '10.1.0.1',
      port: 53,
      forwarding: 'tunnel',
      weight: 4,
      upperThreshold: 9,
      lowerThreshold: 3,
      tunnel: { type: 'gue', port: 6080, checksum: 'remote' },
    }
    await ipvs.addService(service)
    await ipvs.addDestination(UDP, destination)
    await ipvs.updateService(UDP, { scheduler: 'rr' })
    await ipvs.updateDestination(UDP, destination, { weight: 0 })
    const updated = { ...service, scheduler: 'rr' }
    await expectTable([{ ...updated, destinations: [{ ...destination, weight: 0 }] }])
    await ipvs.updateDestination(UDP, destination, { forwarding: 'direct' })
    const { tunnel: _, ...direct } = destination
    await expectTable([
      { ...updated, destinations: [{ ...direct, forwarding: 'direct', weight: 0 }] },
    ])
    expect(thresholds(ns.ipvsadm('-Ln', '--thresholds')).get('10.1.0.1:53')).toEqual([9, 3])
  })

  test('what ipvsadm made is read as it is, and can be changed', async () => {
    ns.ipvsadm(
      '-A',
      '-u',
      '192.0.2.1:53',
      '-s',
      'sh',
      '-b',
      'sh-port',
      '-p',
      '60',
      '-M',
      '255.0.0.0',
    )
    const tunnel = ['--tun-type', 'gue', '--tun-port', '6080', '--tun-csum']
    ns.ipvsadm(
      '-a',
      '-u',
      '192.0.2.1:53',
      '-r',
      '10.1.0.1:53',
      '-i',
      '-w',
      '5',
      '-x',
      '9',
      '-y',
      '2',
      ...tunnel,
    )
    const service: Service = {
      ...UDP,
      scheduler: 'sh',
      persistence: { timeoutSeconds: 60, netmask: '255.0.0.0' },
      schedulerFlags: ['sh-port'],
    }
    const destination: Destination = {
      address: '10.1.0.1',
      port: 53,
      forwarding: 'tunnel',
      weight: 5,
      upperThreshold: 9,
      lowerThreshold: 2,
      tunnel: { type: 'gue', port: 6080, checksum: 'standard' },
    }
    await expectTable([{ ...service, destinations: [destination] }])
    await ipvs.updateDestination(UDP, destination, { weight: 6 })
    await expectTable([{ ...service, destinations: [{ ...destination, weight: 6 }] }])
    await ipvs.removeDestination(UDP, destination)
    await ipvs.removeService(UDP)
    await expectTable([])
  })

  test('statistics of what has never been used are zeros', async () => {
    await ipvs.addService({ ...UDP, scheduler: 'rr' })
    const { stats } = (await ipvs.service(UDP))!
    expect(stats.connections).toBe(0n)
    expect(stats.inByteRate).toBe(0)
    expect(JSON.parse(JSON.stringify(stats))).toMatchObject({ inBytes: '0', outPacketRate: 0 })
  })
})
