import { constants } from 'node:os'
import { describe, expect, test } from 'vitest'
import { destinationDiff, serviceDiff } from '../../src/diff.js'
import type { Change, Destination, Service, ServiceId } from '../../src/types.js'
import {
  addresses,
  applied,
  fixture,
  MARK,
  SERVER,
  SERVICE,
  STICKY,
  server,
  TCP,
  table,
  UDP,
} from './fixture.js'
import type { Subject } from './subject.js'

const { EEXIST } = constants.errno
const V6 = { protocol: 'tcp', address: '2001:db8::1', port: 53 } as const

export function changesContract(openKernel: () => Promise<Subject>): void {
  describe('changes', () => {
    const shared = fixture(openKernel)
    const apply = (...changes: Change[]) => applied(shared.ipvs, changes)

    const services: [string, Service][] = [
      ['plain', { ...UDP, scheduler: 'rr' }],
      ['one-packet', { ...UDP, scheduler: 'mh', onePacket: true, schedulerFlags: ['mh-port'] }],
      ['persistent', { ...TCP, scheduler: 'wlc', ...STICKY }],
      [
        'with a mask and an engine',
        {
          ...UDP,
          scheduler: 'sh',
          schedulerFlags: ['sh-fallback', 'sh-port'],
          persistence: { timeoutSeconds: 4_294_967, netmask: '255.255.0.0' },
          persistenceEngine: 'sip',
        },
      ],
      [
        'IPv6',
        {
          ...V6,
          scheduler: 'lblc',
          persistence: { timeoutSeconds: 1, netmask: 64 },
          schedulerFlags: ['flag-1', 'flag-3'],
        },
      ],
      ['a mark', { fwmark: 4_294_967_295, scheduler: 'nq', onePacket: true }],
      ['an IPv6 mark', { ...MARK, scheduler: 'sed' }],
    ]

    test.each(services)('a service, %s, is read as it was written', async (_, service) => {
      expect(await apply({ op: 'add-service', service })).toEqual(['applied'])
      const [seen] = await shared.ipvs.services()
      expect(serviceDiff(service, seen!)).toEqual([])
      const one = await shared.ipvs.service(service)
      expect(serviceDiff(service, one!)).toEqual([])
      expect(Object.keys(one!)).toEqual(Object.keys(seen!))
      expect(await shared.ipvs.destinations(service)).toEqual([])
    })

    const destinations: [string, ServiceId, Destination][] = [
      ['direct', UDP, { ...SERVER, forwarding: 'direct', weight: 0 }],
      ['masquerade', UDP, { ...SERVER, port: 99, weight: 2_147_483_647 }],
      ['local', UDP, { ...SERVER, forwarding: 'local', upperThreshold: 9, lowerThreshold: 9 }],
      ['tunnel', V6, { address: '2001:db8::5', port: 53, forwarding: 'tunnel' }],
      [
        'tunnel across families',
        V6,
        { ...SERVER, forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'standard' } },
      ],
      [
        'GUE tunnel across families',
        UDP,
        {
          address: '2001:db8::5',
          port: 53,
          forwarding: 'tunnel',
          tunnel: { type: 'gue', port: 6080, checksum: 'remote' },
        },
      ],
      ['of a mark', MARK, { address: '::1', port: 0, forwarding: 'masquerade' }],
    ]

    test.each(destinations)('a destination, %s, is read as it was written', async (_, id, one) => {
      expect(
        await apply(
          { op: 'add-service', service: { ...id, scheduler: 'rr' } },
          { op: 'add-destination', service: id, destination: one },
        ),
      ).toEqual(['applied', 'applied'])
      const [seen] = await shared.ipvs.destinations(id)
      expect(destinationDiff(one, seen!)).toEqual([])
      expect(seen).toMatchObject({
        activeConnections: 0,
        inactiveConnections: 0,
        persistentConnections: 0,
      })
    })

    test('replace sets every field of a service: what is not named goes, the engine too', async () => {
      const service: Service = {
        ...UDP,
        scheduler: 'sh',
        onePacket: true,
        ...STICKY,
        schedulerFlags: ['sh-port'],
        persistenceEngine: 'sip',
      }
      await apply({ op: 'add-service', service })
      await apply({
        op: 'replace-service',
        service: { ...service, persistenceEngine: undefined } as never,
      })
      expect(await shared.ipvs.service(UDP)).not.toHaveProperty('persistenceEngine')
      await apply({ op: 'replace-service', service: SERVICE })
      expect(await table(shared.ipvs)).toEqual([{ ...SERVICE, onePacket: false, destinations: [] }])
    })

    test('replace sets every field of a destination, the tunnel too', async () => {
      const destination: Destination = {
        ...SERVER,
        forwarding: 'tunnel',
        weight: 9,
        upperThreshold: 5,
        lowerThreshold: 2,
        tunnel: { type: 'gue', port: 6080 },
      }
      await apply(
        { op: 'add-service', service: SERVICE },
        { op: 'add-destination', service: UDP, destination },
        {
          op: 'replace-destination',
          service: UDP,
          destination: { ...SERVER, forwarding: 'tunnel' },
        },
      )
      expect((await shared.ipvs.destinations(UDP))[0]).toMatchObject({
        weight: 1,
        upperThreshold: 0,
        lowerThreshold: 0,
        tunnel: { type: 'ipip' },
      })
    })

    test('ensure makes, sets and removes, twice as well as once', async () => {
      const change = (weight: number): Change => ({
        op: 'ensure-destination',
        service: UDP,
        destination: { ...SERVER, weight },
      })
      const twice = (op: Change): Change[] => [op, op]
      expect(
        await apply(
          ...twice({ op: 'ensure-service', service: SERVICE }),
          ...twice(change(3)),
          { op: 'ensure-service', service: { ...SERVICE, scheduler: 'rr' } },
          change(5),
        ),
      ).toEqual(Array(6).fill('applied'))
      expect(await table(shared.ipvs)).toMatchObject([
        { scheduler: 'rr', destinations: [{ weight: 5 }] },
      ])
      expect(
        await apply(
          ...twice({ op: 'ensure-no-destination', service: UDP, destination: SERVER }),
          ...twice({ op: 'ensure-no-service', service: UDP }),
          { op: 'ensure-no-destination', service: UDP, destination: SERVER },
        ),
      ).toEqual(Array(5).fill('applied'))
      expect(await table(shared.ipvs)).toEqual([])
    })

    test('destinations are listed newest first; replacing one leaves it where it is', async () => {
      await apply(
        { op: 'add-service', service: SERVICE },
        ...[1, 2, 3, 4].map(
          (n): Change => ({ op: 'add-destination', service: UDP, destination: server(n) }),
        ),
        { op: 'replace-destination', service: UDP, destination: server(2, 9) },
        { op: 'ensure-destination', service: UDP, destination: server(1, 9) },
        { op: 'remove-destination', service: UDP, destination: server(3) },
        { op: 'add-destination', service: UDP, destination: server(3) },
      )
      const expected = [3, 4, 2, 1].map((n) => `${server(n).address}:53`)
      expect(await addresses(shared.ipvs, UDP)).toEqual(expected)
      const { services } = await shared.ipvs.snapshot()
      expect(services[0]!.destinations.map(({ address }) => `${address}:53`)).toEqual(expected)
    })

    test('removing a service removes its destinations', async () => {
      await apply(
        { op: 'add-service', service: SERVICE },
        { op: 'add-destination', service: UDP, destination: SERVER },
        { op: 'remove-service', service: UDP },
        { op: 'add-service', service: SERVICE },
      )
      expect(await shared.ipvs.destinations(UDP)).toEqual([])
    })

    test('address and port make a destination, not its method; the protocol makes a service', async () => {
      await apply(
        { op: 'add-service', service: SERVICE },
        { op: 'add-service', service: { ...TCP, scheduler: 'rr' } },
        { op: 'add-service', service: { fwmark: 7, scheduler: 'rr' } },
        { op: 'add-service', service: { ...MARK, scheduler: 'rr' } },
        { op: 'add-destination', service: UDP, destination: SERVER },
      )
      const expected = [`failed ERR_IPVS_EXISTS -${EEXIST} NEW_DEST`, 'applied', 'applied']
      expect(
        await apply(
          { op: 'add-destination', service: UDP, destination: { ...SERVER, forwarding: 'local' } },
          { op: 'add-destination', service: UDP, destination: { ...SERVER, port: 54 } },
          { op: 'add-destination', service: TCP, destination: SERVER },
        ),
      ).toEqual(expected)
      expect((await shared.ipvs.services()).length).toBe(4)
    })

    test.each([
      ...['0.1.2.3', '127.0.0.0', '127.0.0.1', '169.254.1.1', '192.168.0.255', '240.0.0.1'],
      ...['::1', '::1.2.3.4', '100::1', 'fc00::1', 'fec0::1', '3fff::'],
    ])('%s is a server in a namespace that has only its loopback', async (address) => {
      const service = {
        protocol: 'tcp',
        address: address.includes(':') ? '2001:db8::1' : '192.0.2.1',
        port: 53,
      } as const
      const destination = { address, port: 53, forwarding: 'masquerade' } as const
      expect(
        await apply(
          { op: 'add-service', service: { ...service, scheduler: 'rr' } },
          { op: 'add-destination', service, destination },
        ),
      ).toEqual(['applied', 'applied'])
    })

    test('what was read can be written back and changes nothing', async () => {
      for (const [, service] of services) await apply({ op: 'ensure-service', service })
      for (const [, service, destination] of destinations) {
        await apply(
          { op: 'ensure-service', service: { ...service, scheduler: 'rr' } },
          { op: 'ensure-destination', service, destination },
        )
      }
      const before = await table(shared.ipvs)
      const { services: seen } = await shared.ipvs.snapshot()
      const changes = seen.flatMap((service): Change[] => [
        { op: 'replace-service', service },
        ...service.destinations.map(
          (destination): Change => ({ op: 'replace-destination', service, destination }),
        ),
      ])
      expect(new Set(await apply(...changes))).toEqual(new Set(['applied']))
      expect(await table(shared.ipvs)).toEqual(before)
    })

    test('what this version has no name for keeps its number when it is read and written back', async () => {
      const { ipvs } = shared
      const destinations = [
        { forwarding: 'method-5' },
        { forwarding: 'method-4', weight: 3 },
        { forwarding: 'tunnel', tunnel: { type: 'type-3' } },
        { forwarding: 'tunnel', tunnel: { type: 'type-200', port: 6080, checksum: 'standard' } },
        { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'checksum-4' } },
      ].map((own, n) => ({ ...server(n), ...own }) as unknown as Destination)
      const service = { ...SERVICE, scheduler: 'rr', schedulerFlags: ['flag-1', 'flag-4'] as const }
      await ipvs.addService(service)
      for (const destination of destinations) await ipvs.addDestination(UDP, destination)
      const read = async () => [...(await ipvs.destinations(UDP))].reverse()
      expect(await read()).toMatchObject(destinations)
      expect(await ipvs.service(UDP)).toMatchObject(service)
      for (const row of await read()) await ipvs.updateDestination(UDP, row, { weight: 7 })
      await ipvs.updateService(UDP, { scheduler: 'wrr' })
      expect(await read()).toMatchObject(destinations.map((row) => ({ ...row, weight: 7 })))
      expect(await ipvs.service(UDP)).toMatchObject({ ...service, scheduler: 'wrr' })
      const snapshot = await ipvs.snapshot()
      expect((await ipvs.reconcile(snapshot.services)).total).toBe(0)
    })

    test('statistics are values of their own: spread, cloned and written back with their row', async () => {
      const { ipvs } = shared
      await ipvs.addService(SERVICE)
      await ipvs.addDestination(UDP, SERVER)
      const rows = [(await ipvs.service(UDP))!, (await ipvs.destinations(UDP))[0]!]
      for (const { stats } of rows) {
        const copy = { ...stats }
        expect(structuredClone(stats)).toEqual(copy)
        expect(copy).toMatchObject({ connections: 0n, inBytes: 0n, outByteRate: 0 })
        expect(Object.keys(copy).length).toBe(10)
      }
      const [tree] = structuredClone((await ipvs.snapshot()).services)
      expect(tree!.destinations[0]!.stats.inPackets).toBe(0n)
    })

    test('updating merges with what is there', async () => {
      const { ipvs } = shared
      await ipvs.addService({ ...SERVICE, ...STICKY })
      await ipvs.updateService(UDP, { scheduler: 'rr' })
      await ipvs.addDestination(UDP, { ...SERVER, upperThreshold: 4 })
      await ipvs.updateDestination(UDP, SERVER, { weight: 8 })
      expect(await table(ipvs)).toMatchObject([
        {
          scheduler: 'rr',
          persistence: { timeoutSeconds: 60, netmask: '255.255.255.255' },
          destinations: [{ weight: 8, upperThreshold: 4 }],
        },
      ])
    })

    test('a second client sees and changes the same table', async () => {
      await using other = await shared.subject.open()
      expect(other.namespace).toBe(shared.ipvs.namespace)
      await shared.ipvs.addService(SERVICE)
      await other.addDestination(UDP, SERVER)
      expect(await addresses(shared.ipvs, UDP)).toEqual(['10.1.0.1:53'])
      expect(other.applySync([{ op: 'remove-service', service: UDP }]).failed).toBe(0)
      expect(await shared.ipvs.service(UDP)).toBeUndefined()
    })
  })
}
