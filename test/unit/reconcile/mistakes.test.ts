// Every mistake in what is desired, each with its place.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readDesired } from '../../../src/reconcile/desired.js'
import { findMistakes } from '../../../src/reconcile/index.js'
import { trees } from '../rules/trees.js'

const at = (services: unknown) => findMistakes(services).map(({ option }) => option)
const server = { address: '10.1.0.1', port: 53, forwarding: 'direct' }
const service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }

test('a table that reconcile takes has none', () => {
  fc.assert(
    fc.property(trees(), (table) => {
      expect(findMistakes(table)).toEqual([])
    }),
  )
})

test.each([
  ['no list', { services: [] }, ['services']],
  ['an entry that is no service', [null], ['services[0]']],
  [
    'several in one service',
    [{ ...service, port: 70_000, scheduler: 5, onePacket: 'yes', destinations: [] }],
    ['services[0].port', 'services[0].scheduler', 'services[0].onePacket'],
  ],
  [
    'a misspelt name that has to be there is one mistake',
    [{ ...service, scheduler: undefined, sheduler: 'rr', destinations: [] }],
    ['services[0].sheduler'],
  ],
  [
    'parts of persistence',
    [{ ...service, persistence: { timeout: 5, netmask: 1 }, destinations: [] }],
    ['services[0].persistence.timeout', 'services[0].persistence.netmask'],
  ],
  [
    'a mark beside an address',
    [{ ...service, fwmark: 7, destinations: [] }],
    ['services[0].protocol', 'services[0].address', 'services[0].port'],
  ],
  [
    'services and destinations, all of them',
    [
      {
        ...service,
        wieght: 1,
        destinations: [
          { ...server, weight: -1, forwarding: 'nat' },
          { ...server, address: 'here', tunnel: { type: 'gue' } },
        ],
      },
      { ...service, port: 54, destinations: [{ ...server, port: 55 }] },
    ],
    [
      'services[0].wieght',
      'services[0].destinations[0].forwarding',
      'services[0].destinations[0].weight',
      'services[0].destinations[1].address',
      'services[0].destinations[1].tunnel',
      'services[1].destinations[0].port',
    ],
  ],
  ['no destinations', [service], ['services[0].destinations']],
  [
    'the same twice',
    [
      { ...service, destinations: [server, { ...server, weight: 2 }] },
      { ...service, destinations: [] },
    ],
    ['services[0].destinations[1]', 'services[1]'],
  ],
])('%s', (_, services, places) => {
  expect(at(services)).toEqual(places)
})

test('names the first mistake that reconcile throws, and ends, whatever it is given', () => {
  const odd = fc.object({
    key: fc.constantFrom(
      ...['protocol', 'address', 'port', 'fwmark', 'family', 'scheduler', 'persistence'],
      ...['timeoutSeconds', 'netmask', 'schedulerFlags', 'destinations', 'forwarding', 'tunnel'],
    ),
    values: [fc.constantFrom('tcp', '192.0.2.1', 53, 'rr', 'tunnel', 7, 'ipv6'), fc.anything()],
  })
  fc.assert(
    fc.property(fc.array(odd, { maxLength: 3 }), (services) => {
      const mistakes = findMistakes(services)
      let thrown: string | undefined
      try {
        const work = readDesired(services)
        while (!work.next().done);
      } catch (error) {
        thrown = (error as { option: string }).option
      }
      expect(mistakes.length > 0).toBe(thrown !== undefined)
    }),
    { numRuns: 500 },
  )
})
