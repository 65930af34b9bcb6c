// What changes from one table to another.
import { describe, expect, test } from 'vitest'
import { parseRules } from '../../src/rules/index.js'
import { type TableChange, tableChanges } from '../../src/table-changes.js'
import type { DestinationStatus, ServiceTreeStatus, Stats } from '../../src/types.js'

describe('watching', () => {
  const stats = {} as Stats
  const row = (address: string, weight = 1): DestinationStatus => ({
    address,
    port: 53,
    forwarding: 'direct',
    weight,
    upperThreshold: 0,
    lowerThreshold: 0,
    activeConnections: 0,
    inactiveConnections: 0,
    persistentConnections: 0,
    stats,
  })
  const tree = (
    port: number,
    scheduler: string,
    ...destinations: DestinationStatus[]
  ): ServiceTreeStatus => ({
    protocol: 'udp',
    address: '192.0.2.1',
    port,
    scheduler,
    stats,
    destinations,
  })
  const told = (events: Iterable<TableChange>) =>
    [...events].map((event) =>
      [
        event.type,
        event.service.port,
        'destination' in event ? event.destination.address : '',
        'differences' in event ? event.differences.map(({ field }) => field).join() : '',
      ]
        .join(' ')
        .trim(),
    )

  test('tells what went, came and changed, and nothing of counters', () => {
    const before = [
      tree(53, 'rr', row('10.1.0.1'), row('10.1.0.2')),
      tree(54, 'rr', row('10.1.0.1')),
    ]
    const after = [
      tree(53, 'wrr', row('10.1.0.2', 9), { ...row('10.1.0.3'), inactiveConnections: 7 }),
      tree(55, 'rr', row('10.1.0.5')),
    ]
    expect(told(tableChanges(before, after))).toEqual([
      'destination-removed 54 10.1.0.1',
      'service-removed 54',
      'service-changed 53  scheduler',
      'destination-removed 53 10.1.0.1',
      'destination-changed 53 10.1.0.2 weight',
      'destination-added 53 10.1.0.3',
      'service-added 55',
      'destination-added 55 10.1.0.5',
    ])
    const [weight] = [...tableChanges(before, after)].filter(
      ({ type }) => type === 'destination-changed',
    )
    expect(weight).toMatchObject({ differences: [{ field: 'weight', before: 1, after: 9 }] })
    const busy = [tree(53, 'rr', { ...row('10.1.0.1'), activeConnections: 5 }, row('10.1.0.2'))]
    expect(told(tableChanges(before.slice(0, 1), busy))).toEqual([])
  })

  test('knows one address in two spellings', () => {
    const rules = (address: string) =>
      parseRules(`-A -u [${address}]:53 -s rr\n-a -u [${address}]:53 -r [${address}]:53 -m -w 1`)
    const [written] = rules('2001:db8::1')
    const spelt = { ...written!, address: '2001:DB8:0::1' } as typeof written
    expect([...tableChanges(rules('2001:db8::1'), [spelt!])]).toEqual([])
  })

  test('takes what others have put into the kernel, whatever its address', () => {
    const address = '::ffff:192.0.2.1'
    const odd = { ...tree(53, 'rr', row('::ffff:10.1.0.1')), address } as ServiceTreeStatus
    expect(told(tableChanges([odd], [odd]))).toEqual([])
    expect(told(tableChanges([odd], []))).toEqual([
      'destination-removed 53 ::ffff:10.1.0.1',
      'service-removed 53',
    ])
  })
})
