import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { IpvsError } from '../../../src/errors.js'
import type { Verdict } from '../../../src/health/types.js'
import type { MirroredPoolOptions } from '../../../src/pool/api.js'
import { MirroredPool } from '../../../src/pool/index.js'
import type { Change, Destination, Service } from '../../../src/types.js'
import { StandIn, show } from './stand-in.js'
import { diagnosed, quiet, record } from './watch.js'

const dns = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', { address: '10.1.0.2', weight: 5 }],
} as const satisfies MirroredPoolOptions
const TCP = { protocol: 'tcp', address: '192.0.2.1', port: 53 } as const
const UDP = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const one: Destination = { address: '10.1.0.1', port: 53, forwarding: 'direct' }
const two: Destination = { ...one, address: '10.1.0.2', weight: 5 }
const foreign: Destination = { ...one, address: '10.9.9.9' }

const FULL = [
  'tcp 192.0.2.1:53 wrr',
  'tcp 192.0.2.1:53 -> 10.1.0.1:53 direct 1',
  'tcp 192.0.2.1:53 -> 10.1.0.2:53 direct 5',
  'udp 192.0.2.1:53 wrr ops',
  'udp 192.0.2.1:53 -> 10.1.0.1:53 direct 1',
  'udp 192.0.2.1:53 -> 10.1.0.2:53 direct 5',
]

const pools: MirroredPool[] = []
const kernels: StandIn[] = []

async function open(kernel: StandIn, options: Partial<MirroredPoolOptions> = {}) {
  const pool = await MirroredPool.open(kernel, { ...dns, ...options } as MirroredPoolOptions)
  pools.push(pool)
  kernel.batches.length = 0
  return pool
}

/** A kernel that holds the pool as a previous process left it. */
function filled(): StandIn {
  const kernel = fresh()
  for (const service of [
    { ...TCP, scheduler: 'wrr' },
    { ...UDP, scheduler: 'wrr', onePacket: true },
  ] satisfies Service[]) {
    kernel.edit({ op: 'add-service', service })
    for (const destination of [one, two]) {
      kernel.edit({ op: 'add-destination', service, destination })
    }
  }
  return kernel
}

function fresh(): StandIn {
  const kernel = new StandIn()
  kernels.push(kernel)
  return kernel
}

const healthy: Verdict = { healthy: true, initial: true, reason: 'dns: ok', at: 0 }
const sick: Verdict = { healthy: false, initial: true, reason: 'dns: no answer', at: 0 }
const member = (pool: MirroredPool, index: number) => [...pool.members()][index]!
const names = (events: { name: string }[]) => events.map(({ name }) => name)

// No retry and no look comes by itself, and pauses are as long as they are on average.
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})

