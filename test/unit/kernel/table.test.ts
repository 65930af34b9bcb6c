// What is written as records and read back as rows is the same.
import { inspect } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Layout } from '../../../src/kernel/addon.js'
import { loadAddon } from '../../../src/kernel/load-addon.js'
import { ChangeWriter, LITTLE_ENDIAN } from '../../../src/kernel/records.js'
import { TableReader } from '../../../src/kernel/table.js'
import { inSlices } from '../../../src/slices.js'
import type { Destination, ServiceTree, ServiceTreeStatus } from '../../../src/types.js'
import { checkDestination, checkService } from '../../../src/validate.js'
import { atOnce } from '../reconcile/model.js'

const { layout } = loadAddon()

const tunnels: Destination['tunnel'][] = [
  { type: 'ipip' },
  { type: 'gue', port: 6080, checksum: 'remote' },
  { type: 'gre', checksum: 'standard' },
]

const destination = (version: 4 | 6): fc.Arbitrary<Destination> => {
  const last = fc.integer({ min: 1, max: 254 })
  const address = version === 4 ? last.map((n) => `10.1.2.${n}`) : last.map((n) => `2001:db8::${n}`)
  const numbers = {
    address,
    port: fc.constant(53),
    weight: fc.integer({ min: 0, max: 0x7fffffff }),
    upperThreshold: fc.integer({ min: 0x7ffffff, max: 0x7fffffff }),
    lowerThreshold: fc.nat(0x7ffffff),
  }
  return fc.oneof(
    fc.record({ ...numbers, forwarding: fc.constantFrom('direct', 'masquerade', 'local') }),
    fc.record({
      ...numbers,
      forwarding: fc.constant('tunnel'),
      tunnel: fc.constantFrom(...tunnels),
    }),
  ) as fc.Arbitrary<Destination>
}

const settings = fc.constantFrom(
  { scheduler: 'wrr' },
  { scheduler: 'fifteen-letters', onePacket: true },
  { scheduler: 'sh', schedulerFlags: ['sh-port', 'flag-3'] },
  { scheduler: 'rr', persistence: { timeoutSeconds: 4294967 }, persistenceEngine: 'sip' },
)

const tree = fc.oneof(
  ...([4, 6] as const).map((version) =>
    fc
      .record({ n: fc.nat(255), settings, rows: fc.array(destination(version), { maxLength: 5 }) })
      .map(({ n, settings: own, rows }) => {
        const address = version === 4 ? `192.0.2.${n}` : `2001:db8:1::${n}`
        return { protocol: 'udp', address, port: 53, ...own, destinations: rows }
      }),
  ),
  fc
    .record({ fwmark: fc.integer({ min: 1, max: 0xffffffff }), rows: fc.array(destination(6)) })
    .map(({ fwmark, rows }) => ({
      ...{ fwmark, family: 'ipv6', scheduler: 'mh', destinations: rows },
    })),
) as fc.Arbitrary<ServiceTree>

/** As native/record.h: a row begins with the fields of the record. */
function rows(trees: readonly ServiceTree[]) {
  const total = trees.reduce((sum, { destinations }) => sum + destinations.length, 0)
  const services = new Uint8Array(trees.length * layout.serviceRow)
  const destinations = new Uint8Array(total * layout.destinationRow)
  let at = 0
  for (const [index, own] of trees.entries()) {
    const service = checkService(own, 'service')
    const writer = new ChangeWriter(layout, 1 + own.destinations.length)
    writer.add({ op: 'replace-service', service, destination: undefined })
    for (const row of own.destinations) {
      const checked = checkDestination(row, 'destination', service)
      writer.add({ op: 'add-destination', service, destination: checked })
    }
    const records = writer.take()
    const place = index * layout.serviceRow
    const fields = layout.serviceRowDestinations
    services.set(records.subarray(layout.service, layout.service + fields), place)
    new DataView(services.buffer).setUint32(place + fields, own.destinations.length, LITTLE_ENDIAN)
    for (let n = 1; n <= own.destinations.length; n++, at += layout.destinationRow) {
      const from = n * layout.change + layout.destination
      destinations.set(records.subarray(from, from + layout.destinationRowActive), at)
    }
  }
  return { services, destinations, verified: true, attempts: 1 }
}

function numbers({ destinations, ...service }: ServiceTree) {
  const checked = checkService(service, 'service')
  const servers = destinations.map((row) => checkDestination(row, 'destination', checked))
  return { checked, servers }
}

function setCounters(bytes: Uint8Array, at: number, values: readonly bigint[]): void {
  const view = new DataView(bytes.buffer)
  for (const [n, value] of values.entries()) view.setBigUint64(at + 8 * n, value, LITTLE_ENDIAN)
}

