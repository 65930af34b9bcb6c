// The client: services and destinations of one network namespace, one method per verb.
import { checkAll, listOf } from './apply/checked.js'
import { errorsNow, NO_ERRORS } from './apply/errors.js'
import { RequestBatcher } from './apply/requests.js'
import { Applied } from './apply/result.js'
import { traceChanges } from './apply/trace.js'
import { IpvsApplyError, IpvsError, typeError } from './errors.js'
import { DESTINATION_SETTINGS, SERVICE_SETTINGS } from './fields.js'
import { checkedServiceKey, destinationKey, isDestination, serviceKey } from './identity.js'
import { closedError } from './kernel/errors.js'
import { CONNECT, type Kernel } from './kernel/kernel.js'
import { NativeKernel } from './kernel/native-kernel.js'
import { destinationIdOf, serviceIdOf } from './kernel/observed.js'
import type { KernelInfo } from './kernel/system-records.js'
import {
  type ApplyOptions,
  type CallOptions,
  type OpenOptions,
  type ReadApplyOptions,
  readApplyOptions,
  readCallOptions,
  readOpenOptions,
} from './options.js'
import { type ProbeOptions, type ProbeResult, probe } from './probe.js'
import {
  type ReconcileOptions,
  type ReconcileResult,
  readReconcileOptions,
  reconcile,
} from './reconcile/index.js'
import { type Connection, readConnections } from './system/connections.js'
import {
  checkDaemons,
  type DaemonClient,
  ensureDaemons,
  type SyncDaemonsResult,
} from './system/ensure-sync-daemons.js'
import {
  checkDaemon,
  checkRole,
  type SyncDaemon,
  type SyncDaemonStatus,
  type SyncRole,
} from './system/sync-daemon.js'
import { checkSysctl, readSysctls, type SysctlName, type Sysctls } from './system/sysctls.js'
import { checkTimeouts, type Timeouts } from './system/timeouts.js'
import { readWatchOptions, type WatchEvent, type WatchOptions, watchTable } from './system/watch.js'
import { BEFORE_CALLS, type TableClient } from './table-client.js'
import type {
  ApplyResult,
  Change,
  Destination,
  DestinationId,
  DestinationStatus,
  Service,
  ServiceId,
  ServiceSettings,
  ServiceStatus,
  ServiceTree,
  Snapshot,
} from './types.js'
import { checkChange, checkDestinationId, checkOptions, checkServiceId } from './validate.js'

/** A connection to the kernel's IPVS table, with a thread and sockets of its own. */
export class Ipvs implements TableClient, AsyncDisposable {
  readonly #kernel: Kernel
  /** What calls of this turn have in common. */
  readonly #requests: RequestBatcher
  readonly #deadlineMs: number
  /** How changes are applied without options. */
  readonly #plain: ReadApplyOptions
  #closed = false
  /** @internal */
  readonly [BEFORE_CALLS] = new Set<() => void>()

  private constructor(kernel: Kernel, deadlineMs: number) {
    this.#kernel = kernel
    this.#requests = new RequestBatcher(kernel)
    this.#deadlineMs = deadlineMs
    this.#plain = readApplyOptions(undefined, deadlineMs)
  }

  /**
   * Opens IPVS in a network namespace. The kernel loads `ip_vs` by itself where it can (genetlink.c: ctrl_getfamily).
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_UNAVAILABLE` (see `reason`), `ERR_IPVS_PERMISSION`, `ERR_IPVS_NO_NAMESPACE`,
   *   `ERR_IPVS_TIMEOUT`
   */
  static async open(options: OpenOptions = {}): Promise<Ipvs> {
    const { where, deadlineMs, kernel } = readOpenOptions(options)
    const opened = kernel?.[CONNECT]() ?? (await NativeKernel.open(where, deadlineMs))
    return new Ipvs(opened, deadlineMs)
  }

  /**
   * Finds out whether IPVS can be used here, and if not, what to do.
   *
   * @throws TypeError, RangeError (rejects) bad options, and nothing else
   */
  static probe(options: ProbeOptions = {}): Promise<ProbeResult> {
    return probe(options)
  }

  /** Identity of the network namespace: two clients of one namespace have the same. */
  get namespace(): string {
    return this.#kernel.namespace
  }

