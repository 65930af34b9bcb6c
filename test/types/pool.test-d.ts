// Pools and health checks: options that exclude each other, and what events carry.
import {
  type Check,
  checks,
  type Destination,
  HealthChecker,
  type HealthTarget,
  type HealthTransitionEvent,
  type Ipvs,
  MirroredPool,
  type MirroredPoolOptions,
  type PoolFront,
  type PoolServerState,
  type Service,
} from 'ipvs'
import { exec } from 'ipvs/checks/exec'
import { describe, expectTypeOf, test } from 'vitest'

declare const ipvs: Ipvs
declare const pool: MirroredPool

describe('options of a pool', () => {
  const common = { scheduler: 'rr', forwarding: 'direct', servers: ['10.1.0.1'] } as const
  const address = { address: '192.0.2.1', port: 53 } as const

  test('name one address, or several fronts, never both', () => {
    expectTypeOf({ ...common, ...address }).toExtend<MirroredPoolOptions>()
    expectTypeOf({ ...common, fronts: [address] } as const).toExtend<MirroredPoolOptions>()
    expectTypeOf({
      ...common,
      ...address,
      fronts: [address],
    } as const).not.toExtend<MirroredPoolOptions>()
    expectTypeOf(common).not.toExtend<MirroredPoolOptions>()
    expectTypeOf({ ...common, address: '192.0.2.1' } as const).not.toExtend<MirroredPoolOptions>()
  })

  test('have fronts of an address or of a mark', () => {
    expectTypeOf({ fwmark: 7, family: 'ipv6' } as const).toExtend<PoolFront>()
    expectTypeOf({ fwmark: 7, port: 53 } as const).not.toExtend<PoolFront>()
    expectTypeOf({ fwmark: 7, protocols: ['udp'] } as const).not.toExtend<PoolFront>()
    expectTypeOf({ ...address, family: 'ipv4' } as const).not.toExtend<PoolFront>()
  })

  test('take words that mean something', () => {
    const options = { ...common, ...address }
    expectTypeOf({ ...options, initial: 'adopt' } as const).toExtend<MirroredPoolOptions>()
    expectTypeOf({ ...options, initial: 'maybe' } as const).not.toExtend<MirroredPoolOptions>()
    expectTypeOf({
      ...options,
      onDown: { udp: 'quiesce' },
    } as const).toExtend<MirroredPoolOptions>()
    expectTypeOf({ ...options, quorum: { down: 1 } } as const).not.toExtend<MirroredPoolOptions>()
    // @ts-expect-error there is no such option
    const typo: MirroredPoolOptions = { ...options, server: [] }
    expectTypeOf(typo).toBeObject()
    expectTypeOf(MirroredPool.open(ipvs, options)).resolves.toEqualTypeOf<MirroredPool>()
  })
})

describe('events of a pool', () => {
  test('carry the server and its state, before and after', () => {
    pool.on('down', (event) => {
      expectTypeOf(event.server).toEqualTypeOf<string>()
      expectTypeOf(event.before).toEqualTypeOf<PoolServerState>()
      expectTypeOf(event.after.admin).toEqualTypeOf<'ready' | 'drain' | 'maintenance'>()
    })
  })

  test('carry what is theirs alone', () => {
    pool.on('quorum', (event) => {
      expectTypeOf(event.after).toEqualTypeOf<boolean>()
      expectTypeOf(event.before).toEqualTypeOf<boolean | undefined>()
      expectTypeOf(event.server).toEqualTypeOf<string | undefined>()
    })
    pool.on('drift', (event) => {
      expectTypeOf(event.found).toEqualTypeOf<'different' | 'missing' | 'unexpected'>()
      expectTypeOf(event.before).toEqualTypeOf<Service | Destination | undefined>()
    })
    pool.on('diverged', (event) => {
      expectTypeOf(event.after).toEqualTypeOf<
        Readonly<Record<string, number | 'absent' | 'unknown'>>
      >()
      expectTypeOf(event.errors[0]!.error).toEqualTypeOf<Error>()
    })
    pool.on('drained', (event) => {
      expectTypeOf(event.outcome).toEqualTypeOf<'idle' | 'deadline' | 'cancelled' | 'failed'>()
      expectTypeOf(event).not.toHaveProperty('leftMs')
    })
  })

  test('have names that are known', () => {
    // @ts-expect-error no event of a pool
    pool.on('dwon', () => {})
    // @ts-expect-error an event about a server has no amount
    pool.on('up', (event) => event.amount)
  })
})

describe('a health checker', () => {
  test('takes pools and anything else that has members and takes reports', () => {
    expectTypeOf<MirroredPool>().toExtend<HealthTarget>()
    const checker = new HealthChecker(pool, { check: checks.tcp() })
    checker.on('transition', (event) => {
      expectTypeOf(event).toEqualTypeOf<HealthTransitionEvent>()
      expectTypeOf(event.to).toEqualTypeOf<'up' | 'down'>()
    })
    checker.on('warning', (event) => {
      expectTypeOf(event.error).toBeUnknown()
    })
    // @ts-expect-error a checker has something to check by
    expectTypeOf(() => new HealthChecker(pool, {})).toBeFunction()
  })

  test('has checks of all kinds, and those of a caller', () => {
    expectTypeOf(checks.dns({ name: 'example.org' })).toEqualTypeOf<Check>()
    expectTypeOf(exec({ command: '/usr/bin/true' })).toEqualTypeOf<Check>()
    expectTypeOf(async () => ({ weightFactor: 0.5 })).toExtend<Check>()
    expectTypeOf(async () => ({ weightFactor: 'half' })).not.toExtend<Check>()
    // @ts-expect-error what is asked for has to be said
    expectTypeOf(() => checks.udp({})).toBeFunction()
    expectTypeOf(checks).not.toHaveProperty('exec')
  })
})
