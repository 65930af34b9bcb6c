// What the kernel does in time: ticks of the statistics, the trash.
import { beforeEach, describe, expect, test } from 'vitest'
import { Ipvs } from '../../../src/client.js'
import { MemoryKernel } from '../../../src/testing/index.js'

const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const SERVICE = { ...UDP, scheduler: 'wrr' } as const
const SERVER = { address: '10.1.0.1', port: 53, forwarding: 'masquerade' } as const

let now: number
let kernel: MemoryKernel
let ipvs: Ipvs

beforeEach(async () => {
  now = 500
  await open()
})

async function open(sysctls: Record<string, string> = {}): Promise<void> {
  kernel = new MemoryKernel({ clock: () => now, sysctls })
  ipvs = await Ipvs.open({ kernel })
  await ipvs.addService(SERVICE)
  await ipvs.addDestination(UDP, SERVER)
}

const stats = async () => (await ipvs.destinations(UDP))[0]!.stats
const packets = async () => (await stats()).inPackets

function send(count: number): void {
  kernel.traffic(UDP, SERVER, { connections: count, packets: count, bytes: count * 100 })
}

describe('statistics', () => {
  test('packets show at the next tick, 2 s apart, of the destination and its service', async () => {
    now += 1000
    send(5)
    expect(await packets()).toBe(0n)
    now += 999
    expect(await packets()).toBe(0n)
    now += 1
    expect(await packets()).toBe(5n)
    const [seen] = await ipvs.services()
    expect(seen!.stats).toMatchObject({ connections: 5n, inPackets: 5n, inBytes: 500n })
    send(1)
    now += 1999
    expect(await packets()).toBe(5n)
    now += 1
    expect(await packets()).toBe(6n)
  })

  test('rates follow by a quarter per tick, and die away', async () => {
    send(800)
    now += 2000
    // 400 per second, a quarter of it.
    expect(await stats()).toMatchObject({
      connectionRate: 100,
      inPacketRate: 100,
      inByteRate: 10_000,
      outPacketRate: 0,
    })
    now += 2000
    expect(await stats()).toMatchObject({ inPacketRate: 75, inByteRate: 7500 })
    now += 3_600_000
    expect(await stats()).toMatchObject({ inPackets: 800n, inPacketRate: 0, inByteRate: 0 })
  })

  test('a steady rate is reached', async () => {
    for (let tick = 0; tick < 60; tick++) {
      kernel.traffic(UDP, SERVER, { packets: 20, bytes: 2000, outPackets: 10, outBytes: 64 })
      now += 2000
      await stats()
    }
    expect(await stats()).toMatchObject({
      inPacketRate: 10,
      inByteRate: 1000,
      outPacketRate: 5,
      outByteRate: 32,
    })
  })

  test('zeroing begins at the last tick: what passed since shows up after it', async () => {
    send(5)
    now += 2000
    expect(await packets()).toBe(5n)
    send(2)
    await ipvs.zero(UDP)
    expect(await packets()).toBe(0n)
    expect((await stats()).inPacketRate).toBe(0)
    now += 2000
    expect(await packets()).toBe(2n)
  })

  test('without run_estimation they stand still', async () => {
    await open({ run_estimation: '0' })
    send(5)
    now += 60_000
    expect(await packets()).toBe(0n)
    await ipvs.setSysctl('run_estimation', 1)
    now += 2000
    expect(await packets()).toBe(5n)
  })

  test('connections are what a test says they are', async () => {
    kernel.connections(UDP, SERVER, { active: 3, inactive: 7 })
    kernel.connections(UDP, SERVER, { active: 2, persistent: 1 })
    expect(await ipvs.destinations(UDP)).toMatchObject([
      { activeConnections: 2, inactiveConnections: 7, persistentConnections: 1 },
    ])
  })

  test('there is no traffic to what is not there', () => {
    const stranger = { ...SERVER, port: 54 }
    expect(() => kernel.traffic(UDP, stranger, { packets: 1 })).toThrow(/10\.1\.0\.1:54/)
    expect(() => kernel.connections({ ...UDP, port: 54 }, SERVER, {})).toThrow(RangeError)
    expect(() => kernel.traffic(UDP, SERVER, { packets: -1 })).toThrow(/traffic\.packets/)
    expect(() => kernel.traffic(UDP, SERVER, { pakets: 1 } as never)).toThrow(/packets/)
  })
})

describe('the trash', () => {
  async function countersAfter(ms: number): Promise<bigint> {
    send(5)
    now += 2000
    expect(await packets()).toBe(5n)
    await ipvs.removeDestination(UDP, SERVER)
    now += ms
    await ipvs.addDestination(UDP, SERVER)
    return packets()
  }

  // Looked through every 60 s: marked at the first look, freed at the look 120 s after.
  test.each([
    [0, 5n],
    [60_000, 5n],
    [179_999, 5n],
    [180_000, 0n],
    [3_600_000, 0n],
  ])('a destination deleted %i ms ago', async (ms, expected) => {
    expect(await countersAfter(ms)).toBe(expected)
  })

  test('one with connections stays, and has them when it comes back', async () => {
    kernel.connections(UDP, SERVER, { inactive: 4 })
    expect(await countersAfter(3_600_000)).toBe(5n)
    expect((await ipvs.destinations(UDP))[0]!.inactiveConnections).toBe(4)
  })

  test('packets not yet seen when it was deleted count when it is back', async () => {
    send(3)
    await ipvs.removeDestination(UDP, SERVER)
    now += 10_000
    await ipvs.addDestination(UDP, SERVER)
    expect(await packets()).toBe(0n)
    now += 2000
    expect(await packets()).toBe(3n)
  })

  test('under a new service of the same identity it begins again', async () => {
    send(5)
    kernel.connections(UDP, SERVER, { active: 1 })
    now += 2000
    await ipvs.removeService(UDP)
    await ipvs.addService(SERVICE)
    await ipvs.addDestination(UDP, SERVER)
    expect(await packets()).toBe(0n)
    expect((await ipvs.destinations(UDP))[0]!.activeConnections).toBe(1)
  })

  test('under another service it is another destination', async () => {
    send(5)
    now += 2000
    await ipvs.removeService(UDP)
    const tcp = { ...UDP, protocol: 'tcp' } as const
    await ipvs.addService({ ...tcp, scheduler: 'rr' })
    await ipvs.addDestination(tcp, SERVER)
    expect((await ipvs.destinations(tcp))[0]!.stats.inPackets).toBe(0n)
  })
})
