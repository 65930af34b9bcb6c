// Listings and the programs that write them: what ipvsadm prints and /proc shows of random tables is what a snapshot has.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import { type ListedService, parseListing } from '../../src/rules/index.js'
import type { ServiceTreeStatus } from '../../src/types.js'
import { additions, inOrder, trees } from '../unit/rules/trees.js'
import { ipvs, ns, setUp } from './setup.js'

// Each run starts several programs in a guest with one CPU.
const RUNS = { numRuns: 15 }
/** Of the lab's kernels. */
const HZ = 100

const COUNTERS = ['connections', 'inPackets', 'outPackets', 'inBytes', 'outBytes'] as const
const COLUMNS = {
  connections: ['forwarding', 'weight', 'activeConnections', 'inactiveConnections'],
  thresholds: ['upperThreshold', 'lowerThreshold', 'activeConnections', 'inactiveConnections'],
  'persistent-connections': [
    'weight',
    'persistentConnections',
    'activeConnections',
    'inactiveConnections',
  ],
} as const

/** Those of an object that are there. */
function some(from: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)))
}

const IDENTITY = ['protocol', 'address', 'port', 'fwmark', 'family']
const SETTINGS = ['scheduler', 'onePacket', 'persistence', 'schedulerFlags', 'persistenceEngine']

/** What a listing with these columns can say of a table. */
function shown(
  services: readonly ServiceTreeStatus[],
  columns: readonly string[],
  settings = SETTINGS,
): ListedService[] {
  const listed = services.map((service) => ({
    ...some(service, [...IDENTITY, ...settings]),
    destinations: service.destinations.map((one) => some(one, ['address', 'port', ...columns])),
  }))
  return listed as object[] as ListedService[]
}

kernelSuite('listings', () => {
  setUp()

  /** Programs random tables, and looks at each. */
  function eachTable(look: (services: readonly ServiceTreeStatus[]) => void): Promise<void> {
    return fc.assert(
      fc.asyncProperty(trees({ faithful: true }), async (table) => {
        await ipvs.flush()
        await ipvs.apply(additions(table), { onError: 'throw' })
        look((await ipvs.snapshot()).services)
      }),
      RUNS,
    )
  }

  test.each([
    ['connections', []],
    ['connections', ['--sort']],
    ['thresholds', ['--thresholds']],
    ['persistent-connections', ['--persistent-conn']],
  ] as const)('%s, as ipvsadm -Ln %s prints them', async (shows, options) => {
    await eachTable((services) => {
      const listing = parseListing(ns.ipvsadm('-Ln', ...options))
      expect(listing).toMatchObject({ writer: 'ipvsadm', shows })
      expect(inOrder(listing.services)).toStrictEqual(inOrder(shown(services, COLUMNS[shows])))
    })
  })

  test('counters and rates, as ipvsadm -Ln --stats and --rate print them', async () => {
    await eachTable((services) => {
      const identities = inOrder(shown(services, [], []))
      for (const option of ['--stats', '--rate']) {
        const { services: listed } = parseListing(ns.ipvsadm('-Ln', option, '--exact'))
        const bare = listed.map(({ stats, destinations, ...id }) => ({
          ...id,
          destinations: destinations.map(({ stats, ...one }) => one),
        }))
        expect(inOrder(bare)).toStrictEqual(identities)
      }
      const { services: counted } = parseListing(ns.ipvsadm('-Ln', '--stats', '--exact'))
      for (const { stats, destinations } of counted) {
        for (const one of [stats, ...destinations.map((destination) => destination.stats)]) {
          expect(Object.keys(one!)).toEqual(COUNTERS)
        }
      }
    })
  })

  test('services and servers, as /proc/net/ip_vs shows them', async () => {
    await eachTable((services) => {
      const listing = parseListing(ns.proc(), { hz: HZ })
      expect(listing).toMatchObject({ writer: 'kernel', shows: 'connections' })
      const columns = COLUMNS.connections
      const wanted = shown(services, columns, ['scheduler', 'onePacket', 'persistence'])
      // Without its family a mark has two meanings: those are compared by what they have.
      const texts = (table: readonly object[]) => table.map(comparable).sort()
      expect(texts(listing.services)).toEqual(texts(wanted))
    })
  })
})

/** Without what the kernel's listing does not say of this service. */
function comparable(service: object): string {
  const { family, onePacket, persistence, destinations, ...rest } = service as ListedService
  const isIPv6 = rest.address?.includes(':') === true
  const time = persistence && { timeoutSeconds: persistence.timeoutSeconds }
  const known = rest.fwmark === undefined ? persistence : time
  const servers = destinations.map((one) => JSON.stringify(one, Object.keys(one).sort())).sort()
  return JSON.stringify({ ...rest, onePacket: !isIPv6 && onePacket, known, servers }, undefined)
}
