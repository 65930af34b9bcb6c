// What a namespace has beside its table: settings, timeouts, sync daemons.
import { constants } from 'node:os'
import type { SystemCommand } from '../kernel/system-records.js'
import { type CheckedDaemon, daemonStatus, type SyncDaemonStatus } from '../system/sync-daemon.js'
import type { Timeouts } from '../system/timeouts.js'
import type { MemoryTable } from './memory-table.js'

const { EEXIST, EINVAL, ENODEV, ENOENT, ESRCH } = constants.errno

/** The settings of a new namespace of Linux 6.1, as text. */
const SYSCTLS: Readonly<Record<string, string>> = {
  am_droprate: '10',
  amemthresh: '1024',
  backup_only: '0',
  cache_bypass: '0',
  conn_reuse_mode: '1',
  conntrack: '0',
  drop_entry: '0',
  drop_packet: '0',
  expire_nodest_conn: '0',
  expire_quiescent_template: '0',
  ignore_tunneled: '0',
  nat_icmp_send: '0',
  pmtu_disc: '1',
  run_estimation: '1',
  schedule_icmp: '0',
  secure_tcp: '0',
  sloppy_sctp: '0',
  sloppy_tcp: '0',
  snat_reroute: '1',
  sync_persist_mode: '0',
  sync_ports: '1',
  sync_qlen_max: '16384',
  sync_refresh_period: '0',
  sync_retries: '0',
  sync_sock_size: '0',
  sync_threshold: '3\t50',
  sync_version: '1',
}

/** Interfaces by name, with what fits into one packet. */
const MTUS: ReadonlyMap<string, number> = new Map([
  ['lo', 65_536],
  ['eth0', 1500],
])

const BACKUP = 2
const GROUP = Uint8Array.of(224, 0, 0, 81)

export class MemorySystem {
  readonly sysctls: Record<string, string>
  timeouts: Timeouts = { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 }
  readonly #daemons = new Map<number, SyncDaemonStatus>()

  constructor(sysctls: Readonly<Record<string, string | number>>) {
    this.sysctls = { ...SYSCTLS }
    for (const [name, value] of Object.entries(sysctls)) this.sysctls[name] = String(value)
  }

  get isSyncing(): boolean {
    return this.#daemons.size > 0
  }

  /** A master first, as the kernel lists them. */
  daemons(): SyncDaemonStatus[] {
    return [...this.#daemons].sort(([a], [b]) => a - b).map(([, status]) => status)
  }

  /** 0 or an errno. */
  run(command: SystemCommand, table: MemoryTable): number {
    switch (command.op) {
      case 'zero':
        return table.zero(command.service)
      case 'flush':
        table.flush()
        return 0
      case 'set-timeouts': {
        const { tcp, tcpFin, udp } = command.timeouts
        const { tcpSeconds, tcpFinSeconds, udpSeconds } = this.timeouts
        // 0 means "as it is" (ip_vs_ctl.c: ip_vs_set_timeout).
        this.timeouts = {
          tcpSeconds: tcp || tcpSeconds,
          tcpFinSeconds: tcpFin || tcpFinSeconds,
          udpSeconds: udp || udpSeconds,
        }
        return 0
      }
      case 'start-daemon':
        // ip_vs_ctl.c: ip_vs_genl_new_daemon
        return table.hasMixedFamilies() ? EINVAL : this.#start(command.daemon)
      case 'stop-daemon':
        return this.#daemons.delete(command.state) ? 0 : ESRCH
    }
  }

  /** 0 or an errno, as writing the file gives. */
  setSysctl(name: string, value: string): number {
    if (!Object.hasOwn(this.sysctls, name)) return ENOENT
    if (name === 'sync_ports' && (Number(value) & (Number(value) - 1)) !== 0) return EINVAL
    if (name !== 'sync_threshold') this.sysctls[name] = value
    else {
      const [threshold = 0, period = 0] = value.split(/[ \t]/).map(Number)
      if (period !== 0 && threshold >= period) return EINVAL
      this.sysctls[name] = `${threshold}\t${period}`
    }
    return 0
  }

  /** ip_vs_sync.c: start_sync_thread. */
  #start(daemon: CheckedDaemon): number {
    const mtu = MTUS.get(daemon.interface)
    if (mtu === undefined) return ENODEV
    if (this.#daemons.has(daemon.state)) return EEXIST
    const group = daemon.group ?? GROUP
    const headers = group.length === 16 ? 48 : 28
    const packet = daemon.state === BACKUP ? Math.min(Math.max(mtu, 1500), 65_535) : 1500
    const af = group.length === 16 ? 10 : 2
    const status = daemonStatus(daemon.state, af, group, {
      interface: daemon.interface,
      syncId: daemon.syncId,
      maxLength:
        daemon.maxLength === 0 ? packet - headers : Math.min(daemon.maxLength, 65_535 - headers),
      port: daemon.port === 0 ? 8848 : daemon.port,
      ttl: daemon.ttl === 0 ? 1 : daemon.ttl,
    })
    this.#daemons.set(daemon.state, status)
    return 0
  }
}
