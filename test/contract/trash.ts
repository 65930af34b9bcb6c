import { describe, expect, test } from 'vitest'
import { fixture, SERVER, SERVICE, UDP } from './fixture.js'
import type { Subject } from './subject.js'

/** A datagram of one byte with its headers. */
const BYTES = 29n

export function trashContract(openKernel: () => Promise<Subject>): void {
  describe('statistics and deleted destinations', () => {
    const shared = fixture(openKernel)

    const destinationStats = async () => (await shared.ipvs.destinations(UDP))[0]!.stats
    const serviceStats = async () => (await shared.ipvs.service(UDP))!.stats

    async function seen(packets: bigint): Promise<void> {
      while ((await destinationStats()).inPackets !== packets) await shared.subject.wait()
    }

    test('counters survive the destination, but not its service', async () => {
      const { ipvs, subject } = shared
      await ipvs.addService(SERVICE)
      await ipvs.addDestination(UDP, SERVER)
      // So many that their rate is not zero again for a while.
      subject.send(UDP, SERVER, 80)
      await seen(80n)
      for (const stats of [await destinationStats(), await serviceStats()]) {
        const counts = { connections: '80', inPackets: '80', inBytes: String(80n * BYTES) }
        expect(stats.toJSON()).toMatchObject(counts)
        expect(stats.inPacketRate).toBeGreaterThan(0)
      }

      await ipvs.removeDestination(UDP, SERVER)
      await ipvs.addDestination(UDP, { ...SERVER, weight: 9, upperThreshold: 100 })
      expect(await ipvs.destinations(UDP)).toMatchObject([{ weight: 9, upperThreshold: 100 }])
      expect((await destinationStats()).inPackets).toBe(80n)

      await ipvs.replaceDestination(UDP, SERVER)
      expect((await destinationStats()).inPackets).toBe(80n)

      await ipvs.removeService(UDP)
      await ipvs.addService(SERVICE)
      await ipvs.addDestination(UDP, SERVER)
      expect((await destinationStats()).toJSON()).toMatchObject({
        connections: '0',
        inPackets: '0',
        inPacketRate: 0,
      })
      expect((await serviceStats()).inPackets).toBe(0n)

      subject.send(UDP, SERVER, 3)
      await seen(3n)
      expect((await serviceStats()).inPackets).toBe(3n)
    })

    test('another port, another protocol: another destination', async () => {
      const { ipvs, subject } = shared
      await ipvs.addService(SERVICE)
      await ipvs.addDestination(UDP, SERVER)
      subject.send(UDP, SERVER, 2)
      await seen(2n)
      await ipvs.removeDestination(UDP, SERVER)
      await ipvs.addDestination(UDP, { ...SERVER, port: 54 })
      expect((await destinationStats()).inPackets).toBe(0n)
    })
  })
}