afterEach(async () => {
  vi.restoreAllMocks()
  vi.useRealTimers()
  for (const kernel of kernels.splice(0)) {
    kernel.fail = undefined
    kernel.failRead = undefined
    kernel.before = undefined
  }
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

describe('open', () => {
  it('makes the table in one batch: services, then each server on all fronts', async () => {
    const kernel = fresh()
    pools.push(await MirroredPool.open(kernel, dns))
    expect(kernel.rules()).toEqual(FULL)
    expect(kernel.batches.map((batch) => batch.map(show))).toEqual([
      [
        'ensure-service tcp 192.0.2.1:53',
        'ensure-service udp 192.0.2.1:53',
        'ensure-destination tcp 192.0.2.1:53 -> 10.1.0.1:53 1',
        'ensure-destination udp 192.0.2.1:53 -> 10.1.0.1:53 1',
        'ensure-destination tcp 192.0.2.1:53 -> 10.1.0.2:53 5',
        'ensure-destination udp 192.0.2.1:53 -> 10.1.0.2:53 5',
      ],
    ])
  })

  it.each(['up', 'adopt'] as const)(
    'changes nothing that is right (initial: %s)',
    async (initial) => {
      const kernel = filled()
      const events = await diagnosed(async () => {
        pools.push(await MirroredPool.open(kernel, { ...dns, initial }))
      })
      expect(kernel.batches).toEqual([])
      expect(events).toEqual([])
      expect(pools[0]!.status().converged).toBe(true)
    },
  )

  it.each<[string, Change, string, object]>([
    [
      'weight',
      { op: 'replace-destination', service: UDP, destination: { ...two, weight: 1 } },
      'replace-destination udp 192.0.2.1:53 -> 10.1.0.2:53 5',
      { field: 'weight', actual: 1, desired: 5 },
    ],
    [
      'method',
      {
        op: 'replace-destination',
        service: TCP,
        destination: { ...one, forwarding: 'masquerade' },
      },
      'replace-destination tcp 192.0.2.1:53 -> 10.1.0.1:53 1',
      { field: 'forwarding', actual: 'masquerade', desired: 'direct' },
    ],
    [
      'scheduler',
      { op: 'replace-service', service: { ...TCP, scheduler: 'rr' } },
      'replace-service tcp 192.0.2.1:53',
      { field: 'scheduler', actual: 'rr', desired: 'wrr' },
    ],
    [
      'persistence',
      {
        op: 'replace-service',
        service: { ...TCP, scheduler: 'wrr', persistence: { timeoutSeconds: 60 } },
      },
      'replace-service tcp 192.0.2.1:53',
      {
        field: 'persistence',
        actual: { timeoutSeconds: 60, netmask: '255.255.255.255' },
        desired: undefined,
      },
    ],
  ])(
    'adopts in place: another %s is one change and one drift',
    async (_, edit, change, difference) => {
      const kernel = filled()
      kernel.edit(edit)
      const pool = await MirroredPool.open(kernel, dns)
      pools.push(pool)
      const events = record(pool)
      await quiet()
      expect(kernel.changes().map(show)).toEqual([change])
      expect(kernel.rules()).toEqual(FULL)
      expect(events).toHaveLength(1)
      expect(events[0]).toMatchObject({
        name: 'drift',
        sequence: 1,
        cause: 'open',
        initial: true,
        found: 'different',
        repaired: true,
        differences: [difference],
      })
    },
  )

  it('removes what is not declared last', async () => {
    const kernel = filled()
    for (const service of [TCP, UDP]) {
      kernel.edit({ op: 'add-destination', service, destination: foreign })
      kernel.edit({ op: 'remove-destination', service, destination: one })
    }
    const events = await diagnosed(async () => {
      pools.push(await MirroredPool.open(kernel, dns))
    })
    expect(kernel.changes().map(show)).toEqual([
      'ensure-destination tcp 192.0.2.1:53 -> 10.1.0.1:53 1',
      'ensure-destination udp 192.0.2.1:53 -> 10.1.0.1:53 1',
      'ensure-no-destination tcp 192.0.2.1:53 -> 10.9.9.9:53',
      'ensure-no-destination udp 192.0.2.1:53 -> 10.9.9.9:53',
    ])
    expect(events).toMatchObject([
      { name: 'drift', found: 'unexpected', destination: '10.9.9.9:53', after: undefined },
      { name: 'drift', found: 'unexpected', destination: '10.9.9.9:53', after: undefined },
    ])
  })

  it('leaves other services alone', async () => {
    const kernel = fresh()
    const other: Service = { ...TCP, port: 80, scheduler: 'rr' }
    kernel.edit({ op: 'add-service', service: other })
    kernel.edit({ op: 'add-destination', service: other, destination: { ...foreign, port: 80 } })
    const pool = await open(kernel)
    await pool.close({ withdraw: true })
    expect(kernel.rules()).toEqual([
      'tcp 192.0.2.1:80 rr',
      'tcp 192.0.2.1:80 -> 10.9.9.9:80 direct 1',
    ])
  })

  it('is owned by one pool of this process, until that is closed', async () => {
    const kernel = fresh()
    const first = await open(kernel, { name: 'first' })
    const second = { ...dns, protocols: ['udp'] } as const
    await expect(MirroredPool.open(kernel, second)).rejects.toMatchObject({
      code: 'ERR_IPVS_OWNED',
      message: expect.stringMatching(/udp 192\.0\.2\.1:53 belongs to pool "first"/),
    })
    await open(fresh(), { name: 'another namespace' })
    await open(kernel, { port: 54 } as Partial<MirroredPoolOptions>)
    await first.close()
    await open(kernel, second)
  })

  it('rejects and lets go if the kernel refuses the pool', async () => {
    const kernel = fresh()
    kernel.fail = ({ op }) =>
      op === 'ensure-service'
        ? { error: new IpvsError('ERR_IPVS_NO_SCHEDULER', 'none') }
        : undefined
    await expect(open(kernel)).rejects.toMatchObject({ code: 'ERR_IPVS_NO_SCHEDULER' })
    kernel.fail = undefined
    await open(kernel)
    expect(kernel.rules()).toEqual(FULL)
  })

  it('gets over a failure that does not last', async () => {
    const kernel = fresh()
    let failures = 2
    kernel.fail = () =>
      failures-- > 0 ? { error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') } : undefined
    await open(kernel)
    expect(kernel.rules()).toEqual(FULL)
  })

  it('does with initial: down what down does', async () => {
    const kernel = filled()
    await open(kernel, { initial: 'down' })
    expect(kernel.rules()).toEqual(['tcp 192.0.2.1:53 wrr', 'udp 192.0.2.1:53 wrr ops'])
  })
})

describe('adoption', () => {
  it('keeps what carries traffic, waits for the others, removes nothing before all are decided', async () => {
    const kernel = filled()
    kernel.edit({ op: 'remove-destination', service: UDP, destination: one })
    kernel.edit({ op: 'add-destination', service: UDP, destination: { ...one, weight: 0 } })
    kernel.edit({ op: 'replace-destination', service: TCP, destination: { ...one, weight: 0 } })
    kernel.edit({ op: 'add-destination', service: TCP, destination: foreign })
    const pool = await MirroredPool.open(kernel, {
      ...dns,
      servers: [...dns.servers, '10.1.0.3'],
      initial: 'adopt',
    })
    pools.push(pool)
    expect(kernel.batches).toEqual([])
    expect([...pool.members()].map(({ state }) => state)).toEqual(['unknown', 'up', 'unknown'])
    const events = record(pool)

    await pool.report(member(pool, 1), healthy)
    await pool.up('10.1.0.1')
    expect(kernel.changes().map(show)).toEqual([
      'replace-destination tcp 192.0.2.1:53 -> 10.1.0.1:53 1',
      'replace-destination udp 192.0.2.1:53 -> 10.1.0.1:53 1',
    ])
    kernel.batches.length = 0
    await pool.report(member(pool, 2), sick)
    expect(kernel.changes().map(show)).toEqual([
      'ensure-no-destination tcp 192.0.2.1:53 -> 10.9.9.9:53',
    ])
    expect(kernel.rules()).toEqual(FULL)
    expect(events).toMatchObject([
      {
        name: 'up',
        server: '10.1.0.1:53',
        initial: true,
        cause: 'call',
        before: { health: 'unknown' },
      },
      {
        name: 'down',
        server: '10.1.0.3:53',
        initial: true,
        cause: 'health',
        reason: 'dns: no answer',
      },
      { name: 'drift', found: 'unexpected', destination: '10.9.9.9:53' },
    ])
  })

  it('ends the wait too when the last verdict could not be programmed at once', async () => {
    const kernel = filled()
    kernel.edit({ op: 'add-destination', service: TCP, destination: foreign })
    const pool = await open(kernel, { initial: 'adopt' })
    await pool.up('10.1.0.1')
    kernel.fail = () => ({ error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') })
    await expect(pool.down('10.1.0.2')).rejects.toThrow('ENOMEM')
    kernel.fail = undefined
    vi.advanceTimersByTime(1000)
    await quiet()
    expect(kernel.rules()).toEqual(FULL.filter((rule) => !rule.includes('10.1.0.2')))
  })

  it('repairs the weight and the missing half of a server that it keeps', async () => {
    const kernel = filled()
    kernel.edit({ op: 'replace-destination', service: TCP, destination: { ...two, weight: 3 } })
    kernel.edit({ op: 'remove-destination', service: UDP, destination: two })
    await open(kernel, { initial: 'adopt' })
    expect(kernel.rules()).toEqual(FULL)
  })

  it('keeps the one-packet setting of a service unless told', async () => {
    const kernel = filled()
    kernel.edit({ op: 'replace-service', service: { ...UDP, scheduler: 'wrr' } })
    const kept = await open(kernel)
    expect(kernel.rules()[3]).toBe('udp 192.0.2.1:53 wrr')
    expect(kept.status().warnings).toEqual([])
    await kept.close()

    const told = await open(kernel, { onePacket: true })
    const events = record(told)
    await quiet()
    expect(kernel.rules()[3]).toBe('udp 192.0.2.1:53 wrr ops')
    expect(events).toMatchObject([
      { name: 'warning', code: 'one-packet-live', initial: true },
      { name: 'drift', differences: [{ field: 'onePacket', actual: false, desired: true }] },
    ])
    expect(told.status().warnings).toMatchObject([{ code: 'one-packet-live' }])
  })
})

describe('a flip', () => {
  it.each<[string, (pool: MirroredPool) => Promise<void>, string[]]>([
    [
      'down',
      (pool) => pool.down('10.1.0.2'),
      [
        'remove-destination tcp 192.0.2.1:53 -> 10.1.0.2:53',
        'remove-destination udp 192.0.2.1:53 -> 10.1.0.2:53',
      ],
    ],
    [
      'setWeight',
      (pool) => pool.setWeight('10.1.0.2', 9),
      [
        'replace-destination tcp 192.0.2.1:53 -> 10.1.0.2:53 9',
        'replace-destination udp 192.0.2.1:53 -> 10.1.0.2:53 9',
      ],
    ],
    [
      'setAdmin drain',
      (pool) => pool.setAdmin('10.1.0.2', 'drain'),
      [
        'replace-destination tcp 192.0.2.1:53 -> 10.1.0.2:53 0',
        'replace-destination udp 192.0.2.1:53 -> 10.1.0.2:53 0',
      ],
    ],
    [
      'setAdmin maintenance',
      (pool) => pool.setAdmin('10.1.0.2', 'maintenance'),
      [
        'remove-destination tcp 192.0.2.1:53 -> 10.1.0.2:53',
        'remove-destination udp 192.0.2.1:53 -> 10.1.0.2:53',
      ],
    ],
    [
      'add',
      (pool) => pool.add({ address: '10.1.0.3', weight: 2 }),
      [
        'add-destination tcp 192.0.2.1:53 -> 10.1.0.3:53 2',
        'add-destination udp 192.0.2.1:53 -> 10.1.0.3:53 2',
      ],
    ],
    [
      'remove',
      (pool) => pool.remove('10.1.0.2'),
      [
        'remove-destination tcp 192.0.2.1:53 -> 10.1.0.2:53',
        'remove-destination udp 192.0.2.1:53 -> 10.1.0.2:53',
      ],
    ],
    [
      'report',
      (pool) => pool.report(member(pool, 1), { ...healthy, weightFactor: 0.5 }),
      [
        'replace-destination tcp 192.0.2.1:53 -> 10.1.0.2:53 3',
        'replace-destination udp 192.0.2.1:53 -> 10.1.0.2:53 3',
      ],
    ],
  ])('%s is one batch, TCP and UDP next to each other', async (_, flip, changes) => {
    const kernel = fresh()
    const pool = await open(kernel)
    const reads = kernel.reads
    await flip(pool)
    expect(kernel.batches.map((batch) => batch.map(show))).toEqual([changes])
    expect(kernel.reads).toBe(reads)
    expect(pool.status().converged).toBe(true)
  })

  it.each<[string, (pool: MirroredPool) => Promise<void>]>([
    ['up of an up server', (pool) => pool.up('10.1.0.1')],
    ['the weight it has', (pool) => pool.setWeight('10.1.0.2', 5)],
    ['ready', (pool) => pool.setAdmin('10.1.0.1', 'ready')],
  ])('that changes nothing sends nothing: %s', async (_, flip) => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = record(pool)
    await flip(pool)
    expect([kernel.batches, events]).toEqual([[], []])
  })

  it('goes by protocol where onDown does', async () => {
    const kernel = fresh()
    const pool = await open(kernel, { onDown: { tcp: 'quiesce' } })
    await pool.down('10.1.0.1')
    expect(kernel.changes().map(show)).toEqual([
      'replace-destination tcp 192.0.2.1:53 -> 10.1.0.1:53 0',
      'remove-destination udp 192.0.2.1:53 -> 10.1.0.1:53',
    ])
    await pool.up('10.1.0.1')
    expect(kernel.rules()).toEqual(FULL)
  })

  it('leaves health and admin to themselves', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    await pool.setAdmin('10.1.0.1', 'maintenance')
    await pool.down('10.1.0.1')
    await pool.up('10.1.0.1')
    await pool.setWeight('10.1.0.1', 7)
    expect(kernel.rules()).not.toContain('tcp 192.0.2.1:53 -> 10.1.0.1:53 direct 7')
    await pool.setAdmin('10.1.0.1', 'drain')
    expect(kernel.rules()).toContain('udp 192.0.2.1:53 -> 10.1.0.1:53 direct 0')
    await pool.setAdmin('10.1.0.1', 'ready')
    expect(kernel.rules()).toContain('udp 192.0.2.1:53 -> 10.1.0.1:53 direct 7')
  })

  it('takes a server in any of its spellings, and names the known ones for another', async () => {
    const kernel = fresh()
    const pool = await open(kernel, {
      address: '2001:db8::53',
      servers: ['2001:db8:1::1', '[2001:db8:1::2]:53'],
    } as never)
    for (const server of [
      '2001:db8:1::1',
      '[2001:DB8:1:0::1]:53',
      { address: '2001:db8:1::1' },
      { address: '2001:db8:1::1', port: 53 },
    ]) {
      await pool.down(server)
      await pool.up(server)
    }
    expect(kernel.batches).toHaveLength(8)
    for (const call of [
      () => pool.up('10.9.9.9'),
      () => pool.remove('[2001:db8:1::1]:54'),
      () => pool.setWeight('10.9.9.9:53', 1),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'ERR_IPVS_NO_SERVER',
        message: expect.stringContaining('[2001:db8:1::1]:53, [2001:db8:1::2]:53'),
      })
    }
    await expect(pool.up('')).rejects.toThrow(RangeError)
    await expect(pool.setWeight('2001:db8:1::1', -1)).rejects.toMatchObject({ option: 'weight' })
    await expect(pool.setAdmin('2001:db8:1::1', 'up' as never)).rejects.toMatchObject({
      option: 'admin',
    })
    await expect(pool.add('2001:db8:1::1')).rejects.toMatchObject({
      option: 'server',
      name: 'RangeError',
    })
  })

  it('1,000 at once end in the value of the last one, without a read', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const reads = kernel.reads
    const events = record(pool)
    const calls = Array.from({ length: 1000 }, (_, i) => {
      if (i % 4 === 0) return pool.down('10.1.0.1')
      if (i % 4 === 1) return pool.up('10.1.0.1')
      return i % 4 === 2
        ? pool.setWeight('10.1.0.1', i)
        : pool.setAdmin('10.1.0.1', i % 8 < 4 ? 'drain' : 'ready')
    })
    await Promise.all(calls)
    expect(kernel.rules()).toContain('tcp 192.0.2.1:53 -> 10.1.0.1:53 direct 998')
    expect(kernel.rules()).toContain('udp 192.0.2.1:53 -> 10.1.0.1:53 direct 998')
    expect(kernel.reads).toBe(reads)
    expect(names(events)).toEqual(Array.from({ length: 500 }, (_, i) => (i % 2 ? 'up' : 'down')))
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1))
  })

  it('does not resolve before what an earlier one has under way for the same server', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    void pool.down('10.1.0.1')
    await pool.down('10.1.0.1')
    expect(kernel.rules()).not.toContain('tcp 192.0.2.1:53 -> 10.1.0.1:53 direct 1')
  })

  it('add after remove, both at once', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    await Promise.all([
      pool.remove('10.1.0.1'),
      pool.add({ address: '10.1.0.1', weight: 4 }),
      pool.remove('10.1.0.1'),
      pool.add({ address: '10.1.0.1', weight: 6 }),
    ])
    expect(kernel.rules()).toContain('tcp 192.0.2.1:53 -> 10.1.0.1:53 direct 6')
    await pool.reconcile()
    expect(pool.status()).toMatchObject({ converged: true, servers: [{}, {}] })
    await pool.remove('10.1.0.1')
    expect(pool.status().servers.map(({ server }) => server)).toEqual(['10.1.0.2:53'])
  })
})

