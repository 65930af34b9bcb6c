import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Ipvs } from '../../src/client.js'
import { codeOf, PATIENCE_MS, SERVER, SERVICE, UDP } from './fixture.js'
import type { Subject } from './subject.js'

export function systemContract(openKernel: () => Promise<Subject>): void {
  describe('the namespace as a whole', () => {
    let subject: Subject
    let ipvs: Ipvs

    // Settings last: a namespace of its own for each.
    beforeEach(async () => {
      subject = await openKernel()
      ipvs = await subject.open({ deadlineMs: PATIENCE_MS })
    })
    afterEach(async () => {
      await ipvs?.close()
      subject?.close()
    })

    test('settings are those of a new namespace, and can be set', async () => {
      expect(await ipvs.sysctls()).toMatchObject({
        backup_only: 0,
        conn_reuse_mode: 1,
        drop_entry: 0,
        expire_nodest_conn: 0,
        expire_quiescent_template: 0,
        pmtu_disc: 1,
        run_estimation: 1,
        sloppy_tcp: 0,
        sync_ports: 1,
        sync_threshold: '3\t50',
        sync_version: 1,
      })
      await ipvs.setSysctl('expire_nodest_conn', 1)
      await ipvs.setSysctl('sync_threshold', '2 10')
      expect(await ipvs.sysctls()).toMatchObject({
        expire_nodest_conn: 1,
        sync_threshold: '2\t10',
      })
      expect(await codeOf(ipvs.setSysctl('sync_ports', 3))).toBe('ERR_IPVS_INVALID')
      expect(await codeOf(ipvs.setSysctl('sync_threshold', '10 2'))).toBe('ERR_IPVS_INVALID')
    })

    test('timeouts that are not given stay', async () => {
      const before = { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 }
      expect(await ipvs.timeouts()).toEqual(before)
      await ipvs.setTimeouts({ udpSeconds: 7, tcpFinSeconds: 60 })
      expect(await ipvs.timeouts()).toEqual({ ...before, udpSeconds: 7, tcpFinSeconds: 60 })
    })

    test('flushing leaves nothing, zeroing needs a service', async () => {
      await ipvs.addService(SERVICE)
      await ipvs.addDestination(UDP, SERVER)
      await ipvs.zero()
      await ipvs.zero(UDP)
      await ipvs.flush()
      expect(await ipvs.services()).toEqual([])
      expect(await codeOf(ipvs.zero(UDP))).toBe('ERR_IPVS_NO_SERVICE')
      expect((await ipvs.info()).version).toBe('1.2.1')
    })

    test('sync daemons start, run and stop', async () => {
      const on = { interface: 'lo' } as const
      const codes = [
        await codeOf(ipvs.startSyncDaemon({ ...on, role: 'master', syncId: 5 })),
        await codeOf(ipvs.startSyncDaemon({ ...on, role: 'master' })),
        await codeOf(ipvs.startSyncDaemon({ ...on, role: 'backup', port: 9000, ttl: 3 })),
        await codeOf(ipvs.startSyncDaemon({ role: 'backup', interface: 'nosuch' })),
      ]
      expect(codes).toEqual([...['ok', 'ERR_IPVS_DAEMON_RUNNING', 'ok', 'ERR_IPVS_NO_DEVICE']])
      const group = '224.0.0.81'
      expect(await ipvs.syncDaemons()).toEqual([
        { ...on, role: 'master', syncId: 5, maxLength: 1472, group, port: 8848, ttl: 1 },
        { ...on, role: 'backup', syncId: 0, maxLength: 65_507, group, port: 9000, ttl: 3 },
      ])
      await ipvs.stopSyncDaemon('master')
      await ipvs.stopSyncDaemon('backup')
      expect(await codeOf(ipvs.stopSyncDaemon('backup'))).toBe('ERR_IPVS_DAEMON_STOPPED')
      expect(await ipvs.syncDaemons()).toEqual([])
    })

    test('a sync daemon and a tunnel across families exclude each other', async () => {
      const mixed = { address: '2001:db8::5', port: 53, forwarding: 'tunnel' } as const
      const start = () => codeOf(ipvs.startSyncDaemon({ role: 'backup', interface: 'lo' }))
      await ipvs.addService(SERVICE)
      expect(await start()).toBe('ok')
      expect(await codeOf(ipvs.addDestination(UDP, mixed))).toBe('ERR_IPVS_INVALID')
      await ipvs.stopSyncDaemon('backup')
      await ipvs.addDestination(UDP, mixed)
      expect(await start()).toBe('ERR_IPVS_INVALID')
      await ipvs.removeDestination(UDP, mixed)
      expect(await start()).toBe('ok')
      await ipvs.stopSyncDaemon('backup')
    })
  })
}