describe('rows of a table', () => {
  it('say what the records said', () => {
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 4 }), (trees) => {
        const read = atOnce(new TableReader(layout, rows(trees)).trees())
        expect(read.map(numbers)).toEqual(trees.map(numbers))
        const all = trees.flatMap((one) => numbers(one).servers.map((it) => it.weight))
        const flat = new TableReader(layout, rows(trees)).destinations()
        expect(flat.map(({ weight }) => weight)).toEqual(all)
      }),
    )
  })

  it('have counts of connections and statistics, the largest too', () => {
    const table = rows([service([server]), service([server, server])])
    const second = layout.destinationRow
    const counts: (keyof Layout)[] = [
      'destinationRowActive',
      'destinationRowInactive',
      'destinationRowPersistent',
    ]
    const view = new DataView(table.destinations.buffer)
    for (const [n, name] of counts.entries()) {
      view.setUint32(second + layout[name], 0xfffffff0 + n, LITTLE_ENDIAN)
    }
    const values = [2n ** 64n - 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n]
    setCounters(table.destinations, second + layout.destinationRowCounters, values)
    setCounters(table.services, layout.serviceRowCounters, values)
    const [one, two] = atOnce(new TableReader(layout, table).trees())
    expect(two!.destinations[0]).toMatchObject({
      activeConnections: 0xfffffff0,
      inactiveConnections: 0xfffffff1,
      persistentConnections: 0xfffffff2,
    })
    for (const { stats } of [one!, two!.destinations[0]!]) {
      expect(stats.toJSON()).toEqual({
        ...{ connections: '18446744073709551615', inPackets: '2', outPackets: '3' },
        ...{ inBytes: '4', outBytes: '5', connectionRate: 6, inPacketRate: 7 },
        ...{ outPacketRate: 8, inByteRate: 9, outByteRate: 10 },
      })
    }
    expect(two!.stats.connections).toBe(0n)
    expect(two!.destinations[1]!.stats.inPackets).toBe(0n)
  })

  it('become plain objects: they can be spread, compared, cloned and made JSON', () => {
    const [one] = atOnce(new TableReader(layout, rows([service([server])])).trees())
    expect(Object.keys(one!)).toContain('destinations')
    expect({ ...one! }).toEqual(one)
    expect(JSON.parse(JSON.stringify(one)).destinations[0].address).toBe('10.1.0.1')
    expect(structuredClone(one!).destinations[0]!.port).toBe(53)
  })

  it('have statistics that can be spread and cloned, with every value', () => {
    const table = rows([service([server])])
    const values = Array.from({ length: 10 }, (_, n) => 2n ** 60n + BigInt(n))
    setCounters(table.destinations, layout.destinationRowCounters, values)
    const [tree] = atOnce(new TableReader(layout, table).trees())
    const { stats } = tree!.destinations[0]!
    const all = {
      ...{ connections: values[0], inPackets: values[1], outPackets: values[2] },
      ...{ inBytes: values[3], outBytes: values[4], connectionRate: Number(values[5]) },
      ...{ inPacketRate: Number(values[6]), outPacketRate: Number(values[7]) },
      ...{ inByteRate: Number(values[8]), outByteRate: Number(values[9]) },
    }
    expect({ ...stats }).toStrictEqual(all)
    expect(structuredClone(stats)).toStrictEqual(all)
    expect(structuredClone(tree!).destinations[0]!.stats.outBytes).toBe(values[4])
    expect(inspect(stats)).toContain('1152921504606846980n')
  })

  it('are forgotten with their table, whoever keeps statistics', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const read = () => {
      const table = rows([service([server, server])])
      const [tree] = atOnce(new TableReader(layout, table).trees())
      const kept = [tree!.stats, tree!.destinations[1]!.stats]
      return {
        kept,
        buffers: [table.services, table.destinations].map(({ buffer }) => new WeakRef(buffer)),
      }
    }
    const { kept, buffers } = read()
    await expect
      .poll(() => {
        collect()
        return buffers.map((buffer) => buffer.deref() !== undefined)
      })
      .toEqual([false, false])
    expect(kept[1]!.inBytes).toBe(0n)
  })

  it('are read in slices when they are many', async () => {
    const many = Array.from({ length: 300 }, () => service([server]))
    const work = new TableReader(layout, rows(many)).trees()
    expect(work.next().done).toBe(false)
    const trees = (await inSlices(work)) as ServiceTreeStatus[]
    expect(trees).toHaveLength(300)
  })

  it('have destinations that are made with the first look, and look as any property', () => {
    const work = new TableReader(layout, rows([service([server, server])])).trees()
    const [tree] = work.next().value as ServiceTreeStatus[]
    expect(inspect(tree)).not.toContain('Getter')
    expect(Object.keys(tree!)).toContain('destinations')
    expect(tree!.destinations).toBe(tree!.destinations)
    expect({ ...tree! }.destinations).toHaveLength(2)
    expect(JSON.parse(JSON.stringify(tree)).destinations).toHaveLength(2)
  })
})

const server: Destination = { address: '10.1.0.1', port: 53, forwarding: 'masquerade' }

function service(destinations: readonly Destination[]): ServiceTree {
  return { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'wrr', destinations }
}