describe('a change that fails', () => {
  it('does not take a server away that has come back meanwhile', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    let failures = 2
    kernel.fail = () =>
      failures-- > 0 ? { error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') } : undefined
    await Promise.all([pool.remove('10.1.0.1'), pool.add('10.1.0.1')])
    await quiet()
    expect(kernel.rules()).toEqual(FULL)
    expect(kernel.changes().map(({ op }) => op)).not.toContain('ensure-no-destination')
  })

  it('diverged, then repaired: the UDP half was deleted by hand', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = record(pool)
    kernel.edit({ op: 'remove-destination', service: UDP, destination: one })
    await pool.setWeight('10.1.0.1', 7)
    expect(kernel.rules().filter((rule) => rule.includes('10.1.0.1'))).toEqual([
      'tcp 192.0.2.1:53 -> 10.1.0.1:53 direct 7',
      'udp 192.0.2.1:53 -> 10.1.0.1:53 direct 7',
    ])
    expect(events).toMatchObject([
      {
        name: 'diverged',
        server: '10.1.0.1:53',
        errors: [{ service: 'udp 192.0.2.1:53', error: { code: 'ERR_IPVS_NO_DESTINATION' } }],
        before: { 'tcp 192.0.2.1:53': 1, 'udp 192.0.2.1:53': 1 },
        after: { 'tcp 192.0.2.1:53': 7, 'udp 192.0.2.1:53': 'absent' },
      },
      {
        name: 'drift',
        found: 'missing',
        service: 'udp 192.0.2.1:53',
        destination: '10.1.0.1:53',
        server: '10.1.0.1:53',
        cause: 'repair',
      },
    ])
    expect(pool.status()).toMatchObject({ converged: true, servers: [{ error: undefined }, {}] })
  })

  it('re-creates a service that was deleted by hand, with all its servers', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    await pool.down('10.1.0.1')
    kernel.edit({ op: 'remove-service', service: UDP })
    const events = record(pool)
    await pool.up('10.1.0.1')
    expect(kernel.rules()).toEqual(FULL)
    expect(events).toMatchObject([
      { name: 'diverged' },
      { name: 'drift', found: 'missing', service: 'udp 192.0.2.1:53' },
      { name: 'up' },
    ])
  })

  it('has not failed if the server is gone as it should be', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = record(pool)
    kernel.edit({ op: 'remove-destination', service: UDP, destination: one })
    await pool.down('10.1.0.1')
    expect(names(events)).toEqual(['down'])
  })

  it('takes over what another writer was faster to add', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = record(pool)
    kernel.edit({
      op: 'add-destination',
      service: UDP,
      destination: { ...one, address: '10.1.0.3', weight: 9 },
    })
    await pool.add('10.1.0.3')
    expect(kernel.rules()).toContain('udp 192.0.2.1:53 -> 10.1.0.3:53 direct 1')
    expect(events).toMatchObject([
      { name: 'diverged', errors: [{ error: { code: 'ERR_IPVS_EXISTS' } }] },
      {
        name: 'drift',
        found: 'different',
        differences: [{ field: 'weight', actual: 9, desired: 1 }],
      },
    ])
  })

  it('settles a lost answer by reading', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = record(pool)
    let lost = 1
    kernel.fail = () =>
      lost-- > 0
        ? { error: new IpvsError('ERR_IPVS_UNKNOWN_OUTCOME', 'lost'), lost: true }
        : undefined
    await pool.down('10.1.0.1')
    expect(kernel.changes()).toHaveLength(2)
    expect(names(events)).toEqual(['diverged', 'down'])
    expect(pool.status().converged).toBe(true)
  })

  it('is not lost when it keeps failing: rejects, error, later the event', async () => {
    const kernel = fresh()
    const pool = await open(kernel, { reconcileIntervalMs: 0 })
    const events = record(pool)
    kernel.fail = ({ service }) =>
      service.protocol === 'udp' ? { error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') } : undefined
    const flips = [pool.down('10.1.0.1'), pool.setWeight('10.1.0.1', 3), pool.down('10.1.0.1')]
    for (const flip of flips) await expect(flip).rejects.toMatchObject({ code: 'ERR_IPVS_MEMORY' })
    expect(names(events)).toEqual(['diverged', 'error'])
    expect(events[1]).toMatchObject({
      server: '10.1.0.1:53',
      error: { code: 'ERR_IPVS_MEMORY' },
      cause: 'repair',
    })
    expect(pool.status()).toMatchObject({
      converged: false,
      servers: [{ error: 'ENOMEM', health: 'down', fronts: { 'tcp 192.0.2.1:53': 'absent' } }, {}],
    })

    vi.advanceTimersByTime(1000)
    await quiet()
    // It is told once that it has failed, however often it is tried.
    expect(names(events)).toEqual(['diverged', 'error'])
    kernel.fail = undefined
    vi.advanceTimersByTime(1999)
    await quiet()
    expect(pool.status().converged).toBe(false)
    vi.advanceTimersByTime(1)
    await quiet()
    expect(names(events)).toEqual(['diverged', 'error', 'down'])
    expect(pool.status()).toMatchObject({ converged: true, servers: [{ error: undefined }, {}] })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is repaired by a later flip of the same server too', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    kernel.fail = ({ service }) =>
      service.protocol === 'udp' ? { error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') } : undefined
    await expect(pool.down('10.1.0.1')).rejects.toThrow('ENOMEM')
    kernel.fail = undefined
    const events = record(pool)
    await pool.down('10.1.0.1')
    expect(names(events)).toEqual(['down'])
    expect(kernel.rules()).not.toContain('udp 192.0.2.1:53 -> 10.1.0.1:53 direct 1')
  })

  it('tells of one divergence once, however many flips meet it', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = record(pool)
    kernel.edit({ op: 'remove-destination', service: UDP, destination: one })
    await Promise.all(Array.from({ length: 100 }, (_, i) => pool.setWeight('10.1.0.1', i + 1)))
    expect(names(events).filter((name) => name === 'diverged')).toHaveLength(1)
    expect(kernel.rules()).toContain('udp 192.0.2.1:53 -> 10.1.0.1:53 direct 100')
    expect(kernel.reads).toBeLessThan(30)
  })

  it('rejects with the reason when the kernel cannot be read either', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    kernel.fail = () => ({ error: new IpvsError('ERR_IPVS_NOT_SENT', 'not sent') })
    kernel.failRead = () => new IpvsError('ERR_IPVS_TIMEOUT', 'timeout')
    await expect(pool.down('10.1.0.1')).rejects.toMatchObject({ code: 'ERR_IPVS_NOT_SENT' })
  })
})

