// What a pool does about its servers together, on a real kernel; ipvsadm is the witness.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Ipvs } from '../../src/client.js'
import { MirroredPool } from '../../src/pool/index.js'
import type { MirroredPoolOptions } from '../../src/pool/types.js'
import { kernelSuite, type Namespace, namespace } from './namespace.js'

const base = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', '10.1.0.2'],
  reconcileIntervalMs: 0,
} as const satisfies MirroredPoolOptions

kernelSuite('a pool and its servers together', () => {
  let space: Namespace
  let ipvs: Ipvs
  let pools: MirroredPool[]

  beforeEach(async () => {
    space = namespace()
    ipvs = await Ipvs.open({ netns: space.name })
    pools = []
  })

  afterEach(async () => {
    await Promise.all(pools.map((pool) => pool.close()))
    await ipvs.close()
    space.close()
  })

  async function open(options: Partial<MirroredPoolOptions> = {}): Promise<MirroredPool> {
    const pool = await MirroredPool.open(ipvs, { ...base, ...options } as MirroredPoolOptions)
    pools.push(pool)
    return pool
  }

  /** `tcp 10.1.0.1 1`, sorted. */
  const held = () =>
    space
      .rules()
      .filter((rule) => rule.startsWith('-a'))
      .map((rule) => rule.replace(/^-a -(.) \S+ -r (.*):53 -. -w (.*)$/, '$1 $2 $3'))

  test('backups come and go with the quorum', async () => {
    const pool = await open({ backup: ['10.1.0.9'], quorum: { up: 2, down: 1 } })
    await pool.down('10.1.0.1')
    expect(held()).toEqual(['t 10.1.0.2 1', 'u 10.1.0.2 1'])
    await pool.down('10.1.0.2')
    expect(held()).toEqual(['t 10.1.0.9 1', 'u 10.1.0.9 1'])
    await pool.up('10.1.0.1')
    expect(held()).toEqual(['t 10.1.0.1 1', 't 10.1.0.9 1', 'u 10.1.0.1 1', 'u 10.1.0.9 1'])
    await pool.up('10.1.0.2')
    expect(held()).toEqual(['t 10.1.0.1 1', 't 10.1.0.2 1', 'u 10.1.0.1 1', 'u 10.1.0.2 1'])
    expect((await pool.reconcile()).changes).toEqual([])
  })

  test('a lost quorum withdraws the services, and only those', async () => {
    space.ipvsadm('-A', '-t', '192.0.2.9:80')
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    await pool.down('10.1.0.1')
    expect(space.rules()).toEqual(['-A -t 192.0.2.9:80 -s wlc'])
    expect((await pool.reconcile()).changes).toEqual([])
    await pool.up('10.1.0.1')
    expect(held()).toHaveLength(4)
  })

  test('a list of servers', async () => {
    const pool = await open()
    await pool.setServers([{ address: '10.1.0.2', weight: 7 }, '10.1.0.3'])
    expect(held()).toEqual(['t 10.1.0.2 7', 't 10.1.0.3 1', 'u 10.1.0.2 7', 'u 10.1.0.3 1'])
  })

  test('addresses of both families, and two ports: one server, one batch', async () => {
    const { address: _, port: __, ...rest } = base
    const pool = await MirroredPool.open(ipvs, {
      ...rest,
      fronts: [
        { address: '192.0.2.1', port: 53 },
        { address: '2001:db8::1', port: 53 },
        { address: '192.0.2.1', port: 853, protocols: ['tcp'] },
        { fwmark: 7, family: 'ipv6' },
      ],
      servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }],
    })
    pools.push(pool)
    const servers = () => space.rules().filter((rule) => rule.startsWith('-a'))
    expect(servers()).toEqual([
      '-a -f 7 -6 -r [2001:db8::a]:0 -g -w 1',
      '-a -t 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1',
      '-a -t 192.0.2.1:853 -r 10.1.0.1:853 -g -w 1',
      '-a -t [2001:db8::1]:53 -r [2001:db8::a]:53 -g -w 1',
      '-a -u 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1',
      '-a -u [2001:db8::1]:53 -r [2001:db8::a]:53 -g -w 1',
    ])
    await pool.down('10.1.0.1')
    expect(servers()).toEqual([])
    await pool.up('10.1.0.1')
    expect(servers()).toHaveLength(6)
    expect((await pool.reconcile()).changes).toEqual([])
  })

  test('slow start gives weights that grow to the configured one', async () => {
    const pool = await open({
      servers: [{ address: '10.1.0.1', weight: 100 }],
      slowStart: { durationMs: 1000, steps: 4, from: 0.1 },
    })
    await pool.down('10.1.0.1')
    await pool.up('10.1.0.1')
    expect(held()).toEqual(['t 10.1.0.1 10', 'u 10.1.0.1 10'])
    await expect
      .poll(held, { timeout: 10_000, interval: 50 })
      .toEqual(['t 10.1.0.1 100', 'u 10.1.0.1 100'])
  })

  test('a drain of an idle server ends at once', async () => {
    const pool = await open()
    expect(await pool.drain('10.1.0.1')).toMatchObject({ outcome: 'idle', active: 0 })
    expect(held()).toEqual(['t 10.1.0.2 1', 'u 10.1.0.2 1'])
  })

  test('the timer finds what ipvsadm has done', async () => {
    const pool = await open({ reconcileIntervalMs: 200 })
    const found: unknown[] = []
    pool.on('drift', ({ found: what, destination }) => found.push([what, destination]))
    space.ipvsadm('-d', '-u', '192.0.2.1:53', '-r', '10.1.0.1:53')
    await expect.poll(held, { timeout: 10_000, interval: 50 }).toHaveLength(4)
    expect(found).toEqual([['missing', '10.1.0.1:53']])
    space.ipvsadm('-C')
    await expect.poll(held, { timeout: 10_000, interval: 50 }).toHaveLength(4)
  })

  test("drift: 'report' leaves it", async () => {
    const pool = await open({ drift: 'report' })
    space.ipvsadm('-e', '-u', '192.0.2.1:53', '-r', '10.1.0.1:53', '-g', '-w', '7')
    const rules = space.rules()
    expect((await pool.reconcile()).changes).toEqual([])
    expect(space.rules()).toEqual(rules)
  })

  test("sysctls: 'apply' sets what UDP clients need", async () => {
    await ipvs.setSysctl('expire_nodest_conn', 0)
    const reporting = await open({ onePacket: false })
    expect(reporting.status().warnings).toMatchObject([{ code: 'udp-black-hole' }])
    await pools.pop()!.close()
    const pool = await open({ onePacket: false, sysctls: 'apply', udpTimeoutSeconds: 12 })
    expect(pool.status().warnings).toEqual([])
    expect(space.run(['cat', '/proc/sys/net/ipv4/vs/expire_nodest_conn']).trim()).toBe('1')
    expect(space.ipvsadm('-L', '--timeout')).toMatch(/: 900 120 12$/m)
  })
})
