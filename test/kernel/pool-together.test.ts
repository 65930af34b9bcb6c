// What a pool does about its servers together, on a real kernel; ipvsadm is the witness.
import { expect, onTestFinished, test, vi } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Ipvs } from '../../src/client.js'
import type { MirroredPoolOptions } from '../../src/pool/api.js'
import { MirroredPool } from '../../src/pool/index.js'
import { twoServers } from '../unit/pool/two-servers.js'
import { namespace } from './namespace.js'
import { ipvs, ns, setUp } from './setup.js'

const base = { ...twoServers, forwarding: 'direct' } as const satisfies MirroredPoolOptions

kernelSuite('a pool and its servers together', () => {
  setUp()

  async function open(
    options: Partial<MirroredPoolOptions> = {},
    client: Ipvs = ipvs,
  ): Promise<MirroredPool> {
    const pool = await MirroredPool.open(client, { ...base, ...options } as MirroredPoolOptions)
    onTestFinished(() => pool.close())
    return pool
  }

  /** `tcp 10.1.0.1 1`, sorted. */
  const held = () =>
    ns
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
    ns.ipvsadm('-A', '-t', '192.0.2.9:80')
    const pool = await open({ quorum: { up: 2, onLost: 'withdraw' } })
    await pool.down('10.1.0.1')
    expect(ns.rules()).toEqual(['-A -t 192.0.2.9:80 -s wlc'])
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
    await using pool = await MirroredPool.open(ipvs, {
      ...rest,
      fronts: [
        { address: '192.0.2.1', port: 53 },
        { address: '2001:db8::1', port: 53 },
        { address: '192.0.2.1', port: 853, protocols: ['tcp'] },
        { fwmark: 7, family: 'ipv6' },
      ],
      servers: [{ address: '10.1.0.1', secondAddress: '2001:db8::a' }],
    })
    const servers = () => ns.rules().filter((rule) => rule.startsWith('-a'))
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
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const pool = await open({
      servers: [{ address: '10.1.0.1', weight: 100 }],
      slowStart: { durationMs: 1000, steps: 4, from: 0.1 },
    })
    await pool.down('10.1.0.1')
    await pool.up('10.1.0.1')
    for (const weight of [10, 33, 55, 78, 100]) {
      // What is read comes after what the clock had written.
      await ipvs.services()
      expect(held()).toEqual([`t 10.1.0.1 ${weight}`, `u 10.1.0.1 ${weight}`])
      vi.advanceTimersByTime(250)
    }
  })

  test('a drain of an idle server ends at once', async () => {
    const pool = await open()
    expect(await pool.drain('10.1.0.1')).toMatchObject({ outcome: 'idle', active: 0 })
    expect(held()).toEqual(['t 10.1.0.2 1', 'u 10.1.0.2 1'])
  })

  test('the timer finds what ipvsadm has done', async () => {
    const pool = await open({ reconcileIntervalMs: 100 })
    const found: unknown[] = []
    pool.on('drift', ({ found: what, destination }) => found.push([what, destination]))
    ns.ipvsadm('-d', '-u', '192.0.2.1:53', '-r', '10.1.0.1:53')
    await expect.poll(() => found).toEqual([['missing', '10.1.0.1:53']])
    expect(held()).toHaveLength(4)
    ns.ipvsadm('-C')
    await expect.poll(held).toHaveLength(4)
  })

  test("drift: 'report' leaves it", async () => {
    const pool = await open({ drift: 'report' })
    ns.ipvsadm('-e', '-u', '192.0.2.1:53', '-r', '10.1.0.1:53', '-g', '-w', '7')
    const rules = ns.rules()
    expect((await pool.reconcile()).changes).toEqual([])
    expect(ns.rules()).toEqual(rules)
  })

  test("sysctls: 'apply' sets what UDP clients need", async () => {
    using own = namespace()
    await using client = await own.open()
    await using reporting = await open({ onePacket: false }, client)
    expect(reporting.status().warnings).toMatchObject([{ code: 'udp-black-hole' }])
    await reporting.close()
    const options = { onePacket: false, sysctls: 'apply', udpTimeoutSeconds: 12 } as const
    await using pool = await open(options, client)
    expect(pool.status().warnings).toEqual([])
    expect(own.run(['cat', '/proc/sys/net/ipv4/vs/expire_nodest_conn']).trim()).toBe('1')
    expect(own.ipvsadm('-L', '--timeout')).toMatch(/: 900 120 12$/m)
  })
})