describe('reconcile', () => {
  it('sends nothing if nothing differs', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    expect(await pool.reconcile()).toMatchObject({ changes: [], total: 0, failed: 0, outcomes: [] })
    expect(kernel.batches).toEqual([])
  })

  it('puts right what others changed, additions first', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = record(pool)
    await pool.down('10.1.0.2')
    kernel.batches.length = 0
    kernel.edit({ op: 'remove-service', service: TCP })
    kernel.edit({ op: 'add-destination', service: UDP, destination: two })
    kernel.edit({ op: 'add-destination', service: UDP, destination: foreign })
    kernel.edit({ op: 'replace-destination', service: UDP, destination: { ...one, weight: 0 } })
    const { changes, outcomes, failed } = await pool.reconcile()
    expect(changes.map(show)).toEqual([
      'ensure-service tcp 192.0.2.1:53',
      'ensure-destination tcp 192.0.2.1:53 -> 10.1.0.1:53 1',
      'replace-destination udp 192.0.2.1:53 -> 10.1.0.1:53 1',
      'ensure-no-destination udp 192.0.2.1:53 -> 10.1.0.2:53',
      'ensure-no-destination udp 192.0.2.1:53 -> 10.9.9.9:53',
    ])
    expect([outcomes.length, failed]).toEqual([5, 0])
    expect(events.slice(1)).toMatchObject([
      { name: 'drift', found: 'missing', service: 'tcp 192.0.2.1:53', cause: 'reconcile' },
      { name: 'drift', found: 'different', destination: '10.1.0.1:53' },
      { name: 'drift', found: 'unexpected', destination: '10.1.0.2:53' },
      { name: 'drift', found: 'unexpected', destination: '10.9.9.9:53' },
    ])
    expect((await pool.reconcile()).changes).toEqual([])
  })

  it('never undoes a flip that comes in between, at any point', async () => {
    for (let delay = 0; delay < 12; delay++) {
      const kernel = fresh()
      const pool = await open(kernel)
      kernel.edit({ op: 'remove-destination', service: UDP, destination: one })
      const events = record(pool)
      const reconciled = pool.reconcile()
      for (let i = 0; i < delay; i++) await new Promise((resolve) => setImmediate(resolve))
      await Promise.all([
        pool.down('10.1.0.1'),
        pool.setWeight('10.1.0.2', 8),
        pool.add('10.1.0.3'),
        reconciled,
      ])
      await pool.remove('10.1.0.3')
      await quiet()
      expect(kernel.rules()).toEqual([
        'tcp 192.0.2.1:53 wrr',
        'tcp 192.0.2.1:53 -> 10.1.0.2:53 direct 8',
        'udp 192.0.2.1:53 wrr ops',
        'udp 192.0.2.1:53 -> 10.1.0.2:53 direct 8',
      ])
      expect(pool.status().converged, `after ${delay}`).toBe(true)
      // The deletion shows as drift, unless the flip came first and agreed with it.
      expect(names(events).filter((name) => name === 'drift').length).toBeLessThanOrEqual(1)
      expect(names(events).filter((name) => name !== 'drift' && name !== 'down')).toEqual([])
    }
  })

  it('is overtaken by a flip of the same server, which it does not undo', async () => {
    for (const flip of ['setWeight', 'down'] as const) {
      const kernel = fresh()
      const pool = await open(kernel)
      const events = record(pool)
      const { reads } = kernel
      kernel.edit({ op: 'remove-destination', service: UDP, destination: one })
      kernel.edit({ op: 'replace-destination', service: TCP, destination: { ...one, weight: 9 } })
      let flipped: Promise<void> | undefined
      kernel.before = () => {
        if (kernel.bulkWaits)
          flipped ??= flip === 'down' ? pool.down('10.1.0.1') : pool.setWeight('10.1.0.1', 7)
      }
      const { outcomes } = await pool.reconcile()
      await flipped
      expect(outcomes.map(({ status }) => status)).toEqual(['superseded', 'superseded'])
      expect(kernel.rules().filter((rule) => rule.includes('10.1.0.1:'))).toEqual(
        flip === 'down'
          ? []
          : [
              'tcp 192.0.2.1:53 -> 10.1.0.1:53 direct 7',
              'udp 192.0.2.1:53 -> 10.1.0.1:53 direct 7',
            ],
      )
      await quiet()
      expect(names(events).filter((name) => name !== 'down')).toEqual(['drift', 'drift'])
      expect(kernel.reads - reads).toBe(4)
      expect(pool.status().converged).toBe(true)
    }
  })

  it('is shared by those who ask before it begins', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const reads = kernel.reads
    await Promise.all(Array.from({ length: 50 }, () => pool.reconcile()))
    expect(kernel.reads - reads).toBeLessThanOrEqual(8)
  })

  it('tells about settings anew', async () => {
    const kernel = fresh()
    const pool = await open(kernel, { onePacket: false })
    const events = record(pool)
    kernel.values.expire_nodest_conn = 0
    await pool.reconcile()
    await pool.reconcile()
    expect(events).toMatchObject([{ name: 'warning', code: 'udp-black-hole', cause: 'reconcile' }])
    expect(pool.status().warnings).toHaveLength(1)
    kernel.values.expire_nodest_conn = 1
    await pool.reconcile()
    expect(pool.status().warnings).toEqual([])
  })
})

