// What concerns the namespace as a whole: timeouts, sync daemons, counters, settings, connections, watching.
import { readdirSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { kernelSuite } from '../../lab/guest/suite.js'
import type { Connection } from '../../src/system/connections.js'
import type { SysctlName } from '../../src/system/sysctls.js'
import type { WatchEvent } from '../../src/system/watch.js'
import { namespace } from './namespace.js'
import { programPath } from './programs.js'
import { ipvs, ns, setUp } from './setup.js'

const id = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
const server = { address: '127.0.0.1', port: 5300, forwarding: 'masquerade' } as const

kernelSuite('the namespace as a whole', () => {
  setUp()
  beforeAll(() => void ns.run(['ip', 'address', 'add', '192.0.2.1/32', 'dev', 'lo']))

  test('timeouts begin as the kernel has them, and those that are given are set', async () => {
    expect(await ipvs.timeouts()).toEqual({ tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 })
    await ipvs.setTimeouts({ udpSeconds: 10 })
    expect(await ipvs.timeouts()).toEqual({ tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 10 })
    expect(ns.ipvsadm('-Ln', '--timeout')).toMatch(/900 120 10/)
    await ipvs.setTimeouts({ tcpSeconds: 2_147_483, tcpFinSeconds: 1, udpSeconds: 300 })
    expect(ns.ipvsadm('-Ln', '--timeout')).toMatch(/2147483 1 300/)
  })

  test('both sync daemons run at once, with every setting, and end', async () => {
    expect(await ipvs.syncDaemons()).toEqual([])
    await ipvs.startSyncDaemon({ role: 'master', interface: 'lo' })
    await ipvs.startSyncDaemon({
      role: 'backup',
      interface: 'lo',
      syncId: 7,
      maxLength: 1400,
      group: '239.1.2.3',
      port: 8900,
      ttl: 5,
    })
    const daemons = await ipvs.syncDaemons()
    expect(daemons).toMatchObject([
      { role: 'master', interface: 'lo', syncId: 0, group: '224.0.0.81', port: 8848, ttl: 1 },
      {
        role: 'backup',
        interface: 'lo',
        syncId: 7,
        maxLength: 1400,
        group: '239.1.2.3',
        port: 8900,
        ttl: 5,
      },
    ])
    const seen = ns.ipvsadm('-Ln', '--daemon')
    expect(seen).toMatch(/master sync daemon \(mcast=lo, syncid=0/)
    expect(seen).toMatch(
      /backup sync daemon \(mcast=lo, syncid=7, maxlen=1400, group=239\.1\.2\.3, port=8900, ttl=5/,
    )
    await expect(ipvs.startSyncDaemon({ role: 'master', interface: 'lo' })).rejects.toMatchObject({
      code: 'ERR_IPVS_DAEMON_RUNNING',
      command: 'NEW_DAEMON',
      errnoName: 'EEXIST',
    })
    await ipvs.stopSyncDaemon('master')
    await ipvs.stopSyncDaemon('backup')
    expect(await ipvs.syncDaemons()).toEqual([])
    await expect(ipvs.stopSyncDaemon('backup')).rejects.toMatchObject({
      code: 'ERR_IPVS_DAEMON_STOPPED',
    })
  })

  test('a daemon that is stopped at once is stopped, though the kernel may not answer', async () => {
    for (let round = 0; round < 20; round++) {
      const start = ipvs.startSyncDaemon({ role: 'master', interface: 'lo' })
      const stop = ipvs.stopSyncDaemon('master')
      await Promise.all([start, stop])
    }
    expect(ns.ipvsadm('-Ln', '--daemon').trim()).toBe('')
  })

  test('an IPv6 group works on an interface that has an IPv6 address, and says so where there is none', async () => {
    const daemon = { role: 'master', interface: 'sync0', group: 'ff02::81' } as const
    ns.run(['ip', 'link', 'add', 'sync0', 'type', 'dummy'])
    await expect(ipvs.startSyncDaemon(daemon)).rejects.toThrow(
      /is it up, with an address of the group's family/,
    )
    ns.run(['ip', 'link', 'set', 'sync0', 'up', 'multicast', 'on'])
    ns.run(['ip', 'address', 'add', '2001:db8::1/64', 'dev', 'sync0', 'nodad'])
    await ipvs.startSyncDaemon(daemon)
    expect(await ipvs.syncDaemons()).toMatchObject([daemon])
    await ipvs.stopSyncDaemon('master')
  })

  test('an interface that is not there is ERR_IPVS_NO_DEVICE', async () => {
    await expect(
      ipvs.startSyncDaemon({ role: 'master', interface: 'nowhere' }),
    ).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_DEVICE',
      errnoName: 'ENODEV',
    })
  })

  test('info has the version that ipvsadm shows', async () => {
    const { version, connectionTableSize } = await ipvs.info()
    expect(ns.ipvsadm('-Ln')).toContain(`version ${version} (size=${connectionTableSize})`)
  })

  test('settings are set in this namespace and read back', async () => {
    await ipvs.setSysctl('expire_nodest_conn', 1)
    await ipvs.setSysctl('sync_threshold', '5 60')
    expect(await ipvs.sysctls()).toMatchObject({ expire_nodest_conn: 1, sync_threshold: '5\t60' })
    expect(ns.run(['cat', '/proc/sys/net/ipv4/vs/expire_nodest_conn']).trim()).toBe('1')
    using other = namespace()
    await using elsewhere = await other.open()
    expect((await elsewhere.sysctls()).expire_nodest_conn).toBe(0)
    await expect(ipvs.setSysctl('sync_threshold', '60 5')).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID',
    })
    // In the table, but of newer kernels.
    const missing = (await ipvs.sysctls()).conn_max === undefined
    if (missing) await expect(ipvs.setSysctl('conn_max', 1)).rejects.toThrow(/no such setting/)
    await ipvs.setSysctl('expire_nodest_conn', 0)
  })

  test('with every module loaded all settings are as their types say, and can be set to what they are', async () => {
    const schedulers = 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh'.split(' ')
    for (const [n, scheduler] of schedulers.entries()) {
      await ipvs.addService({ fwmark: n + 1, scheduler })
    }
    const settings = await ipvs.sysctls()
    expect(settings).toMatchObject({ lblc_expiration: 86_400, lblcr_expiration: 86_400 })
    const texts = Object.entries(settings).filter(([, value]) => typeof value !== 'number')
    expect(texts.map(([name]) => name).filter((name) => name !== 'est_cpulist')).toEqual([
      'sync_threshold',
    ])
    // One for all namespaces, to be written in the first only.
    const { debug_level: _, ...own } = settings
    for (const [name, value] of Object.entries(own)) {
      await ipvs.setSysctl(name as SysctlName, value)
    }
    expect(await ipvs.sysctls()).toEqual(settings)
    await ipvs.setSysctl('lblc_expiration', 3600)
    expect((await ipvs.sysctls()).lblc_expiration).toBe(3600)
    await ipvs.setSysctl('lblc_expiration', 86_400)
    await ipvs.flush()
  })

  test('connections are those of this namespace; zero takes their counters back, flush the services', async () => {
    await ipvs.apply([
      { op: 'add-service', service: { ...id, scheduler: 'rr' } },
      { op: 'add-destination', service: id, destination: server },
    ])
    const words = [id.address, id.port, 20_000, 3].map(String)
    ns.run([process.execPath, programPath('send.mjs'), ...words])
    const seen: Connection[] = []
    for await (const connection of ipvs.connections()) seen.push(connection)
    expect(seen.length).toBe(3)
    for (const connection of seen) {
      expect(connection).toMatchObject({
        protocol: 'udp',
        service: { address: '192.0.2.1', port: 53 },
        destination: { address: '127.0.0.1', port: 5300 },
        state: 'UDP',
      })
      expect(connection.expiresSeconds).toBeGreaterThan(250)
    }
    expect(new Set(seen.map(({ client }) => client.port)).size).toBe(3)

    // Counters move with the kernel's estimator, every 2 s.
    const counted = async () => (await ipvs.service(id))!.stats.inPackets
    await expect.poll(counted).toBe(3n)
    await ipvs.zero(id)
    expect(await counted()).toBe(0n)
    await ipvs.zero()
    await expect(ipvs.zero({ ...id, port: 99 })).rejects.toMatchObject({
      code: 'ERR_IPVS_NO_SERVICE',
      command: 'ZERO',
    })

    await ipvs.flush()
    expect(ns.rules()).toEqual([])
  })

  test('leaving the connections early closes the file', async () => {
    const files = () => readdirSync('/proc/self/fd').length
    const before = files()
    for (let i = 0; i < 5; i++) for await (const _ of ipvs.connections()) break
    const table = ipvs.connections()
    await table.next()
    await table.return()
    await expect.poll(files).toBe(before)
  })

  test('watch tells what another program changes', async () => {
    const events: WatchEvent[] = []
    const controller = new AbortController()
    const watch = ipvs.watch({ intervalMs: 10, signal: controller.signal })
    const next = watch.next()
    // Read after the first look: it is over.
    await ipvs.services()
    ns.ipvsadm('-A', '-u', '192.0.2.1:53', '-s', 'wrr')
    events.push((await next).value!)
    for (const words of [
      ['-a', '-u', '192.0.2.1:53', '-r', '10.1.0.1', '-g'],
      ['-e', '-u', '192.0.2.1:53', '-r', '10.1.0.1', '-g', '-w', '7'],
      ['-D', '-u', '192.0.2.1:53'],
    ]) {
      ns.ipvsadm(...words)
      events.push((await watch.next()).value!)
    }
    events.push((await watch.next()).value!)
    controller.abort()
    expect((await watch.next()).done).toBe(true)
    expect(events.map(({ type }) => type)).toEqual([
      'service-added',
      'destination-added',
      'destination-changed',
      'destination-removed',
      'service-removed',
    ])
    expect(events[2]).toMatchObject({ differences: [{ field: 'weight', before: 1, after: 7 }] })
  })
})
