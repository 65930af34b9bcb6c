// Services, destinations and changes: what a program may write, and what the compiler takes from it.
import {
  type ApplyOptions,
  type Change,
  type Destination,
  type DestinationStatus,
  Ipvs,
  IpvsError,
  type OpenOptions,
  type Service,
  type ServiceId,
  type ServiceStatus,
  type Sysctls,
  type WatchEvent,
} from 'ipvs'
import { MemoryKernel } from 'ipvs/testing'
import { describe, expectTypeOf, test } from 'vitest'

declare const ipvs: Ipvs

describe('a service', () => {
  test('is of an address or of a firewall mark, never of both', () => {
    const address = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
    expectTypeOf({ ...address, scheduler: 'rr' } as const).toExtend<Service>()
    expectTypeOf({ fwmark: 1, scheduler: 'rr' } as const).toExtend<Service>()
    expectTypeOf({ fwmark: 1, ...address, scheduler: 'rr' } as const).not.toExtend<Service>()
    expectTypeOf({ ...address, family: 'ipv4', scheduler: 'rr' } as const).not.toExtend<Service>()
    expectTypeOf({ protocol: 'udp', port: 53, scheduler: 'rr' } as const).not.toExtend<Service>()
  })

  test('has a scheduler, a known protocol and numbers', () => {
    const id = { protocol: 'tcp', address: '192.0.2.1', port: 80 } as const
    expectTypeOf(id).toExtend<ServiceId>()
    expectTypeOf(id).not.toExtend<Service>()
    expectTypeOf({ ...id, protocol: 'icmp' } as const).not.toExtend<ServiceId>()
    expectTypeOf({ ...id, port: '80' } as const).not.toExtend<ServiceId>()
    // A module of one's own.
    expectTypeOf({ ...id, scheduler: 'mine' } as const).toExtend<Service>()
  })

  test('tells its kind apart by its mark', () => {
    const kind = (service: ServiceStatus) => {
      if (service.fwmark !== undefined) {
        expectTypeOf(service.address).toEqualTypeOf<undefined>()
        expectTypeOf(service.family).toEqualTypeOf<'ipv4' | 'ipv6'>()
      } else {
        expectTypeOf(service.address).toEqualTypeOf<string>()
        expectTypeOf(service.protocol).toEqualTypeOf<'tcp' | 'udp' | 'sctp'>()
      }
    }
    expectTypeOf(kind).returns.toBeVoid()
  })

  test('is shown so that it can be written back', () => {
    expectTypeOf<ServiceStatus>().toExtend<Service>()
    expectTypeOf<DestinationStatus>().toExtend<Destination>()
    expectTypeOf(ipvs.service).returns.resolves.toEqualTypeOf<ServiceStatus | undefined>()
  })

  test('cannot be edited where it is shown', () => {
    const edit = (service: ServiceStatus) => {
      // @ts-expect-error it is what the kernel held at the read
      service.scheduler = 'wrr'
    }
    expectTypeOf(edit).toBeFunction()
  })
})

describe('a change', () => {
  const service = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
  const destination = { address: '10.1.0.1', port: 53 } as const

  test('has what its verb needs', () => {
    expectTypeOf({ op: 'remove-service', service } as const).toExtend<Change>()
    expectTypeOf({ op: 'add-service', service } as const).not.toExtend<Change>()
    expectTypeOf({ op: 'remove-destination', service, destination } as const).toExtend<Change>()
    expectTypeOf({ op: 'add-destination', service, destination } as const).not.toExtend<Change>()
    expectTypeOf({ op: 'remove-destination', service } as const).not.toExtend<Change>()
    expectTypeOf({ op: 'patch-service', service } as const).not.toExtend<Change>()
  })

  test('is applied with options that have a meaning', () => {
    expectTypeOf({ priority: 'bulk', deadlineMs: 100 } as const).toExtend<ApplyOptions>()
    expectTypeOf({ priority: 'high' } as const).not.toExtend<ApplyOptions>()
    // @ts-expect-error there is no such option
    const typo: ApplyOptions = { deadline: 100 }
    expectTypeOf(typo).toBeObject()
  })

  test('of some fields of a service can clear them, but not its identity', () => {
    const update = async () => {
      await ipvs.updateService(service, { persistence: undefined, scheduler: 'wrr' })
      // @ts-expect-error another port is another service
      await ipvs.updateService(service, { port: 54 })
      await ipvs.updateDestination(service, destination, { weight: 0, tunnel: undefined })
      // @ts-expect-error another address is another destination
      await ipvs.updateDestination(service, destination, { address: '10.1.0.2' })
    }
    expectTypeOf(update).returns.resolves.toBeVoid()
  })
})

describe('the client', () => {
  test('lives in a namespace that is named in one way', () => {
    expectTypeOf({ netns: 'director' }).toExtend<OpenOptions>()
    expectTypeOf({ netns: { pid: 1 } }).toExtend<OpenOptions>()
    // @ts-expect-error a path is a string
    const path: OpenOptions = { netns: { path: '/run/netns/x' } }
    expectTypeOf(path).toBeObject()
    expectTypeOf({ kernel: new MemoryKernel() }).toExtend<OpenOptions>()
  })

  test('cannot be made without opening it', () => {
    // @ts-expect-error the constructor is private
    expectTypeOf(() => new Ipvs()).toBeFunction()
    expectTypeOf(Ipvs.open).returns.resolves.toEqualTypeOf<Ipvs>()
    expectTypeOf<Ipvs>().toExtend<AsyncDisposable>()
  })

  test('knows the type of each setting', () => {
    expectTypeOf<Sysctls['conntrack']>().toEqualTypeOf<number | undefined>()
    const set = async () => {
      await ipvs.setSysctl('conntrack', 1)
      // @ts-expect-error the kernel's numbers are numbers
      await ipvs.setSysctl('conntrack', true)
      // @ts-expect-error no setting of IPVS
      await ipvs.setSysctl('ip_forward', 1)
    }
    expectTypeOf(set).returns.resolves.toBeVoid()
  })

  test('says what has changed, by kind', () => {
    const look = (event: WatchEvent) => {
      if (event.type === 'destination-changed') {
        expectTypeOf(event.destination).toEqualTypeOf<DestinationStatus>()
        expectTypeOf(event.differences[0]!.before).toBeUnknown()
      }
      if (event.type === 'service-added') {
        expectTypeOf(event).not.toHaveProperty('destination')
        expectTypeOf(event).not.toHaveProperty('differences')
      }
    }
    expectTypeOf(look).returns.toBeVoid()
  })

  test('has errors with codes that are known', () => {
    const codeOf = (error: unknown) => (error instanceof IpvsError ? error.code : undefined)
    expectTypeOf<'ERR_IPVS_EXISTS'>().toExtend<ReturnType<typeof codeOf>>()
    expectTypeOf<'ERR_IPVS_TYPO'>().not.toExtend<ReturnType<typeof codeOf>>()
    expectTypeOf<IpvsError['reason']>().toEqualTypeOf<
      'platform' | 'no-binary' | 'addons-disabled' | 'no-module' | 'user-namespace' | undefined
    >()
  })
})
