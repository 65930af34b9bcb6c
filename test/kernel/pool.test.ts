// A pool on a real kernel; ipvsadm is the witness and the other writer.
import { setImmediate } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Ipvs } from '../../src/client.js'
import type { MirroredPoolEvents, MirroredPoolOptions } from '../../src/pool/api.js'
import { MirroredPool } from '../../src/pool/index.js'
import { ipvs, ns, setUp } from './setup.js'

const dns = {
  address: '192.0.2.1',
  port: 53,
  scheduler: 'wrr',
  forwarding: 'direct',
  servers: ['10.1.0.1', { address: '10.1.0.2', weight: 5 }],
} as const satisfies MirroredPoolOptions

const FULL = [
  '-A -t 192.0.2.1:53 -s wrr',
  '-A -u 192.0.2.1:53 -s wrr -o',
  '-a -t 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1',
  '-a -t 192.0.2.1:53 -r 10.1.0.2:53 -g -w 5',
  '-a -u 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1',
  '-a -u 192.0.2.1:53 -r 10.1.0.2:53 -g -w 5',
]

type Name = keyof MirroredPoolEvents

kernelSuite('MirroredPool', () => {
  setUp()
  let events: { name: Name; [field: string]: unknown }[]

  async function open(options: Partial<MirroredPoolOptions> = {}): Promise<MirroredPool> {
    const pool = await MirroredPool.open(ipvs, { ...dns, ...options } as MirroredPoolOptions)
    onTestFinished(() => pool.close())
    events = []
    for (const name of ['up', 'down', 'drift', 'diverged', 'warning', 'error'] as const) {
      pool.on(name, (event: object) => events.push({ ...event, name }))
    }
    // Those of the opening come first.
    await setImmediate()
    return pool
  }

  test('opening makes the table, opening it again changes nothing', async () => {
    const pool = await open()
    expect(ns.rules()).toEqual(FULL)
    expect(pool.status()).toMatchObject({ converged: true, warnings: [] })
    expect((await pool.reconcile()).changes).toEqual([])
    await pool.close()
    for (const initial of ['up', 'adopt'] as const) {
      const calls = counted(ipvs)
      await using again = await MirroredPool.open(calls.client, { ...dns, initial })
      expect(calls.applied).toEqual([])
      expect([...again.members()].map(({ state }) => state)).toEqual(['up', 'up'])
    }
    expect(ns.rules()).toEqual(FULL)
  })

  test('a namespace whose service is owned has no place for a second pool', async () => {
    const first = await open({ name: 'first' })
    await using other = await ns.open({ netns: `/run/netns/${ns.name}` })
    await expect(MirroredPool.open(other, dns)).rejects.toMatchObject({ code: 'ERR_IPVS_OWNED' })
    await first.close()
    await (await MirroredPool.open(other, dns)).close()
  })

  test('flips go to both protocols', async () => {
    const pool = await open({ onDown: { tcp: 'quiesce' } })
    await pool.down('10.1.0.1')
    expect(ns.rules()).toEqual(
      FULL.flatMap((rule) => {
        if (!rule.includes('10.1.0.1:')) return [rule]
        return rule.includes('-t') ? [rule.replace('-w 1', '-w 0')] : []
      }),
    )
    await pool.up('10.1.0.1:53')
    await pool.setAdmin('10.1.0.2', 'drain')
    expect(ns.rules()).toEqual(FULL.map((rule) => rule.replace('-w 5', '-w 0')))
    await pool.setAdmin('10.1.0.2', 'ready')
    await pool.setWeight({ address: '10.1.0.1' }, 3)
    expect(ns.rules()).toEqual(FULL.map((rule) => rule.replace('-w 1', '-w 3')))
    await pool.add({ address: '10.1.0.3', weight: 9, upperThreshold: 100, lowerThreshold: 10 })
    await pool.remove('10.1.0.1')
    await pool.remove('10.1.0.2')
    expect(ns.rules()).toEqual([
      '-A -t 192.0.2.1:53 -s wrr',
      '-A -u 192.0.2.1:53 -s wrr -o',
      '-a -t 192.0.2.1:53 -r 10.1.0.3:53 -g -w 9',
      '-a -u 192.0.2.1:53 -r 10.1.0.3:53 -g -w 9',
    ])
    expect(events.map(({ name }) => name)).toEqual(['down', 'up'])
    expect((await pool.reconcile()).changes).toEqual([])
  })

  test('1,000 flips at once end in the last one', async () => {
    const pool = await open()
    await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        i % 3 === 0
          ? pool.down('10.1.0.1')
          : i % 3 === 1
            ? pool.up('10.1.0.1')
            : pool.setWeight('10.1.0.2', i),
      ),
    )
    expect(ns.rules()).toEqual(
      FULL.filter((rule) => !rule.includes('10.1.0.1:')).map((rule) =>
        rule.replace('-w 5', '-w 998'),
      ),
    )
    expect(events.filter(({ name }) => name !== 'up' && name !== 'down')).toEqual([])
  })

  describe('what ipvsadm changes, reconcile puts right with one change', () => {
    const UDP = ['-u', '192.0.2.1:53'] as const
    test.each<[string, string[], string, string]>([
      [
        'weight',
        ['-e', ...UDP, '-r', '10.1.0.2:53', '-g', '-w', '1'],
        'replace-destination',
        'weight',
      ],
      [
        'weight 0',
        ['-e', ...UDP, '-r', '10.1.0.2:53', '-g', '-w', '0'],
        'replace-destination',
        'weight',
      ],
      [
        'method',
        ['-e', ...UDP, '-r', '10.1.0.2:53', '-m', '-w', '5'],
        'replace-destination',
        'forwarding',
      ],
      [
        'upper threshold',
        ['-e', ...UDP, '-r', '10.1.0.2:53', '-g', '-w', '5', '-x', '9'],
        'replace-destination',
        'upperThreshold',
      ],
      [
        'a destination removed',
        ['-d', ...UDP, '-r', '10.1.0.2:53'],
        'ensure-destination',
        'missing',
      ],
      [
        'a destination added',
        ['-a', ...UDP, '-r', '10.9.9.9:53', '-g'],
        'ensure-no-destination',
        'unexpected',
      ],
      ['scheduler', ['-E', ...UDP, '-s', 'rr', '-o'], 'replace-service', 'scheduler'],
      ['one-packet', ['-E', ...UDP, '-s', 'wrr'], 'replace-service', 'onePacket'],
      [
        'persistence',
        ['-E', ...UDP, '-s', 'wrr', '-o', '-p', '60'],
        'replace-service',
        'persistence',
      ],
      [
        'flags',
        ['-E', ...UDP, '-s', 'wrr', '-o', '-b', 'flag-3'],
        'replace-service',
        'schedulerFlags',
      ],
    ])('%s', async (_, command, op, field) => {
      const pool = await open()
      ns.ipvsadm(...command)
      expect(ns.rules().join() === FULL.join()).toBe(field === 'upperThreshold')
      const { changes, failed } = await pool.reconcile()
      expect(changes.map((change) => change.op)).toEqual([op])
      expect(failed).toBe(0)
      expect(ns.rules()).toEqual(FULL)
      expect(events.map(({ name }) => name)).toEqual(['drift'])
      const [{ differences, found }] = events as unknown as [
        { differences: { field: string }[]; found: string },
      ]
      expect(differences[0]?.field ?? found).toBe(field)
      expect((await pool.reconcile()).changes).toEqual([])
    })

    test('several fields of a tunnel', async () => {
      const pool = await open({
        forwarding: 'tunnel',
        tunnel: { type: 'gue', port: 6080, checksum: 'standard' },
      })
      const rules = ns.rules()
      expect(rules).toContain(
        '-a -u 192.0.2.1:53 -r 10.1.0.2:53 -i -w 5 --tun-type gue --tun-port 6080 --tun-csum',
      )
      ns.ipvsadm('-e', ...UDP, '-r', '10.1.0.2:53', '-i', '-w', '5')
      expect((await pool.reconcile()).changes).toHaveLength(1)
      expect(ns.rules()).toEqual(rules)
      expect(events).toMatchObject([
        {
          differences: [
            { field: 'tunnel', actual: { type: 'ipip' }, desired: { type: 'gue', port: 6080 } },
          ],
        },
      ])
    })

    test('everything', async () => {
      const pool = await open()
      ns.ipvsadm('-C')
      await pool.reconcile()
      expect(ns.rules()).toEqual(FULL)
    })
  })

  test('adopts in place at the opening', async () => {
    ns.ipvsadm('-A', '-t', '192.0.2.1:53', '-s', 'rr')
    ns.ipvsadm('-A', '-u', '192.0.2.1:53', '-s', 'wrr')
    ns.ipvsadm('-A', '-t', '192.0.2.1:80', '-s', 'rr')
    ns.ipvsadm('-a', '-t', '192.0.2.1:53', '-r', '10.1.0.1:53', '-m', '-w', '4')
    ns.ipvsadm('-a', '-t', '192.0.2.1:53', '-r', '10.1.0.2:53', '-g', '-w', '0')
    ns.ipvsadm('-a', '-u', '192.0.2.1:53', '-r', '10.9.9.9:53', '-g')
    const pool = await open({ initial: 'adopt' })
    expect(ns.rules()).toEqual([
      '-A -t 192.0.2.1:53 -s wrr',
      '-A -t 192.0.2.1:80 -s rr',
      '-A -u 192.0.2.1:53 -s wrr',
      '-a -t 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1',
      '-a -t 192.0.2.1:53 -r 10.1.0.2:53 -g -w 0',
      '-a -u 192.0.2.1:53 -r 10.1.0.1:53 -g -w 1',
      '-a -u 192.0.2.1:53 -r 10.9.9.9:53 -g -w 1',
    ])
    // The UDP service keeps its entries, and the default of expire_nodest_conn makes that a black hole.
    expect(events).toMatchObject([
      { name: 'drift', service: 'tcp 192.0.2.1:53', differences: [{ field: 'scheduler' }] },
      {
        name: 'drift',
        destination: '10.1.0.1:53',
        differences: [{ field: 'forwarding' }, { field: 'weight' }],
      },
      { name: 'warning', code: 'udp-black-hole' },
    ])
    await pool.up('10.1.0.1')
    await pool.up('10.1.0.2')
    expect(ns.rules()).toEqual(
      [...FULL.map((rule) => rule.replace(' -o', '')), '-A -t 192.0.2.1:80 -s rr'].sort(),
    )
    await pool.close({ withdraw: true })
    expect(ns.rules()).toEqual(['-A -t 192.0.2.1:80 -s rr'])
  })

  test('the UDP half deleted by hand: diverged, then converged', async () => {
    const pool = await open()
    ns.ipvsadm('-d', '-u', '192.0.2.1:53', '-r', '10.1.0.2:53')
    await pool.setWeight('10.1.0.2', 7)
    expect(ns.rules()).toEqual(FULL.map((rule) => rule.replace('-w 5', '-w 7')))
    expect(events).toMatchObject([
      {
        name: 'diverged',
        server: '10.1.0.2:53',
        errors: [
          {
            service: 'udp 192.0.2.1:53',
            error: { code: 'ERR_IPVS_NO_DESTINATION', errnoName: 'ENOENT' },
          },
        ],
      },
      { name: 'drift', found: 'missing' },
    ])
  })

  test('the UDP service deleted by hand: up makes it anew', async () => {
    const pool = await open()
    await pool.down('10.1.0.1')
    ns.ipvsadm('-D', '-u', '192.0.2.1:53')
    await pool.up('10.1.0.1')
    expect(ns.rules()).toEqual(FULL)
    expect(events.map(({ name }) => name)).toEqual(['down', 'diverged', 'drift', 'up'])
    expect(pool.status().converged).toBe(true)
  })

  test('flips during reconciles while another writer is at work', async () => {
    const pool = await open()
    const calls: Promise<unknown>[] = []
    const removeTcp = () => {
      try {
        ns.ipvsadm('-D', '-t', '192.0.2.1:53')
      } catch (error) {
        // The pool may not have repaired the flush before it yet.
        if (!/No such service/.test(String(error))) throw error
      }
    }
    for (let i = 0; i < 60; i++) {
      if (i % 5 === 0) calls.push(pool.reconcile())
      if (i % 15 === 7) removeTcp()
      if (i % 15 === 12) ns.ipvsadm('-C')
      calls.push(i % 2 ? pool.up('10.1.0.1') : pool.down('10.1.0.1'), pool.setWeight('10.1.0.2', i))
      if (i % 4 === 0) await setImmediate()
    }
    await Promise.all(calls)
    await pool.reconcile()
    expect(ns.rules()).toEqual(FULL.map((rule) => rule.replace('-w 5', '-w 59')))
    expect(pool.status().converged).toBe(true)
  })

  test('IPv6, and IPv4 servers behind it through a tunnel', async () => {
    const first = await open({
      address: '2001:db8::53',
      servers: ['2001:db8:1::1', '[2001:db8:1::2]:53'],
    } as never)
    expect(ns.rules()).toEqual([
      '-A -t [2001:db8::53]:53 -s wrr',
      '-A -u [2001:db8::53]:53 -s wrr -o',
      '-a -t [2001:db8::53]:53 -r [2001:db8:1::1]:53 -g -w 1',
      '-a -t [2001:db8::53]:53 -r [2001:db8:1::2]:53 -g -w 1',
      '-a -u [2001:db8::53]:53 -r [2001:db8:1::1]:53 -g -w 1',
      '-a -u [2001:db8::53]:53 -r [2001:db8:1::2]:53 -g -w 1',
    ])
    await first.close({ withdraw: true })
    const mixed = {
      address: '2001:db8::53',
      protocols: ['udp'],
      forwarding: 'tunnel',
      servers: ['10.1.0.1', '2001:db8:1::1'],
    }
    const pool = await open(mixed as never)
    expect(ns.rules()).toEqual([
      '-A -u [2001:db8::53]:53 -s wrr -o',
      '-a -u [2001:db8::53]:53 -r 10.1.0.1:53 -i -w 1 --tun-type ipip',
      '-a -u [2001:db8::53]:53 -r [2001:db8:1::1]:53 -i -w 1 --tun-type ipip',
    ])
    await pool.down('10.1.0.1')
    await pool.up('10.1.0.1')
    expect((await pool.reconcile()).changes).toEqual([])
  })

  test('a mark is one service for both protocols', async () => {
    const { address: _, port: __, ...rest } = dns
    await using pool = await MirroredPool.open(ipvs, { ...rest, fronts: [{ fwmark: 7 }] })
    expect(ns.rules()).toEqual([
      '-A -f 7 -s wrr',
      '-a -f 7 -r 10.1.0.1:0 -g -w 1',
      '-a -f 7 -r 10.1.0.2:0 -g -w 5',
    ])
    await pool.down('10.1.0.1')
    expect(ns.rules()).toHaveLength(2)
    expect((await pool.reconcile()).changes).toEqual([])
  })

  test('masquerading to other ports, with persistence and a scheduler that hashes', async () => {
    const pool = await open({
      forwarding: 'masquerade',
      scheduler: 'sh',
      persistence: { timeoutSeconds: 60, netmask: '255.255.255.0' },
      servers: ['10.1.0.1:5353', '10.1.0.1:5354'],
    })
    expect(ns.rules()).toEqual([
      '-A -t 192.0.2.1:53 -s sh -p 60 -M 255.255.255.0 -b sh-fallback',
      '-A -u 192.0.2.1:53 -s sh -p 60 -M 255.255.255.0 -b sh-fallback',
      '-a -t 192.0.2.1:53 -r 10.1.0.1:5353 -m -w 1',
      '-a -t 192.0.2.1:53 -r 10.1.0.1:5354 -m -w 1',
      '-a -u 192.0.2.1:53 -r 10.1.0.1:5353 -m -w 1',
      '-a -u 192.0.2.1:53 -r 10.1.0.1:5354 -m -w 1',
    ])
    expect(pool.status().warnings.map(({ code }) => code)).toEqual(['udp-black-hole'])
    expect((await pool.reconcile()).changes).toEqual([])
  })

  test('what the kernel refuses keeps the pool from opening, with its reason', async () => {
    await expect(open({ scheduler: 'nosuch' })).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SCHEDULER',
    })
    await open()
  })
})

/** The client, with what goes through `apply` written down. */
function counted(ipvs: Ipvs) {
  const applied: unknown[] = []
  const client = {
    namespace: ipvs.namespace,
    service: ipvs.service.bind(ipvs),
    destinations: ipvs.destinations.bind(ipvs),
    sysctls: ipvs.sysctls.bind(ipvs),
    setSysctl: ipvs.setSysctl.bind(ipvs),
    timeouts: ipvs.timeouts.bind(ipvs),
    setTimeouts: ipvs.setTimeouts.bind(ipvs),
    apply: (...args: Parameters<Ipvs['apply']>) => {
      applied.push(...args[0])
      return ipvs.apply(...args)
    },
  }
  return { client, applied }
}
