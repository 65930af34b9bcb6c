// Makes the sync daemons those that are wanted. Their settings are fixed while they run: one that has others is stopped,
// and started again.
import { AF_INET, AF_INET6, formatAddress } from '../address.js'
import { rangeError, typeError } from '../errors.js'
import {
  type CheckedDaemon,
  checkDaemon,
  daemonStates,
  type SyncDaemon,
  type SyncDaemonStatus,
  type SyncRole,
} from './sync-daemon.js'

/** What {@link Ipvs.ensureSyncDaemons} has done. */
export interface SyncDaemonsResult {
  readonly stopped: readonly SyncRole[]
  readonly started: readonly SyncRole[]
  /** Those that run now, as the kernel says. */
  readonly daemons: readonly SyncDaemonStatus[]
}

/** What it needs of a client. */
export interface DaemonClient {
  syncDaemons(): Promise<SyncDaemonStatus[]>
  startSyncDaemon(daemon: SyncDaemon): Promise<void>
  stopSyncDaemon(role: SyncRole): Promise<void>
}

/** At most one of each role. @throws TypeError, RangeError */
export function checkDaemons(wanted: unknown): readonly SyncDaemon[] {
  if (!Array.isArray(wanted)) {
    throw typeError('daemons', "an array such as [{ role: 'master', interface: 'eth1' }]", wanted)
  }
  const roles = new Set<SyncRole>()
  return Array.from(wanted, (one: unknown, index): SyncDaemon => {
    checkDaemon(one, `daemons[${index}]`)
    const daemon = { ...(one as SyncDaemon) }
    if (roles.has(daemon.role)) {
      throw rangeError(`daemons[${index}].role`, 'one that is not in the list twice', daemon.role)
    }
    roles.add(daemon.role)
    return daemon
  })
}

export async function ensureDaemons(
  client: DaemonClient,
  wanted: readonly SyncDaemon[],
): Promise<SyncDaemonsResult> {
  const running = await client.syncDaemons()
  const stopped: SyncRole[] = []
  const started: SyncRole[] = []
  const isKept = (status: SyncDaemonStatus) => wanted.some((daemon) => isAsWanted(status, daemon))
  for (const status of running) {
    if (isKept(status)) continue
    // Somebody else may have stopped it in between.
    await client.stopSyncDaemon(status.role).catch(unless('ERR_IPVS_DAEMON_STOPPED'))
    stopped.push(status.role)
  }
  for (const daemon of wanted) {
    if (running.some((status) => isAsWanted(status, daemon))) continue
    await client.startSyncDaemon(daemon)
    started.push(daemon.role)
  }
  const hasChanged = stopped.length > 0 || started.length > 0
  return { stopped, started, daemons: hasChanged ? await client.syncDaemons() : running }
}

/** All of them run, and no others. */
export function areAsWanted(
  running: readonly SyncDaemonStatus[],
  wanted: readonly SyncDaemon[],
): boolean {
  const isRunning = (daemon: SyncDaemon) => running.some((status) => isAsWanted(status, daemon))
  return running.length === wanted.length && wanted.every(isRunning)
}

/** What is not said is the kernel's default (ip_vs_sync.c: start_sync_thread). */
function isAsWanted(status: SyncDaemonStatus, daemon: SyncDaemon): boolean {
  const { syncId, port, ttl, group, maxLength, ...checked } = checkDaemon(daemon, 'daemon')
  return (
    daemonStates.get(status.role) === checked.state &&
    status.interface === checked.interface &&
    status.syncId === syncId &&
    status.port === (port || 8848) &&
    status.ttl === (ttl || 1) &&
    status.group === groupText(group) &&
    // The kernel makes it shorter where the interface takes less.
    (maxLength === 0 || status.maxLength <= maxLength)
  )
}

function groupText(group: CheckedDaemon['group']): string {
  if (group === undefined) return '224.0.0.81'
  return formatAddress(group.length === 4 ? AF_INET : AF_INET6, group)
}

function unless(code: string): (error: unknown) => void {
  return (error) => {
    if ((error as { readonly code?: unknown }).code !== code) throw error
  }
}