  /**
   * Sends what was accepted, each call up to its deadline, and ends the client's thread. Idempotent. Later calls
   * reject with `ERR_IPVS_CLOSED`.
   */
  async close(): Promise<void> {
    for (const first of this[BEFORE_CALLS]) first()
    this.#requests.flush()
    this.#closed = true
    await this.#kernel.close()
  }

  /** Closes it, at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * All services, without their destinations. The kernel's dump may miss some while others change the table: this one
   * is repeated until two agree, up to five times. {@link snapshot} says whether they did.
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async services(options?: CallOptions): Promise<ServiceStatus[]> {
    return this.#open().services(this.#callDeadline(options))
  }

  /**
   * One service, or `undefined` if it is not there.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async service(id: ServiceId, options?: CallOptions): Promise<ServiceStatus | undefined> {
    const checked = checkServiceId(id, 'service')
    const target = `reading ${checkedServiceKey(checked)}`
    return this.#open().service(checked, target, this.#callDeadline(options))
  }

  /**
   * The destinations of a service, newest first as the kernel lists them; repeated as {@link services} is.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_SERVICE`…
   */
  async destinations(id: ServiceId, options?: CallOptions): Promise<DestinationStatus[]> {
    const checked = checkServiceId(id, 'service')
    const target = `reading the destinations of ${checkedServiceKey(checked)}`
    const deadlineMs = this.#callDeadline(options)
    const rows = await this.#open().destinations(checked, target, deadlineMs)
    if (rows !== undefined) return rows
    const text = `${target}: there is no such service`
    throw new IpvsError('ERR_IPVS_NO_SERVICE', text, { command: 'GET_DEST' })
  }

  /**
   * Adds a service.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_EXISTS`, `ERR_IPVS_NO_SCHEDULER`, `ERR_IPVS_NO_ENGINE`…
   */
  addService(service: Service, options?: CallOptions): Promise<void> {
    return this.#one({ op: 'add-service', service }, options)
  }

  /**
   * Sets every field of a service.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_SERVICE`, `ERR_IPVS_NO_SCHEDULER`…
   */
  replaceService(service: Service, options?: CallOptions): Promise<void> {
    return this.#one({ op: 'replace-service', service }, options)
  }

