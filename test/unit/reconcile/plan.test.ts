import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { destinationDiff, serviceDiff } from '../../../src/diff.js'
import { destinationKey, serviceKey } from '../../../src/identity.js'
import { readDesired } from '../../../src/reconcile/desired.js'
import { plan, type Step, seenServiceKey } from '../../../src/reconcile/plan.js'
import type { Destination, ServiceTree } from '../../../src/types.js'
import { atOnce, FOREIGN, Model, trees } from './model.js'

const service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'wrr' } as const
const other = { ...service, port: 54 } as const

function server(n: number, rest: Partial<Destination> = {}): Destination {
  return { address: `10.1.0.${n}`, port: 53, forwarding: 'masquerade', ...rest }
}

function steps(
  desired: readonly ServiceTree[],
  actual: readonly ServiceTree[],
  prunes = false,
): Step[] {
  const wanted = atOnce(readDesired(desired))
  const seen = new Map(new Model(actual).trees().map((tree) => [seenServiceKey(tree), tree]))
  const keys = new Set(wanted.map(({ key }) => key))
  const extra = [...seen].filter(([key]) => prunes && !keys.has(key)).map(([, tree]) => tree)
  return atOnce(plan(wanted, seen, extra))
}

/** `kind op target weight` */
function show(list: readonly Step[]): string[] {
  return list.map(({ kind, change, target }) => {
    const weight = 'destination' in change ? (change.destination as Destination).weight : undefined
    return `${kind} ${change.op} ${target}${weight === undefined ? '' : ` ${weight}`}`
  })
}

