import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { destinationKey, serviceKey } from '../../src/identity.js'
import type { ServiceId } from '../../src/types.js'

describe('serviceKey', () => {
  it.each<[ServiceId, string]>([
    [{ protocol: 'tcp', address: '192.0.2.1', port: 53 }, 'tcp 192.0.2.1:53'],
    [{ protocol: 'udp', address: '2001:DB8:0::1', port: 53 }, 'udp [2001:db8::1]:53'],
    [{ protocol: 'sctp', address: '192.0.2.1', port: 0 }, 'sctp 192.0.2.1:0'],
    [{ fwmark: 7 }, 'fwmark 7 ipv4'],
    [{ fwmark: 7, family: 'ipv4' }, 'fwmark 7 ipv4'],
    [{ fwmark: 4294967295, family: 'ipv6' }, 'fwmark 4294967295 ipv6'],
  ])('%j is %s', (id, key) => {
    expect(serviceKey(id)).toBe(key)
    const whole = { ...id, scheduler: 'rr', stats: {}, destinations: [] }
    expect(serviceKey(whole as ServiceId)).toBe(key)
  })

  it('checks its argument', () => {
    expect(() => serviceKey({} as ServiceId)).toThrow(TypeError)
    expect(() => serviceKey({ fwmark: 0 })).toThrow('service.fwmark must be')
  })

  it('is equal exactly for equal identities', () => {
    const id = fc.oneof(
      fc.record({
        protocol: fc.constantFrom('tcp' as const, 'udp' as const),
        address: fc.constantFrom('10.0.0.1', '10.0.0.2', '2001:db8::1'),
        port: fc.integer({ min: 1, max: 3 }),
      }),
      fc.record({
        fwmark: fc.integer({ min: 1, max: 3 }),
        family: fc.constantFrom('ipv4' as const, 'ipv6' as const),
      }),
    )
    fc.assert(
      fc.property(id, id, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b)
        expect(serviceKey(a) === serviceKey(b)).toBe(same)
      }),
    )
  })
})

describe('destinationKey', () => {
  it.each([
    [{ address: '10.1.0.1', port: 53 }, '10.1.0.1:53'],
    [{ address: '2001:DB8::0005', port: 53 }, '[2001:db8::5]:53'],
    [{ address: '10.1.0.1', port: 0, forwarding: 'direct', stats: {} }, '10.1.0.1:0'],
  ])('%j is %s', (id, key) => {
    expect(destinationKey(id)).toBe(key)
  })

  it('checks its argument', () => {
    expect(() => destinationKey({ address: 'localhost', port: 53 })).toThrow(
      'destination.address must be',
    )
    expect(() => destinationKey({ address: '10.1.0.1' } as never)).toThrow(
      'destination.port must be',
    )
  })
})