describe('close', () => {
  it('leaves the kernel as it is', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    await pool.close()
    await pool.close({ withdraw: true })
    expect(kernel.rules()).toEqual(FULL)
    const calls = [
      () => pool.up('10.1.0.1'),
      () => pool.setWeight('10.1.0.1', 1),
      () => pool.add('10.1.0.9'),
      () => pool.remove('10.1.0.1'),
      () => pool.reconcile(),
      () => pool.report({ key: '10.1.0.1:53', address: '10.1.0.1', port: 53 }, sick),
    ]
    for (const call of calls)
      await expect(call()).rejects.toMatchObject({ code: 'ERR_IPVS_CLOSED' })
    expect([...pool.members()]).toEqual([])
  })

  it('waits for what is under way', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const flip = pool.down('10.1.0.1')
    await pool.close()
    expect(kernel.rules()).toHaveLength(4)
    await flip
  })

  it('ends retries', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    kernel.fail = () => ({ error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') })
    const flip = pool.down('10.1.0.1')
    flip.catch(() => {})
    await quiet(3)
    await expect(pool.close({ withdraw: true })).rejects.toThrow('ENOMEM')
    pools.length = 0
    await expect(flip).rejects.toThrow()
    const { length } = kernel.batches
    await quiet()
    expect(kernel.batches).toHaveLength(length)
  })

  it('withdraws, and says if that has failed', async () => {
    const kernel = fresh()
    await (await open(kernel)).close({ withdraw: true })
    expect(kernel.rules()).toEqual([])
    const pool = await open(kernel)
    kernel.fail = () => ({ error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') })
    await expect(pool.close({ withdraw: true })).rejects.toThrow('ENOMEM')
    pools.length = 0
    kernel.fail = undefined
    await open(kernel)
  })

  it('happens at the end of the block', async () => {
    const kernel = fresh()
    {
      await using pool = await MirroredPool.open(kernel, dns)
      await pool.down('10.1.0.1')
    }
    await open(kernel)
  })
})

describe('for health checkers', () => {
  it('lists its members, tells of changes, ignores verdicts about those that left', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    expect([...pool.members()]).toMatchObject([
      { key: '10.1.0.1:53', address: '10.1.0.1', port: 53, state: 'up' },
      { key: '10.1.0.2:53', address: '10.1.0.2', port: 53, state: 'up' },
    ])
    const gone = member(pool, 0)
    const seen: number[] = []
    const stop = pool.onMembers(() => seen.push([...pool.members()].length))
    await pool.add('10.1.0.3')
    await pool.remove('10.1.0.1')
    await pool.report(gone, sick)
    stop()
    await pool.remove('10.1.0.3')
    expect(seen).toEqual([3, 2])
    pool.onMembers(() => seen.push([...pool.members()].length))
    await pool.close()
    expect(seen).toEqual([3, 2, 0])
  })

  it('gives port 0 behind a mark', async () => {
    const kernel = fresh()
    const { address: _, port: __, ...rest } = dns
    const pool = await MirroredPool.open(kernel, { ...rest, fronts: [{ fwmark: 7 }] })
    pools.push(pool)
    expect([...pool.members()][0]).toMatchObject({ key: '10.1.0.1:0', port: 0 })
    expect(kernel.rules()).toEqual([
      'fwmark 7 ipv4 wrr',
      'fwmark 7 ipv4 -> 10.1.0.1:0 direct 1',
      'fwmark 7 ipv4 -> 10.1.0.2:0 direct 5',
    ])
  })
})

