import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ArgumentError } from '../../src/errors.js'
import type { Change, Destination, Service, ServiceId } from '../../src/types.js'
import {
  checkChange,
  checkDestination,
  checkDestinationId,
  checkInteger,
  checkOptions,
  checkService,
  checkServiceId,
} from '../../src/validate.js'
import { badChanges } from './bad-input.js'

const udp: ServiceId = { protocol: 'udp', address: '192.0.2.1', port: 53 }
const rr: Service = { ...udp, scheduler: 'rr' }

/** The argument error of a call, or a failed test. */
function refusal(run: () => unknown): ArgumentError {
  try {
    run()
  } catch (error) {
    expect(error instanceof TypeError || error instanceof RangeError, String(error)).toBe(true)
    expect(error).toMatchObject({ code: 'ERR_IPVS_ARGUMENT' })
    return error as ArgumentError
  }
  throw new Error('not refused')
}

describe('bad input', () => {
  it('is refused with the path and the value, whatever field of whatever operation', () => {
    let count = 0
    const seen = new Set<string>()
    for (const { name, change, option, value } of badChanges()) {
      let error: ArgumentError
      try {
        error = refusal(() => checkChange(change, 'changes[0]'))
      } catch (cause) {
        throw new Error(name, { cause })
      }
      expect(error.option, name).toBe(option)
      expect(error.value, name).toBe(value)
      expect(error.message.startsWith(`${option} must be `), error.message).toBe(true)
      expect(error.message.length, name).toBeLessThan(500)
      expect(seen.has(name), `${name} twice`).toBe(false)
      seen.add(name)
      count++
    }
    expect(count).toBeGreaterThan(2000)
  })

  it('is named without a prefix where the change has no name', () => {
    const change = { op: 'add-service', service: { ...rr, port: -1 } }
    expect(refusal(() => checkChange(change, '')).option).toBe('service.port')
    expect(refusal(() => checkChange({ ...change, sevice: 1 }, '')).option).toBe('sevice')
    expect(refusal(() => checkChange({ op: 'x' }, '')).option).toBe('op')
  })

  it('never ends in any other error, nor hangs', () => {
    const key = fc.constantFrom(
      'op',
      'service',
      'destination',
      'protocol',
      'address',
      'port',
      'fwmark',
    )
    const op = fc.constantFrom('add-service', 'add-destination', 'remove-service')
    const odd = fc.oneof(fc.anything(), fc.dictionary(key, fc.anything()))
    const change = fc.oneof(odd, fc.record({ op, service: odd, destination: odd }))
    fc.assert(
      fc.property(change, (value) => {
        refusal(() => checkChange(value, 'changes[0]'))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('spelling', () => {
  it.each([
    [{ ...rr, fwMark: 1 }, 'fwmark'],
    [{ ...rr, firewallMark: 1 }, 'fwmark'],
    [{ ...rr, ops: true }, 'onePacket'],
    [{ ...rr, vip: '192.0.2.1' }, 'address'],
    [{ ...rr, timeout: 1 }, 'persistence'],
    [{ ...rr, onepacket: true }, 'onePacket'],
    [{ ...rr, schduler: 'rr' }, 'scheduler'],
    [{ ...rr, flags: [] }, 'schedulerFlags'],
    [{ ...rr, protocol: 'TCP' }, 'tcp'],
    [{ ...rr, persistence: { timeout: 1 } }, 'timeoutSeconds'],
    [{ ...rr, scheduler: 'sh', schedulerFlags: ['sh-fallbak'] }, 'sh-fallback'],
    [{ fwmark: 1, family: 4, scheduler: 'rr' }, 'ipv4'],
    [{ fwmark: 1, family: 'inet6', scheduler: 'rr' }, 'ipv6'],
  ])('of a service: %j -> %s', (service, name) => {
    expect(refusal(() => checkService(service, 'service')).message).toContain(
      `did you mean "${name}"?`,
    )
  })

  it.each([
    [{ method: 'direct' }, 'forwarding'],
    [{ forwarding: 'masq' }, 'masquerade'],
    [{ forwarding: 'nat' }, 'masquerade'],
    [{ forwarding: 'dr' }, 'direct'],
    [{ forwarding: 'route' }, 'direct'],
    [{ forwarding: 'ipip' }, 'tunnel'],
    [{ forwarding: 'direct', wieght: 1 }, 'weight'],
    [{ forwarding: 'direct', uThreshold: 1 }, 'upperThreshold'],
    [{ forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'csum' } }, 'standard'],
  ])('of a destination: %j -> %s', (fields, name) => {
    const value = { address: '10.1.0.1', port: 53, ...fields }
    const { message } = refusal(() =>
      checkDestination(value, 'destination', checkServiceId(udp, 'service')),
    )
    expect(message).toContain(`did you mean "${name}"?`)
  })

  it.each([
    ['update-service', 'replace-service'],
    ['delete-destination', 'remove-destination'],
    ['addService', 'add-service'],
    ['ensure-no-destnation', 'ensure-no-destination'],
  ])('of an operation: %s -> %s', (op, name) => {
    expect(refusal(() => checkChange({ op, service: udp }, 'change')).message).toContain(
      `did you mean "${name}"?`,
    )
  })

  it('says nothing where nothing is near', () => {
    const { message } = refusal(() => checkServiceId({ ...udp, zzz: 1 }, 'service'))
    expect(message).toContain('no such option, only "protocol", "address"')
    expect(refusal(() => checkServiceId({ ['x'.repeat(10_000)]: 1 }, 's')).message).not.toContain(
      'mean',
    )
  })
})

describe('checkService', () => {
  it('fills in what the kernel wants', () => {
    expect(checkService(rr, 'service')).toEqual({
      af: 2,
      protocol: 17,
      fwmark: 0,
      address: [192, 0, 2, 1],
      port: 53,
      scheduler: 'rr',
      flags: 0,
      timeoutSeconds: 0,
      netmask: 0xffffffff,
      engine: '',
    })
    expect(
      checkService({ fwmark: 0xffffffff, family: 'ipv6', scheduler: 'mh' }, 'service'),
    ).toEqual({
      af: 10,
      protocol: 0,
      fwmark: 0xffffffff,
      address: undefined,
      port: 0,
      scheduler: 'mh',
      flags: 0,
      timeoutSeconds: 0,
      netmask: 128,
      engine: '',
    })
  })

  it.each([
    [{ onePacket: true }, 0x4],
    [{ onePacket: false, schedulerFlags: [] }, 0],
    [{ scheduler: 'sh', schedulerFlags: ['sh-fallback'] }, 0x8],
    [{ scheduler: 'sh', schedulerFlags: ['sh-port', 'sh-fallback', 'sh-port'] }, 0x18],
    [{ scheduler: 'mh', schedulerFlags: ['mh-port'] }, 0x10],
    [{ schedulerFlags: ['flag-1', 'flag-2', 'flag-3'] }, 0x38],
    [{ persistence: { timeoutSeconds: 4_294_967 }, onePacket: true }, 0x5],
  ])('flags of %j', (settings, flags) => {
    expect(checkService({ ...rr, ...settings }, 'service').flags).toBe(flags)
  })

  it('takes port 0 with persistence, masks by family, and absent values', () => {
    const v4 = { ...rr, port: 0, persistence: { timeoutSeconds: 1, netmask: '255.255.0.0' } }
    expect(checkService(v4, 'service')).toMatchObject({
      port: 0,
      netmask: 0xffff0000,
      timeoutSeconds: 1,
    })
    const v6 = {
      ...rr,
      address: '2001:db8::1',
      persistence: { timeoutSeconds: 1, netmask: 1 },
      persistenceEngine: 'sip',
      onePacket: undefined,
      fwmark: undefined,
      schedulerFlags: undefined,
    }
    expect(checkService(v6, 'service')).toMatchObject({ netmask: 1, engine: 'sip', flags: 1 })
    expect(checkService({ ...rr, scheduler: 'fifteen_bytes_x' }, 's').scheduler).toHaveLength(15)
    expect(checkService(Object.assign(Object.create(null), rr), 'service').port).toBe(53)
  })

  it('takes back what it shows, and reads the identity only where that is asked for', () => {
    const seen = { ...rr, stats: { connections: 1n }, destinations: [{ anything: 1 }] }
    expect(checkService(seen, 'service', 'replace-service')).toEqual(checkService(rr, 'service'))
    expect(checkService(seen, 'service')).toEqual(checkService(rr, 'service'))
    expect(refusal(() => checkService(seen, 'service', 'add-service'))).toMatchObject({
      option: 'service.destinations',
    })
    const odd = { ...seen, scheduler: 'none', persistence: 5, schedulerFlags: 'x' }
    expect(checkServiceId(odd, 'service')).toEqual(checkServiceId(udp, 'service'))
  })

  it('lets an identity name what another program may have made', () => {
    expect(checkServiceId({ ...udp, port: 0 }, 's').port).toBe(0)
    expect(checkServiceId({ ...udp, address: '0.0.0.0' }, 's').address).toEqual([0, 0, 0, 0])
    expect(checkDestinationId({ address: '10.1.0.1', port: 0 }, 'd').port).toBe(0)
  })

  it('reads each property once, and none that is inherited', () => {
    let reads = 0
    const service = Object.defineProperty({ ...rr }, 'port', {
      enumerable: true,
      get: () => (reads++ === 0 ? 53 : 99_999),
    })
    expect(checkService(service, 'service').port).toBe(53)
    expect(reads).toBe(1)
    class Derived {
      get weight() {
        return 0
      }
    }
    const derived = Object.assign(new Derived(), {
      address: '10.1.0.1',
      port: 53,
      forwarding: 'direct',
    })
    expect(checkDestination(derived, 'd', checkServiceId(udp, 's')).weight).toBe(1)
  })
})

describe('checkDestination', () => {
  const check = (fields: object, service: object = udp) =>
    checkDestination(
      { address: '10.1.0.1', port: 53, forwarding: 'masquerade', ...fields },
      'destination',
      checkServiceId(service, 'service'),
    )

  it('fills in what the kernel wants', () => {
    expect(check({})).toEqual({
      af: 2,
      address: [10, 1, 0, 1],
      port: 53,
      method: 0,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnelType: 0,
      tunnelPort: 0,
      tunnelFlags: 0,
    })
  })

  it.each<[object, object]>([
    [{ forwarding: 'local' }, { method: 1 }],
    [{ forwarding: 'tunnel' }, { method: 2, tunnelType: 0 }],
    [
      { forwarding: 'direct', weight: 0 },
      { method: 3, weight: 0 },
    ],
    [{ weight: 2147483647 }, { weight: 2147483647 }],
    [{ port: 8053 }, { port: 8053 }],
    [
      { upperThreshold: 5, lowerThreshold: 5 },
      { upperThreshold: 5, lowerThreshold: 5 },
    ],
    [{ upperThreshold: 5 }, { upperThreshold: 5, lowerThreshold: 0 }],
    [
      { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remote' } },
      { tunnelType: 1, tunnelPort: 6080, tunnelFlags: 2 },
    ],
    [
      { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'standard' } },
      { tunnelType: 2, tunnelFlags: 1 },
    ],
    [
      { forwarding: 'tunnel', tunnel: { type: 'ipip', checksum: 'none' } },
      { tunnelType: 0, tunnelFlags: 0 },
    ],
    [
      { forwarding: 'tunnel', address: '2001:db8::5' },
      { af: 10, method: 2 },
    ],
    [
      { stats: {}, activeConnections: 1, inactiveConnections: 2, persistentConnections: 3 },
      { weight: 1 },
    ],
    [{ address: '240.0.0.1' }, { af: 2 }],
  ])('takes %j', (fields, checked) => {
    expect(check(fields)).toMatchObject(checked)
  })

  it('takes port 0 and other ports where the service has none', () => {
    expect(check({ port: 0 }, { ...udp, port: 0 }).port).toBe(0)
    expect(check({ port: 0, forwarding: 'direct' }, { fwmark: 1 }).port).toBe(0)
    expect(check({ port: 80, forwarding: 'direct' }, { fwmark: 1 }).port).toBe(80)
  })

  it('explains why direct and tunnel keep the port', () => {
    expect(refusal(() => check({ forwarding: 'direct', port: 80 })).message).toBe(
      'destination.port must be the service\'s port, 53: forwarding "direct" does not rewrite packets; received 80',
    )
  })
})

describe('valid changes', () => {
  const port = fc.integer({ min: 1, max: 65535 })
  const address = fc.oneof(fc.ipV4(), fc.ipV6()).filter((text) => {
    const mapped = /^(0{0,4}:){1,5}ffff:/i.test(text)
    return !mapped && !/^(0+[.:]*)+$|^:+0*$|^(::)?[0:.]*$/.test(text)
  })
  const id = fc.oneof(
    fc.record({ protocol: fc.constantFrom('tcp', 'udp', 'sctp'), address, port }),
    fc.record(
      { fwmark: fc.integer({ min: 1, max: 2 ** 32 - 1 }), family: fc.constantFrom('ipv4', 'ipv6') },
      { requiredKeys: ['fwmark'] },
    ),
  )
  const service = fc
    .tuple(
      id,
      fc.constantFrom('rr', 'wrr', 'mine'),
      fc.option(fc.integer({ min: 1, max: 4_294_967 })),
    )
    .map(([id, scheduler, timeoutSeconds]) => ({
      ...id,
      scheduler,
      ...(timeoutSeconds === null ? {} : { persistence: { timeoutSeconds } }),
    }))

  it('are taken, and come out the same from a copy and from a wrapped identity', () => {
    const op = fc.constantFrom<Change['op'][]>('add-service', 'replace-service', 'ensure-service')
    fc.assert(
      fc.property(op, service, (op, service) => {
        const checked = checkChange({ op, service }, 'change')
        expect(checkChange(structuredClone({ op, service }), 'change')).toEqual(checked)
        expect(checked.service).toMatchObject(checkServiceId(service, 'service'))
        expect(checkChange({ op: 'remove-service', service }, 'change')).toEqual({
          op: 'remove-service',
          service: checkServiceId(service, 'service'),
          destination: undefined,
        })
      }),
    )
  })

  it('of destinations', () => {
    const destination: Destination = { address: '10.1.0.1', port: 53, forwarding: 'tunnel' }
    for (const op of ['add-destination', 'replace-destination', 'ensure-destination'] as const) {
      expect(checkChange({ op, service: rr, destination }, 'change')).toEqual({
        op,
        service: checkServiceId(udp, 'service'),
        destination: checkDestination(destination, 'd', checkServiceId(udp, 'service')),
      })
    }
    for (const op of ['remove-destination', 'ensure-no-destination'] as const) {
      expect(checkChange({ op, service: rr, destination }, 'change')).toEqual({
        op,
        service: checkServiceId(udp, 'service'),
        destination: checkDestinationId(destination, 'd'),
      })
    }
  })
})

describe('checkOptions and checkInteger', () => {
  it('takes a bag, or none', () => {
    expect(checkOptions({ a: 1, b: undefined }, 'options', ['a', 'b'])).toEqual({
      a: 1,
      b: undefined,
    })
    expect(checkOptions(undefined, 'options', ['a'])).toEqual({ a: undefined })
    expect(checkOptions(Object.create(null), 'options', ['a'])).toEqual({ a: undefined })
  })

  it.each([[null], [5], ['a'], [[]], [new Map([['a', 1]])], [Promise.resolve()], [() => 1]])(
    'refuses %s as a bag',
    (value) => {
      expect(refusal(() => checkOptions(value, 'options', ['a']))).toMatchObject({
        option: 'options',
        value,
      })
    },
  )

  it('refuses unknown and inherited keys', () => {
    expect(refusal(() => checkOptions({ deadline: 1 }, 'options', ['deadlineMs']))).toMatchObject({
      option: 'options.deadline',
      message: expect.stringContaining('did you mean "deadlineMs"?'),
    })
    expect(refusal(() => checkOptions(Object.create({ a: 1 }), 'options', ['a']))).toMatchObject({
      option: 'options.a',
      value: 1,
    })
  })

  it('says when a number is written as a string', () => {
    expect(refusal(() => checkInteger('53', 'port', 0, 65535)).message).toContain('not a string')
    expect(checkInteger(65535, 'port', 0, 65535)).toBe(65535)
  })
})
