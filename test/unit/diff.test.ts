import { describe, expect, it } from 'vitest'
import { destinationDiff, serviceDiff } from '../../src/diff.js'
import type { Destination, Service } from '../../src/types.js'

const service: Service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'rr' }
const v6: Service = { protocol: 'udp', address: '2001:db8::1', port: 53, scheduler: 'rr' }
const destination: Destination = { address: '10.1.0.1', port: 53, forwarding: 'direct' }
const tunnel: Destination = { ...destination, forwarding: 'tunnel' }

describe('serviceDiff', () => {
  it.each<[string, Service, Service]>([
    ['nothing', service, service],
    ['one-packet left out', service, { ...service, onePacket: false }],
    ['no flags', service, { ...service, schedulerFlags: [] }],
    ['no engine', service, { ...service, persistenceEngine: '' }],
    [
      'the default IPv4 mask',
      { ...service, persistence: { timeoutSeconds: 300 } },
      { ...service, persistence: { timeoutSeconds: 300, netmask: '255.255.255.255' } },
    ],
    [
      'the default IPv6 mask',
      { ...v6, persistence: { timeoutSeconds: 300 } },
      { ...v6, persistence: { timeoutSeconds: 300, netmask: 128 } },
    ],
    [
      'the default mask of a mark',
      { fwmark: 1, family: 'ipv6', scheduler: 'rr', persistence: { timeoutSeconds: 300 } },
      {
        fwmark: 1,
        family: 'ipv6',
        scheduler: 'rr',
        persistence: { timeoutSeconds: 300, netmask: 128 },
      },
    ],
    [
      'flags in another order',
      { ...service, scheduler: 'sh', schedulerFlags: ['sh-port', 'sh-fallback'] },
      { ...service, scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
    ],
    [
      'flags by other names',
      { ...service, scheduler: 'mh', schedulerFlags: ['mh-fallback'] },
      { ...service, scheduler: 'mh', schedulerFlags: ['flag-1'] },
    ],
  ])('does not see %s', (_, wanted, seen) => {
    expect(serviceDiff(wanted, seen)).toEqual([])
    expect(serviceDiff(seen, wanted)).toEqual([])
  })

  it.each<[Service, Service, object]>([
    [
      service,
      { ...service, scheduler: 'wrr' },
      { field: 'scheduler', actual: 'wrr', desired: 'rr' },
    ],
    [
      { ...service, onePacket: true },
      service,
      { field: 'onePacket', actual: false, desired: true },
    ],
    [
      { ...service, persistence: { timeoutSeconds: 300 } },
      service,
      {
        field: 'persistence',
        actual: undefined,
        desired: { timeoutSeconds: 300, netmask: '255.255.255.255' },
      },
    ],
    [
      { ...v6, persistence: { timeoutSeconds: 300, netmask: 64 } },
      { ...v6, persistence: { timeoutSeconds: 300 } },
      {
        field: 'persistence',
        actual: { timeoutSeconds: 300, netmask: 128 },
        desired: { timeoutSeconds: 300, netmask: 64 },
      },
    ],
    [
      service,
      { ...service, schedulerFlags: ['flag-3'] },
      { field: 'schedulerFlags', actual: ['flag-3'], desired: [] },
    ],
    [
      service,
      { ...service, persistenceEngine: 'sip' },
      { field: 'persistenceEngine', actual: 'sip', desired: undefined },
    ],
  ])('sees the one field', (wanted, seen, difference) => {
    expect(serviceDiff(wanted, seen)).toEqual([difference])
  })
})

describe('destinationDiff', () => {
  it.each<[string, Destination, Destination]>([
    ['nothing', destination, destination],
    ['defaults', destination, { ...destination, weight: 1, upperThreshold: 0, lowerThreshold: 0 }],
    ['a plain tunnel', tunnel, { ...tunnel, tunnel: { type: 'ipip' } }],
    [
      'no checksum',
      { ...tunnel, tunnel: { type: 'gre' } },
      { ...tunnel, tunnel: { type: 'gre', checksum: 'none' } },
    ],
    [
      'tunnel fields of another method',
      destination,
      { ...destination, tunnel: { type: 'gue', port: 6080 } },
    ],
  ])('does not see %s', (_, wanted, seen) => {
    expect(destinationDiff(wanted, seen)).toEqual([])
    expect(destinationDiff(seen, wanted)).toEqual([])
  })

  it.each<[Destination, Destination, object]>([
    [destination, { ...destination, weight: 0 }, { field: 'weight', actual: 0, desired: 1 }],
    [
      { ...destination, upperThreshold: 10 },
      destination,
      { field: 'upperThreshold', actual: 0, desired: 10 },
    ],
    [
      { ...destination, upperThreshold: 10 },
      { ...destination, upperThreshold: 10, lowerThreshold: 5 },
      { field: 'lowerThreshold', actual: 5, desired: 0 },
    ],
    [
      destination,
      { ...destination, forwarding: 'masquerade' },
      { field: 'forwarding', actual: 'masquerade', desired: 'direct' },
    ],
    [
      tunnel,
      { ...tunnel, tunnel: { type: 'gue', port: 6080 } },
      {
        field: 'tunnel',
        actual: { type: 'gue', port: 6080, checksum: 'none' },
        desired: { type: 'ipip', checksum: 'none' },
      },
    ],
  ])('sees the one field', (wanted, seen, difference) => {
    expect(destinationDiff(wanted, seen)).toEqual([difference])
  })
})