  /**
   * Changes some fields: reads the service, merges, replaces. A patch value of `undefined` clears the field. Not
   * atomic: what another writer changes in between is overwritten.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_SERVICE`…
   */
  async updateService(
    id: ServiceId,
    patch: { readonly [K in keyof ServiceSettings]?: ServiceSettings[K] | undefined },
    options?: CallOptions,
  ): Promise<void> {
    const changes = readPatch(patch, SERVICE_SETTINGS)
    const own = serviceIdOf(checkServiceId(id, 'service'))
    const deadlineMs = this.#callDeadline(options)
    await this.#whole(async () => {
      const seen = await this.service(own, { deadlineMs })
      if (seen === undefined) {
        const text = `updating ${serviceKey(own)}: there is no such service`
        throw new IpvsError('ERR_IPVS_NO_SERVICE', text, { command: 'GET_SERVICE' })
      }
      const service = { ...seen, ...changes } as Service
      await this.#requests.send(checkChange({ op: 'replace-service', service }, ''), deadlineMs)
    })
  }

  /**
   * Removes a service with its destinations.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_SERVICE`…
   */
  removeService(id: ServiceId, options?: CallOptions): Promise<void> {
    return this.#one({ op: 'remove-service', service: id }, options)
  }

  /**
   * Adds a destination to a service.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_EXISTS`, `ERR_IPVS_NO_SERVICE`, `ERR_IPVS_INVALID`…
   */
  addDestination(id: ServiceId, destination: Destination, options?: CallOptions): Promise<void> {
    return this.#one({ op: 'add-destination', service: id, destination }, options)
  }

  /**
   * Sets every field of a destination.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_DESTINATION`, `ERR_IPVS_NO_SERVICE`…
   */
  replaceDestination(
    id: ServiceId,
    destination: Destination,
    options?: CallOptions,
  ): Promise<void> {
    return this.#one({ op: 'replace-destination', service: id, destination }, options)
  }

  /**
   * Changes some fields: reads the destination, merges, replaces. Not atomic.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_DESTINATION`, `ERR_IPVS_NO_SERVICE`…
   */
  async updateDestination(
    id: ServiceId,
    destination: DestinationId,
    patch: {
      readonly [K in Exclude<keyof Destination, keyof DestinationId>]?: Destination[K] | undefined
    },
    options?: CallOptions,
  ): Promise<void> {
    const changes = readPatch(patch, DESTINATION_SETTINGS)
    const service = serviceIdOf(checkServiceId(id, 'service'))
    const own = destinationIdOf(checkDestinationId(destination, 'destination'))
    const deadlineMs = this.#callDeadline(options)
    await this.#whole(async () => {
      const rows = await this.destinations(service, { deadlineMs })
      const seen = rows.find((row) => isDestination(row, own))
      if (seen === undefined) {
        const text = `updating ${destinationKey(own)} of ${serviceKey(service)}: the service has no such destination`
        throw new IpvsError('ERR_IPVS_NO_DESTINATION', text, { command: 'GET_DEST' })
      }
      const { tunnel, ...rest } = seen
      // A tunnel's settings belong to the method: another method leaves them behind.
      const stays = tunnel !== undefined && (changes.forwarding ?? 'tunnel') === 'tunnel'
      const merged = { ...rest, ...(stays && { tunnel }), ...changes } as Destination
      const change = { op: 'replace-destination', service, destination: merged }
      await this.#requests.send(checkChange(change, ''), deadlineMs)
    })
  }

  /**
   * Removes a destination from its service.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_DESTINATION`, `ERR_IPVS_NO_SERVICE`…
   */
  removeDestination(
    id: ServiceId,
    destination: DestinationId,
    options?: CallOptions,
  ): Promise<void> {
    return this.#one({ op: 'remove-destination', service: id, destination }, options)
  }

  /**
   * Makes changes in order. Not atomic, and a failed change does not stop later ones; every change has an outcome.
   * All are checked before the first is sent. The caller leaves `changes` alone until the promise settles.
   *
   * @throws TypeError, RangeError a bad change; nothing was sent
   * @throws IpvsApplyError with `onError: 'throw'`
   */
  apply(changes: readonly Change[], options?: ApplyOptions): Promise<ApplyResult> {
    try {
      const read = options === undefined ? this.#plain : readApplyOptions(options, this.#deadlineMs)
      this.#begin()
      const list = listOf(changes)
      return this.#requests.apply(list, read, (errors) => {
        const result = new Applied(list, errors)
        if (read.throws && result.failed > 0) throw new IpvsApplyError(result)
        return result
      })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * The blocking twin of {@link apply}, for one batch: everything has happened when it returns. The kernel may take
   * milliseconds (loading a scheduler: more), and the event loop stands still meanwhile.
   *
   * @throws RangeError more than one batch
   * @throws IpvsError `ERR_IPVS_BUSY` while asynchronous calls are queued
   */
  applySync(changes: readonly Change[]): ApplyResult {
    const kernel = this.#open()
    const list = listOf(changes)
    const { changes: checked, sent } = checkAll(list)
    const failures = kernel.writeSync(checked, list.length)
    const errors = failures.length === 0 ? NO_ERRORS : errorsNow(list, failures)
    traceChanges(sent, errors)
    return new Applied(list, errors)
  }

  /**
   * A verified read of the whole table (see {@link Snapshot}).
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async snapshot(options?: CallOptions): Promise<Snapshot> {
    return this.#open().snapshot(this.#callDeadline(options))
  }

  /**
   * Makes the table what is desired, with the fewest changes; equal state sends nothing. Destinations that a desired
   * service does not list are removed; services that are not desired stay, unless `prune` names them. What replaces
   * something is there before that is taken away; where it could not be made, the old one stays, as `not-sent`. One
   * call at a time; other calls go first between two batches. The caller leaves `desired` alone until the promise
   * settles.
   *
   * @throws TypeError, RangeError a bad argument, or `prune: true` with nothing desired; nothing was read or sent
   * @throws IpvsError the table could not be read; nothing was sent
   */
  async reconcile(
    desired: Iterable<ServiceTree>,
    options?: ReconcileOptions,
  ): Promise<ReconcileResult> {
    const read = readReconcileOptions(options, this.#deadlineMs)
    return reconcile(this.#open(), desired, read)
  }

  /**
   * The namespace's IPVS settings (`/proc/sys/net/ipv4/vs`) by name. Empty where the kernel shows none: on 6.1 in a
   * namespace that belongs to a user namespace.
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async sysctls(options?: CallOptions): Promise<Sysctls> {
    return readSysctls(await this.#open().sysctls(this.#callDeadline(options)))
  }

  /**
   * Sets one IPVS setting of the namespace; a number may be given as text.
   *
   * @throws TypeError, RangeError a name or value that no kernel takes; nothing was written
   * @throws IpvsError `ERR_IPVS_READ_ONLY`, `ERR_IPVS_INVALID`, `ERR_IPVS_KERNEL` (this kernel has no such setting)
   */
  async setSysctl<N extends SysctlName>(
    name: N,
    value: NonNullable<Sysctls[N]> | string,
    options?: CallOptions,
  ): Promise<void> {
    const text = checkSysctl(name, value)
    await this.#open().setSysctl(name, text, this.#callDeadline(options))
  }

  /**
   * How long idle connections are kept in this namespace.
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async timeouts(options?: CallOptions): Promise<Timeouts> {
    return this.#open().timeouts(this.#callDeadline(options))
  }

  /**
   * Sets those timeouts that are given. Existing connections adopt them with their next packet
   * (ip_vs_proto_udp.c: udp_state_transition).
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async setTimeouts(timeouts: Partial<Timeouts>, options?: CallOptions): Promise<void> {
    const command = { op: 'set-timeouts', timeouts: checkTimeouts(timeouts) } as const
    await this.#open().command(command, 'setting timeouts', this.#callDeadline(options))
  }

  /**
   * The sync daemons that run in this namespace: none, a master, a backup, or both.
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async syncDaemons(options?: CallOptions): Promise<SyncDaemonStatus[]> {
    return this.#open().daemons(this.#callDeadline(options))
  }

  /**
   * Starts a sync daemon. Its settings are fixed while it runs.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_DAEMON_RUNNING`, `ERR_IPVS_NO_DEVICE`, `ERR_IPVS_INVALID`…
   */
  async startSyncDaemon(daemon: SyncDaemon, options?: CallOptions): Promise<void> {
    const command = { op: 'start-daemon', daemon: checkDaemon(daemon) } as const
    const target = `starting the sync ${daemon.role} on ${daemon.interface}`
    await this.#open().command(command, target, this.#callDeadline(options))
  }

  /**
   * Stops a sync daemon.
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_DAEMON_STOPPED` if it does not run, `ERR_IPVS_DAEMON_RUNNING` if it runs all the same…
   */
  async stopSyncDaemon(role: SyncRole, options?: CallOptions): Promise<void> {
    const deadlineMs = this.#callDeadline(options)
    const command = { op: 'stop-daemon', state: checkRole(role, 'role') } as const
    const target = `stopping the sync ${role}`
    const kernel = this.#open()
    const left = await this.#whole(async () => {
      await kernel.command(command, target, deadlineMs)
      // The kernel may leave this command unanswered whatever came of it (ip_vs_sync.c: kthread_stop gives EINTR).
      return kernel.daemons(deadlineMs)
    })
    if (!left.some((daemon) => daemon.role === role)) return
    const text = `${target}: the kernel took the command, but it still runs; try again`
    throw new IpvsError('ERR_IPVS_DAEMON_RUNNING', text, { command: 'DEL_DAEMON' })
  }

  /**
   * Makes the sync daemons those of a list: none, a master, a backup, or both. One that runs as it is wanted goes on; one
   * with other settings is stopped and started again; those that are not in the list are stopped. What a daemon of
   * the list leaves out is the kernel's default; a `maxLength` counts as the most.
   *
   * It may be called again and again, and after it was interrupted.
   *
   * @throws TypeError, RangeError a bad argument; nothing was changed
   * @throws IpvsError as {@link startSyncDaemon} and {@link stopSyncDaemon} do; what was done until then stays
   */
  async ensureSyncDaemons(
    daemons: readonly SyncDaemon[],
    options?: CallOptions,
  ): Promise<SyncDaemonsResult> {
    const wanted = checkDaemons(daemons)
    this.#callDeadline(options)
    const client: DaemonClient = {
      syncDaemons: () => this.syncDaemons(options),
      startSyncDaemon: (daemon) => this.startSyncDaemon(daemon, options),
      stopSyncDaemon: (role) => this.stopSyncDaemon(role, options),
    }
    return ensureDaemons(client, wanted)
  }

  /**
   * The version of IPVS and the size of its connection table.
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async info(options?: CallOptions): Promise<KernelInfo> {
    return this.#open().info(this.#callDeadline(options))
  }

  /**
   * Zeroes the counters of a service and its destinations, or all of the namespace. For every reader of them: keep
   * differences of your own instead. Packets since the last 2 s tick may count again (ip_vs_est.c).
   *
   * @throws TypeError, RangeError a bad argument
   * @throws IpvsError `ERR_IPVS_NO_SERVICE`…
   */
  async zero(id?: ServiceId, options?: CallOptions): Promise<void> {
    const service = id === undefined ? undefined : checkServiceId(id, 'service')
    const target = id === undefined ? 'zeroing all counters' : `zeroing ${serviceKey(id)}`
    await this.#open().command({ op: 'zero', service }, target, this.#callDeadline(options))
  }

  /**
   * Removes every service of this namespace. Connections stay until they expire.
   *
   * @throws TypeError, RangeError bad options
   * @throws IpvsError `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async flush(options?: CallOptions): Promise<void> {
    await this.#open().command({ op: 'flush' }, 'flushing', this.#callDeadline(options))
  }

  /**
   * The connections of this namespace, one by one as they are read, in flat memory. Not a snapshot: what comes and goes
   * meanwhile may be missing or doubled. The kernel walks its table anew for each page of text (ip_vs_conn.c:
   * ip_vs_conn_array), so that the cost grows with the square of the number of entries.
   *
   * @throws TypeError, RangeError (as it is iterated) bad options
   * @throws IpvsError (as it is iterated) `ERR_IPVS_CLOSED`…
   */
  connections(options?: CallOptions): AsyncGenerator<Connection, void, void> {
    return readConnections(async () => this.#open().connections(this.#callDeadline(options)))
  }

  /**
   * What changes in the table from now on, by looking every `intervalMs`: the kernel has no notifications. Ends when
   * the signal is aborted or the loop is left; rejects with what a look rejects with.
   *
   * @throws TypeError, RangeError (as it is iterated) bad options
   * @throws IpvsError (as it is iterated) `ERR_IPVS_TIMEOUT`, `ERR_IPVS_CLOSED`…
   */
  async *watch(options?: WatchOptions): AsyncGenerator<WatchEvent, void, void> {
    yield* watchTable(() => this.snapshot(), readWatchOptions(options))
  }

  /** Before every call: what others gather goes first. */
  #begin(): void {
    if (this.#closed) throw closedError()
    for (const first of this[BEFORE_CALLS]) first()
  }

  /** For a call that has a request of its own. */
  #open(): Kernel {
    this.#begin()
    this.#requests.flush()
    return this.#kernel
  }

  /** For a call that asks several times: a client that is being closed waits for all of it. */
  async #whole<T>(work: () => Promise<T>): Promise<T> {
    const release = this.#kernel.hold()
    try {
      return await work()
    } finally {
      release()
    }
  }

  #callDeadline(options: CallOptions | undefined): number {
    return options === undefined ? this.#deadlineMs : readCallOptions(options, this.#deadlineMs)
  }

  /** One promise for each call, and as many steps to it as for a list: calls that were answered together settle in order. */
  #one(change: Change, options: CallOptions | undefined): Promise<void> {
    try {
      const deadlineMs = this.#callDeadline(options)
      // Arguments of the verbs are named `service` and `destination`, without the change around them.
      const checked = checkChange(change, '')
      this.#begin()
      return this.#requests.send(checked, deadlineMs)
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** A patch as it is now. */
function readPatch<K extends string>(
  patch: unknown,
  keys: readonly K[],
): Partial<Record<K, unknown>> {
  if (patch === undefined) throw typeError('patch', 'an object with the fields to change', patch)
  checkOptions(patch, 'patch', keys)
  return { ...(patch as object) }
}