describe('events', () => {
  it('come after the kernel has it and before the promise resolves, with both states', async () => {
    const kernel = fresh()
    const pool = await open(kernel, { name: 'dns' })
    const order: string[] = []
    pool.on('down', (event) => {
      order.push('event')
      expect(kernel.rules()).toHaveLength(4)
      expect(event).toEqual({
        sequence: 1,
        time: expect.any(Number),
        pool: 'dns',
        server: '10.1.0.2:53',
        cause: 'health',
        reason: 'dns: no answer',
        initial: true,
        before: { admin: 'ready', health: 'up', weight: 5, effectiveWeight: 5 },
        after: { admin: 'ready', health: 'down', weight: 5, effectiveWeight: 0 },
      })
    })
    await pool.report(member(pool, 1), sick)
    order.push('resolved')
    expect(order).toEqual(['event', 'resolved'])
  })

  it('go to diagnostics_channel', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const events = await diagnosed(() => pool.down('10.1.0.1'))
    expect(events).toMatchObject([{ name: 'down', server: '10.1.0.1:53' }])
  })

  it('report a listener that throws, once, and go on', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    const seen: string[] = []
    pool.on('down', () => {
      throw new Error('mine')
    })
    pool.once('down', () => seen.push('second'))
    pool.once('down', async () => {
      throw new Error('async')
    })
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    await pool.down('10.1.0.1')
    await quiet(2)
    expect(warning).toHaveBeenCalledTimes(2)
    expect(String(warning.mock.calls[0]![0])).toContain(
      "a listener of 'down' has thrown: Error: mine",
    )

    const errors = vi.fn(() => {
      throw new Error('mine too')
    })
    pool.on('error', errors)
    await pool.up('10.1.0.1')
    await pool.down('10.1.0.1')
    expect(seen).toEqual(['second'])
    expect(errors).toHaveBeenCalledTimes(1)
    expect(errors.mock.calls[0]).toMatchObject([
      { error: { message: 'mine' }, reason: "a listener of 'down' has thrown" },
    ])
    expect(warning).toHaveBeenCalledTimes(3)
    warning.mockRestore()
  })

  it('error without a listener does no harm', async () => {
    const kernel = fresh()
    const pool = await open(kernel)
    kernel.fail = () => ({ error: new IpvsError('ERR_IPVS_MEMORY', 'ENOMEM') })
    await expect(pool.down('10.1.0.1')).rejects.toThrow('ENOMEM')
  })

  it('warn of a drain that persistence defeats', async () => {
    const kernel = fresh()
    kernel.values.expire_quiescent_template = 0
    const pool = await open(kernel, { persistence: { timeoutSeconds: 60 } })
    const events = record(pool)
    await pool.setAdmin('10.1.0.1', 'drain')
    await pool.setAdmin('10.1.0.2', 'drain')
    expect(events).toMatchObject([{ name: 'warning', code: 'persistent-quiesce', cause: 'call' }])
  })
})

