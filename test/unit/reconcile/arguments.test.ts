import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../../src/kernel/kernel.js'
import { readReconcileOptions, reconcile } from '../../../src/reconcile/index.js'
import type { ServiceStatus } from '../../../src/types.js'

const service = { protocol: 'udp', address: '192.0.2.1', port: 53, scheduler: 'wrr' }
const server = { address: '10.1.0.1', port: 53, forwarding: 'masquerade' }
const tree = { ...service, destinations: [server] }

/** Bad arguments never reach it: a call has a place in the order, and nothing is read or sent. */
const untouchable = new Proxy({} as Kernel, {
  get: (_, name) => {
    if (name === 'hold') return () => () => {}
    if (name === 'takePlace') return () => ({ order: 1, leave: () => {} })
    throw new Error(`the kernel's ${String(name)} was used`)
  },
})

async function refusal(desired: unknown, options?: object): Promise<unknown> {
  try {
    await reconcile(untouchable, desired as [], readReconcileOptions(options, 1000))
  } catch (error) {
    return error
  }
  throw new Error('it was not refused')
}

describe('what is desired is checked before anything is read', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['nothing', undefined, 'desired', /must be an array, or another iterable, of services/],
    ['one service', tree, 'desired', /must be an array, or another iterable/],
    ['a text', 'udp', 'desired', /must be an array, or another iterable/],
    ['a hole', [tree, undefined], 'desired[1]', /must be an object such as/],
    ['a map', new Map([['a', tree]]), 'desired[0]', /must be an object such as/],
    ['a bad service', [tree, { ...tree, port: 70000 }], 'desired[1].port', /1 to 65535|0 to 65535/],
    ['scheduler none', [{ ...tree, scheduler: 'none' }], 'desired[0].scheduler', /refuses every/],
    ['no destinations', [service], 'desired[0].destinations', /an array of destinations/],
    [
      'a bad destination',
      [{ ...service, destinations: [server, { ...server, port: 54, weight: -1 }] }],
      'desired[0].destinations[1].weight',
      /0 to 2147483647/,
    ],
    [
      'a hole among destinations',
      [{ ...service, destinations: new Array(1) }],
      'desired[0].destinations[0]',
      /must be an object such as/,
    ],
    [
      'an unknown option',
      [{ ...tree, servers: [] }],
      'desired[0].servers',
      /did you mean "destinations"/,
    ],
    [
      'one service twice',
      [tree, { ...tree, port: 54, destinations: [] }, { ...tree, scheduler: 'rr' }],
      'desired[2]',
      /must be different from desired\[0\]; received "udp 192\.0\.2\.1:53"/,
    ],
    [
      'one mark twice, in two spellings',
      [
        { fwmark: 7, scheduler: 'rr', destinations: [] },
        { fwmark: 7, family: 'ipv4', scheduler: 'rr', destinations: [] },
      ],
      'desired[1]',
      /received "fwmark 7 ipv4"/,
    ],
    [
      'one destination twice, in two spellings',
      [
        tree,
        { ...tree, port: 54 },
        {
          ...service,
          address: '2001:db8::1',
          destinations: [
            { ...server, address: '2001:db8:1::1' },
            { ...server, address: '2001:DB8:1:0::1', weight: 4 },
          ],
        },
      ],
      'desired[2].destinations[1]',
      /must be different from desired\[2\]\.destinations\[0\]; received "\[2001:db8:1::1\]:53"/,
    ],
  ])('%s', async (_, desired, option, message) => {
    const error = await refusal(desired)
    expect(error).toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option })
    expect((error as Error).message).toMatch(message)
  })

  it('takes any iterable, once', async () => {
    function* generate() {
      yield tree
      yield tree
    }
    expect(await refusal(generate())).toMatchObject({ option: 'desired[1]' })
  })
})

describe('options', () => {
  it.each<[string, object, string]>([
    ['an unknown one', { prunes: true }, 'options.prunes'],
    ['a text to prune', { prune: 'all' }, 'options.prune'],
    ['a number for allowEmpty', { allowEmpty: 1 }, 'options.allowEmpty'],
    ['a number for ifDigest', { ifDigest: 12 }, 'options.ifDigest'],
    ['a text for dryRun', { dryRun: 'yes' }, 'options.dryRun'],
    ['a signal that is none', { signal: {} }, 'options.signal'],
    ['no time', { deadlineMs: 0 }, 'options.deadlineMs'],
  ])('refuses %s', async (_, options, option) => {
    expect(await refusal([], options)).toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option })
  })

  it('refuses prune: true with nothing desired, which would remove everything', async () => {
    const error = await refusal([], { prune: true })
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option: 'desired' })
    expect((error as Error).message).toMatch(/set allowEmpty: true/)
    for (const options of [{ prune: true, allowEmpty: true }, { prune: () => true }, {}]) {
      expect(String(await refusal([], options))).toMatch(/the kernel's snapshot was used/)
    }
  })

  it.each([
    ['a promise', async () => false],
    ['nothing', () => undefined],
    ['a number', () => 1],
  ])('refuses %s as the answer of a selector', (_, prune) => {
    const { prunes } = readReconcileOptions({ prune: prune as unknown as () => boolean }, 1000)
    expect(() => prunes({} as ServiceStatus)).toThrowError(
      /options\.prune must be a function that returns true or false at once/,
    )
  })

  it('has the defaults that its documentation names', () => {
    const { prunes, ...rest } = readReconcileOptions(undefined, 1234)
    expect(prunes({} as ServiceStatus)).toBe(false)
    expect(rest).toEqual({
      refusesEmpty: false,
      ifDigest: undefined,
      dryRun: false,
      signal: undefined,
      deadlineMs: 1234,
    })
  })
})