describe('plan', () => {
  it.each<[string, ServiceTree[], ServiceTree[], boolean, string[]]>([
    ['nothing for nothing', [], [], false, []],
    [
      'nothing for equal tables, however they are spelt',
      [
        { ...service, onePacket: false, schedulerFlags: [], destinations: [server(1), server(2)] },
        {
          ...{ protocol: 'udp', address: '2001:DB8:0::1', port: 53, scheduler: 'rr' },
          persistence: { timeoutSeconds: 60 },
          destinations: [{ address: '2001:0db8:1::0:1', port: 53, forwarding: 'tunnel' }],
        },
        { fwmark: 7, scheduler: 'rr', destinations: [] },
      ],
      [
        { ...service, destinations: [server(2), server(1, { weight: 1, upperThreshold: 0 })] },
        {
          ...{ protocol: 'udp', address: '2001:db8::1', port: 53, scheduler: 'rr' },
          persistence: { timeoutSeconds: 60, netmask: 128 },
          destinations: [
            {
              ...{ address: '2001:db8:1::1', port: 53, forwarding: 'tunnel' },
              tunnel: { type: 'ipip', checksum: 'none' },
            },
          ],
        },
        { fwmark: 7, family: 'ipv4', scheduler: 'rr', destinations: [] },
      ],
      false,
      [],
    ],
    [
      'a new service, with its destinations right after it',
      [
        { ...service, destinations: [server(1), server(2, { weight: 0 })] },
        { ...other, destinations: [server(1)] },
      ],
      [],
      false,
      [
        'add ensure-service udp 192.0.2.1:53',
        'add ensure-destination 10.1.0.1:53 of udp 192.0.2.1:53',
        'add ensure-destination 10.1.0.2:53 of udp 192.0.2.1:53 0',
        'add ensure-service udp 192.0.2.1:54',
        'add ensure-destination 10.1.0.1:53 of udp 192.0.2.1:54',
      ],
    ],
    [
      'one replace for any field of a service',
      [{ ...service, onePacket: true, persistence: { timeoutSeconds: 9 }, destinations: [] }],
      [{ ...service, scheduler: 'sh', schedulerFlags: ['sh-port'], destinations: [] }],
      false,
      ['edit replace-service udp 192.0.2.1:53'],
    ],
    [
      'gains before losses, edits before both, removals last',
      [
        {
          ...service,
          scheduler: 'rr',
          destinations: [
            server(1, { weight: 1 }),
            server(2, { weight: 9 }),
            server(3),
            server(4, { forwarding: 'local' }),
            server(5),
          ],
        },
      ],
      [
        { ...other, destinations: [server(1)] },
        {
          ...service,
          destinations: [
            server(1, { weight: 2 }),
            server(2, { weight: 8 }),
            server(4),
            server(5),
            server(6),
          ],
        },
      ],
      true,
      [
        'edit replace-service udp 192.0.2.1:53',
        'gain replace-destination 10.1.0.2:53 of udp 192.0.2.1:53 9',
        'gain ensure-destination 10.1.0.3:53 of udp 192.0.2.1:53',
        'gain replace-destination 10.1.0.4:53 of udp 192.0.2.1:53',
        'lower replace-destination 10.1.0.1:53 of udp 192.0.2.1:53 1',
        'drop ensure-no-destination 10.1.0.6:53 of udp 192.0.2.1:53',
        'remove ensure-no-service udp 192.0.2.1:54',
      ],
    ],
    [
      'another port of a service: the new one first',
      [{ ...other, destinations: [server(1)] }],
      [{ ...service, destinations: [server(1)] }],
      true,
      [
        'add ensure-service udp 192.0.2.1:54',
        'add ensure-destination 10.1.0.1:53 of udp 192.0.2.1:54',
        'remove ensure-no-service udp 192.0.2.1:53',
      ],
    ],
    [
      'another port of a destination: the new one first',
      [{ ...service, destinations: [server(1, { port: 5353 })] }],
      [{ ...service, destinations: [server(1)] }],
      false,
      [
        'gain ensure-destination 10.1.0.1:5353 of udp 192.0.2.1:53',
        'drop ensure-no-destination 10.1.0.1:53 of udp 192.0.2.1:53',
      ],
    ],
    [
      'a service without destinations empties',
      [{ ...service, destinations: [] }],
      [{ ...service, destinations: [server(1)] }],
      false,
      ['drop ensure-no-destination 10.1.0.1:53 of udp 192.0.2.1:53'],
    ],
    ['foreign services stay', [], [...FOREIGN], false, []],
  ])('%s', (_, desired, actual, prunes, expected) => {
    expect(show(steps(desired, actual, prunes))).toEqual(expected)
  })

  it.each<[keyof Destination, Destination, Destination]>([
    ['forwarding', server(1, { forwarding: 'local' }), server(1)],
    ['weight', server(1, { weight: 2 }), server(1)],
    ['upperThreshold', server(1, { upperThreshold: 5 }), server(1)],
    [
      'lowerThreshold',
      server(1, { upperThreshold: 5, lowerThreshold: 2 }),
      server(1, { upperThreshold: 5 }),
    ],
    [
      'tunnel',
      server(1, { forwarding: 'tunnel', tunnel: { type: 'gre' } }),
      server(1, { forwarding: 'tunnel' }),
    ],
  ])('another %s of a destination is one replace', (_, now, was) => {
    const list = steps([{ ...service, destinations: [now] }], [{ ...service, destinations: [was] }])
    expect(list.map(({ change }) => change)).toEqual([
      {
        op: 'replace-destination',
        service: { protocol: 'udp', address: '192.0.2.1', port: 53 },
        destination: now,
      },
    ])
  })

  it('says of what no change can name that it is so, and never throws', () => {
    const weird = FOREIGN[0]!.destinations
    const list = steps(
      [{ ...service, destinations: [] }],
      [...FOREIGN, { ...service, destinations: weird }],
      true,
    )
    expect(list.map(({ target, unnamable }) => [target, unnamable !== undefined])).toEqual([
      ['[::ffff:10.9.9.9]:0 of udp 192.0.2.1:53', true],
      ['200 192.0.2.9:9', true],
      ['tcp [::ffff:192.0.2.9]:9', true],
      ['udp 0.0.0.0:0', false],
      ['tcp 192.0.2.9:443', false],
    ])
  })

  it('makes any table what is desired, never lets a service run dry, and then has nothing to do', () => {
    fc.assert(
      fc.property(trees, trees, fc.boolean(), (desired, actual, prunes) => {
        const model = new Model([...actual, ...FOREIGN])
        const before = new Map([...model.entries.keys()].map((key) => [key, model.serving(key)]))
        const after = new Map(desired.map((tree) => [serviceKey(tree), serving(tree)]))
        const dry = (): string[] =>
          [...after.keys()].filter(
            (key) => before.get(key) && after.get(key) && model.serving(key) === 0,
          )
        const list = steps(desired, actual, prunes)
        for (const { change } of list) {
          expect(model.run(change)).toBeUndefined()
          expect(dry()).toEqual([])
        }
        expectOrder(list)
        for (const tree of desired) expectTree(model, tree)
        for (const tree of FOREIGN) expectTree(model, tree)
        const kept = actual.filter((tree) => !after.has(serviceKey(tree)))
        if (!prunes) for (const tree of kept) expectTree(model, tree)
        const count = desired.length + FOREIGN.length + (prunes ? 0 : kept.length)
        expect(model.entries.size).toBe(count)
        const mine = model.trees().filter((tree) => !FOREIGN.some((it) => it.port === tree.port))
        expect(steps(desired, mine, prunes)).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })

  it('changes no object twice, and none that is right already', () => {
    fc.assert(
      fc.property(trees, trees, (desired, actual) => {
        const list = steps(desired, actual, true)
        expect(new Set(list.map(({ target }) => target)).size).toBe(list.length)
        for (const { change } of list) {
          if (change.op !== 'replace-destination') continue
          const tree = actual.find((it) => serviceKey(it) === serviceKey(change.service))!
          const key = destinationKey(change.destination)
          const row = tree.destinations.find((it) => destinationKey(it) === key)!
          expect(destinationDiff(change.destination, row)).not.toEqual([])
        }
      }),
    )
  })
})

function serving({ destinations }: ServiceTree): number {
  return destinations.filter(({ weight }) => weight !== 0).length
}

const RANKS = ['add', 'edit', 'gain', 'lower', 'drop', 'remove']

function expectOrder(list: readonly Step[]): void {
  const ranks = list.map(({ kind }) => RANKS.indexOf(kind))
  expect(ranks).toEqual([...ranks].sort())
}

function expectTree(model: Model, { destinations, ...service }: ServiceTree): void {
  const key = seenServiceKey(new Model([{ destinations, ...service } as ServiceTree]).trees()[0]!)
  const entry = model.entries.get(key)!
  expect(serviceDiff(service as ServiceTree, entry.service)).toEqual([])
  expect(entry.destinations.size).toBe(destinations.length)
  for (const destination of destinations) {
    const { address, port } = destination
    const row = [...entry.destinations.values()].find(
      (it) => it.address === address && it.port === port,
    )!
    expect(destinationDiff(destination, row)).toEqual([])
  }
}