it('status is a table', async () => {
  const kernel = fresh()
  const pool = await open(kernel, { name: 'dns' })
  await pool.setAdmin('10.1.0.2', 'drain')
  await pool.report(member(pool, 0), sick)
  expect(pool.status()).toEqual({
    pool: 'dns',
    role: 'active',
    fronts: ['tcp 192.0.2.1:53', 'udp 192.0.2.1:53'],
    missing: [],
    reads: { intervalMs: 1000, readMs: 0, share: 0, lookedAt: expect.any(Number) },
    servers: [
      {
        server: '10.1.0.1:53',
        backup: false,
        serves: false,
        admin: 'ready',
        health: 'down',
        weight: 1,
        effectiveWeight: 0,
        fronts: { 'tcp 192.0.2.1:53': 'absent', 'udp 192.0.2.1:53': 'absent' },
        since: expect.any(Number),
        reason: 'dns: no answer',
        error: undefined,
      },
      {
        server: '10.1.0.2:53',
        backup: false,
        serves: true,
        admin: 'drain',
        health: 'up',
        weight: 5,
        effectiveWeight: 0,
        fronts: { 'tcp 192.0.2.1:53': 0, 'udp 192.0.2.1:53': 0 },
        since: expect.any(Number),
        reason: '',
        error: undefined,
      },
    ],
    converged: true,
    quorum: false,
    needs: [
      expect.stringMatching(/^direct: .*arp_ignore=1/),
      expect.stringMatching(/^UDP: one-packet/),
    ],
    warnings: [],
  })
})
