// MirroredPool: one set of servers behind one or more services that always agree.
import { EventEmitter } from 'node:events'
import { IpvsError, isArgumentError } from '../errors.js'
import type { HealthMember, HealthTarget, Verdict } from '../health/types.js'
import { ADMIN_STATES, type AdminState, type PoolServer } from '../servers.js'
import type { Sysctls } from '../system/sysctls.js'
import { checkClient, type TableClient } from '../table-client.js'
import type { Change } from '../types.js'
import { checkBoolean, checkInteger, checkName, checkOptions } from '../validate.js'
import { Announcer } from './announcer.js'
import type {
  DrainOptions,
  DrainResult,
  MirroredPoolEvents,
  MirroredPoolOptions,
  PoolCause,
  PoolRole,
  PoolStatus,
  PoolWarningCode,
} from './api.js'
import { checkPool } from './config/check.js'
import { POOL_ROLES, readOptions, type Settings } from './config/options.js'
import { Controller } from './controller.js'
import { Drains } from './drains.js'
import { Events } from './events.js'
import { type FollowOptions, type FollowTarget, follow } from './follow.js'
import { Members } from './members.js'
import { ensureSysctls } from './namespace.js'
import { needs } from './needs.js'
import { claim } from './owners.js'
import { adoptOnePacket } from './policy/adopt.js'
import { Policy } from './policy/policy.js'
import type { Server } from './policy/server.js'
import { type ReadPace, readPace } from './read-pace.js'
import { type ReconcileResult, Reconciler } from './reconciler/reconciler.js'
import { Front } from './state/front.js'
import { serverStatus } from './status.js'
import { readVerdict } from './verdict.js'
import { contestedText, panicText, Warnings } from './warnings.js'

const MAX_WEIGHT = 0x7fffffff

/**
 * One set of servers behind one or more services (TCP and UDP of an address, several addresses, firewall marks)
 * that always agree about them.
 *
 * Every method records what you want first and programs it then, all services in one batch, next to each other. If
 * the kernel refuses a part, the pool reads, repairs and tries again, at once and later from a timer (which does not
 * keep the process alive); a promise that rejects says that it has not succeeded yet, never that it has given up.
 * Calls do not wait for each other, and the last one wins.
 *
 * Servers are named as in `servers`: `'10.1.0.1'`, `'10.1.0.1:53'`, `'[2001:db8::1]:53'` or `{ address, port? }`.
 * Methods that take one reject with `ERR_IPVS_NO_SERVER` if the pool has no such server.
 *
 * Listeners that throw are reported as `error`, or as a process warning if nobody listens to that; `error` without
 * a listener does no harm. All events also go to `diagnostics_channel`: `ipvs:up`, `ipvs:drift`... Those of the
 * opening reach listeners that are attached right after `await MirroredPool.open(...)`.
 */
export class MirroredPool
  extends EventEmitter<MirroredPoolEvents>
  implements HealthTarget, AsyncDisposable
{
  readonly name: string
  readonly #client: TableClient
  readonly #settings: Settings
  readonly #fronts: readonly Front[]
  readonly #reconciler: Reconciler
  readonly #policy: Policy
  readonly #controller: Controller
  readonly #announcer: Announcer
  readonly #events: Events
  readonly #release: () => void
  readonly #members: Members
  readonly #drains: Drains
  readonly #pace: ReadPace
  #sysctls: Sysctls = {}
  /** When the kernel was last read: monotonic milliseconds. */
  #readAt = performance.now()
  readonly #warnings = new Warnings()
  #closing: Promise<void> | undefined
  /** Aborted when the pool is closed. */
  readonly #gone = new AbortController()

  /**
   * Makes the kernel hold the pool and keeps it so. What is there already is changed in place, field by field, never
   * deleted and added again; what belongs to other services is not touched. The pool opens with what the kernel takes:
   * a server that it refuses has an `error` in the status and is tried again, and what it replaces stays meanwhile.
   *
   * @throws TypeError, RangeError for an option that cannot be used, or that nothing good can come of
   * @throws IpvsError `ERR_IPVS_OWNED` if a pool of this process has one of the services in this network namespace,
   *   or why none of the services could be made, or the kernel could not be read
   */
  static async open(client: TableClient, options: MirroredPoolOptions): Promise<MirroredPool> {
    const pool = new MirroredPool(checkClient(client, 'client'), readOptions(options))
    try {
      pool.#sysctls = await pool.#ensureSysctls()
      await pool.#reconciler.open()
      pool.#judgeSettings('open', false)
      await pool.#controller.opened()
    } catch (error) {
      pool.#controller.close()
      pool.#closing = pool.#reconciler.close()
      pool.#release()
      throw error
    }
    pool.#events.opened()
    pool.#pace.start()
    return pool
  }

  /**
   * Looks at options as {@link open} does, without a client and without opening anything.
   *
   * @throws TypeError, RangeError for an option that cannot be used, or that nothing good can come of
   */
  static check(options: MirroredPoolOptions): void {
    checkPool(readOptions(options))
  }

  private constructor(client: TableClient, settings: Settings) {
    super()
    this.name = settings.name
    this.#client = client
    this.#settings = settings
    this.#fronts = settings.fronts.map((spec) => new Front(spec))
    this.#events = new Events(this, this.name)
    this.#reconciler = new Reconciler(client, this.#fronts, settings.drift, {
      read: () => this.#adopt(),
      flush: () => this.#controller.flush(),
      drift: (drift, repaired, cause) => {
        this.#events.publish('drift', { ...drift, repaired, cause, initial: cause === 'open' })
      },
      diverged: ({ key }, divergence) => {
        const initial = divergence.cause === 'open'
        this.#events.publish('diverged', { ...divergence, server: key, initial })
      },
      failed: (error, server) => {
        const about = server === undefined ? {} : { server: server.key }
        this.#events.publish('error', { ...about, ...STATELESS, error, cause: 'repair' })
      },
      progress: () => this.#announcer.progress(),
      refusalsChanged: () => this.#controller.refusalsChanged(),
      contested: (keys) => this.#warn('contested', contestedText(keys), 'reconcile'),
    })
    this.#policy = new Policy(settings.rules, settings.initial === 'adopt', settings.role)
    this.#announcer = new Announcer(this.#events, {
      server: (key) => this.#reconciler.servers.get(key),
      isSettled: (servers) => this.#reconciler.isSettled(servers),
    })
    this.#controller = new Controller(
      client,
      this.#reconciler,
      this.#policy,
      this.#announcer,
      (cause) => this.#tellPanic(cause),
    )
    this.#drains = new Drains({
      client,
      events: this.#events,
      setAdmin: (server, admin) => this.#setAdmin(server, admin),
      whenSettled: (server) => this.#reconciler.whenSettled(server),
    })
    this.#pace = readPace(client, settings.reconcileIntervalMs, () => this.#look())
    this.#members = new Members({
      settings,
      fronts: this.#fronts,
      reconciler: this.#reconciler,
      policy: this.#policy,
      announcer: this.#announcer,
      drains: this.#drains,
      failed: (error) => {
        const reason = 'a listener of the member list has thrown'
        this.#events.publish('error', { ...STATELESS, cause: 'call', reason, error })
      },
    })
    const keys = settings.fronts.map(({ key }) => key)
    this.#release = claim(client.namespace, keys, this.name)
  }

  /**
   * The server is healthy. Says nothing against an administrator's `drain` or `maintenance`.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  up(server: string | PoolServer): Promise<void> {
    return promised(() => this.#decide(this.#server(server), 'up', 1, 'call', undefined))
  }

  /**
   * The server is not healthy: `onDown` says what happens.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  down(server: string | PoolServer): Promise<void> {
    return promised(() => this.#decide(this.#server(server), 'down', 1, 'call', undefined))
  }

  /**
   * Sets the configured weight, 0 to 2147483647. A server that is down or not ready gets it later.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  setWeight(server: string | PoolServer, weight: number): Promise<void> {
    return promised(() => {
      const known = this.#server(server)
      known.setWeight(checkInteger(weight, 'weight', 0, MAX_WEIGHT))
      return this.#change([known], 'call')
    })
  }

  /**
   * Sets the administrator's word, which health does not change: `ready`; `drain` (weight 0 on all protocols while
   * the server is healthy; what is established goes on, and UDP clients that keep their port stay); or `maintenance`
   * (as if it were down).
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  async setAdmin(server: string | PoolServer, admin: AdminState): Promise<void> {
    const known = this.#server(server)
    const checked = checkName(admin, 'admin', ADMIN_STATES)
    this.#drains.end(known, 'cancelled')
    await this.#setAdmin(known, checked)
  }

  /**
   * Gives a server weight 0, waits until its connections are over (TCP: no active ones; UDP: none at all) or the time
   * is over, and puts it into `maintenance`: it is taken out as if it were down. A server that goes down meanwhile is taken
   * out at once. `setAdmin` or aborting the signal cancels; aborting gives back what there was before any drain. With a
   * signal that is aborted already nothing happens.
   *
   * UDP clients that keep their port stay with a server that has weight 0: for them it ends with the time.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  async drain(server: string | PoolServer, options?: DrainOptions): Promise<DrainResult> {
    return this.#drains.start(this.#server(server), options)
  }

  /**
   * Adds a server. It starts as `initial` says: up, down, or, with `adopt`, waiting for its first verdict.
   *
   * @throws TypeError, RangeError (rejects) if it is in the pool already, or does not fit every front
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  async add(
    server: string | PoolServer,
    options?: {
      /** As a backup. Default false. */
      readonly backup?: boolean | undefined
    },
  ): Promise<void> {
    this.#checkOpen()
    const { backup = false } = checkOptions(options, 'options', ['backup'])
    const joined = this.#members.add(server, checkBoolean(backup, 'options.backup'))
    await this.#change([joined], 'call')
  }

  /**
   * Takes a server out of the pool, and its destinations out of the kernel: after what replaces them is there, if
   * something does.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  async remove(server: string | PoolServer): Promise<void> {
    const known = this.#server(server)
    this.#members.remove(known)
    await this.#change([known], 'call')
  }

  /**
   * Makes the list the pool's servers, with the fewest changes: new ones are added as {@link add} does, those that are
   * not listed are removed, weights and thresholds are set; the others are not touched. Who comes is there before who
   * leaves goes: where nobody else would serve, those that leave stay until the kernel has taken one that comes.
   * Backups stay.
   *
   * @throws TypeError, RangeError (rejects) naming the place in the list; nothing was changed
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  async setServers(servers: readonly (string | PoolServer)[]): Promise<void> {
    this.#checkOpen()
    const concerned = this.#members.replace(servers)
    if (concerned.length > 0) await this.#change(concerned, 'call')
  }

  /**
   * `standby` takes the pool's services out of the kernel, `active` puts them back with the servers that are healthy by
   * then. All pools of a client that are told in the same turn of the event loop change in one batch. What the kernel
   * refuses is an event `error`, and tried again.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`
   */
  async become(role: PoolRole): Promise<void> {
    const checked = checkName(role, 'role', POOL_ROLES)
    this.#checkOpen()
    await this.#controller.become(checked)
  }

  /**
   * Follows a source of server lists, a watched file or a name in the DNS say, and makes each list the pool's servers
   * ({@link setServers}). A source that fails is asked again, and one with too few servers is refused (event
   * `warning`): the pool keeps what it has. Resolves when the source has ended, the signal is aborted or the pool is
   * closed.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`
   */
  async follow(
    source: AsyncIterable<readonly (string | PoolServer)[]>,
    options?: FollowOptions,
  ): Promise<void> {
    this.#checkOpen()
    const target: FollowTarget = {
      setServers: async (list) => {
        // What the kernel has refused is an `error` of the pool's, and tried again.
        await this.setServers(list).catch((error: unknown) => {
          if (isArgumentError(error)) throw error
        })
        this.#warnings.set('source', undefined)
      },
      report: (_, error) => this.#warn('source', error.message, 'call'),
    }
    await follow(target, source, options, this.#gone.signal)
  }

  /**
   * Reads the pool's services and puts right what differs; sends nothing if nothing does. Flips go on meanwhile and
   * are not undone. What fails is tried again in the background.
   *
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`, or the kernel could not be read
   */
  async reconcile(): Promise<ReconcileResult> {
    this.#checkOpen()
    try {
      this.#sysctls = await this.#ensureSysctls()
      this.#judgeSettings('reconcile', this.#members.someDrain)
    } catch (error) {
      // The namespace's settings are one thing, the pool's table another.
      this.#events.publish('error', { ...STATELESS, error, cause: 'reconcile' })
    }
    return this.#compare(true)
  }

  /** What the pool wants and knows at this moment; `servers` suits `console.table`. */
  status(): PoolStatus {
    this.#reconciler.flush()
    return {
      pool: this.name,
      role: this.#policy.role,
      fronts: this.#fronts.map(({ key }) => key),
      missing: this.#reconciler.missing,
      servers: [...this.#reconciler.servers.values()].map(serverStatus),
      converged: this.#reconciler.isConfirmed,
      quorum: this.#policy.isQuorate(this.#reconciler.servers),
      reads: { ...this.#pace.status, lookedAt: this.#readAt },
      needs: needs(this.#adopted(), this.#sysctls),
      warnings: this.#warnings.all,
    }
  }

  /**
   * Gives the pool up, after what is under way. The kernel goes on with what it holds; `withdraw` removes the pool's
   * services instead. Later calls reject with `ERR_IPVS_CLOSED`. Closing again changes nothing.
   *
   * @throws TypeError (rejects) bad options
   * @throws IpvsError (rejects) if `withdraw` has failed for a service; the pool is closed all the same
   */
  async close(options?: {
    /** Removes the services. Default false. */
    readonly withdraw?: boolean | undefined
  }): Promise<void> {
    const { withdraw } = checkOptions(options, 'options', ['withdraw'])
    const withdrawn = withdraw !== undefined && checkBoolean(withdraw, 'options.withdraw')
    if (this.#closing === undefined) {
      this.#closing = this.#close(withdrawn)
      this.#members.changed()
    }
    return this.#closing
  }

  /** Closes it, at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** For health checkers: the servers, and what is presumed about them. None once the pool is closed. */
  *members(): Generator<HealthMember> {
    if (this.#closing === undefined) yield* this.#members.list()
  }

  /**
   * For health checkers: `up` or `down`, with a reason. A verdict about a server that has left is ignored.
   *
   * @throws TypeError, RangeError (rejects) for what is no member or no verdict, such as a weight factor outside 0 to 1
   * @throws IpvsError (rejects) if the kernel does not hold it for this server; the pool tries again
   */
  async report(member: HealthMember, verdict: Verdict): Promise<void> {
    this.#checkOpen()
    const { key, healthy, factor, reason } = readVerdict(member, verdict)
    const server = this.#reconciler.servers.get(key)
    if (server === undefined) return
    await this.#decide(server, healthy ? 'up' : 'down', factor, 'health', reason)
  }

  /**
   * For health checkers: calls `listener` after each change of the member list, until the result is called.
   *
   * @throws TypeError what is no function
   */
  onMembers(listener: () => void): () => void {
    return this.#members.onChange(listener)
  }

  #decide(
    server: Server,
    health: 'up' | 'down',
    factor: number,
    cause: 'call' | 'health',
    reason: string | undefined,
  ): Promise<void> {
    // The failure action comes before an orderly end.
    if (health === 'down') this.#drains.end(server, 'failed')
    return this.#unhold(this.#controller.decide(server, { health, factor, cause, reason }), cause)
  }

  #change(servers: readonly Server[], cause: 'call' | 'health'): Promise<void> {
    return this.#unhold(this.#controller.change(servers, cause), cause)
  }

  #unhold(done: Promise<void>, cause: 'call' | 'health'): Promise<void> {
    // A verdict that the kernel refuses is a verdict.
    return this.#reconciler.keepUndeclared ? done.finally(() => this.#endKeeping(cause)) : done
  }

  async #setAdmin(server: Server, admin: AdminState): Promise<void> {
    server.setAdmin(admin)
    if (admin === 'drain') this.#judgeSettings('call', true)
    await this.#change([server], 'call')
  }

  #tellPanic(cause: PoolCause): void {
    const { panic } = this.#settings.rules
    if (panic !== undefined) {
      this.#warn('panic', this.#policy.panicking ? panicText(panic) : undefined, cause)
    }
  }

  #warn(code: PoolWarningCode, message: string | undefined, cause: PoolCause): void {
    if (!this.#warnings.set(code, message)) return
    this.#events.publish('warning', { code, message, ...STATELESS, cause })
  }

  #ensureSysctls(): Promise<Sysctls> {
    return ensureSysctls(this.#client, this.#settings.fronts, this.#settings.namespace)
  }

  /** The settings, with what was taken over from services that were there. */
  #adopted(): Settings {
    const fronts = this.#fronts.map(({ spec, service }) => ({ ...spec, service }))
    return { ...this.#settings, fronts }
  }

  /** A look that comes by itself. */
  async #look(): Promise<void> {
    try {
      this.#sysctls = await this.#ensureSysctls()
      this.#judgeSettings('reconcile', this.#members.someDrain)
    } catch (error) {
      if (this.#closing !== undefined) return
      this.#events.publish('error', { ...STATELESS, error, cause: 'reconcile' })
    }
    try {
      await this.#compare(false)
    } catch (error) {
      if (this.#closing !== undefined) return
      this.#events.publish('error', { ...STATELESS, error, cause: 'reconcile' })
    }
  }

  async #compare(force: boolean): Promise<ReconcileResult> {
    const result = await this.#reconciler.reconcile('reconcile', force)
    this.#readAt = performance.now()
    return result
  }

  /** With every server decided, what is not declared may go. */
  async #endKeeping(cause: 'call' | 'health'): Promise<void> {
    if (!this.#reconciler.keepUndeclared || !this.#members.areDecided) return
    this.#reconciler.keepUndeclared = false
    // Whoever reports the last verdict has no part in this: what fails here is an `error` and tried again.
    await this.#reconciler.reconcile(cause, false).catch(() => {})
  }

  /** What the first read decides. */
  #adopt(): void {
    const { initial, forwarding, onePacketGiven } = this.#settings
    for (const front of this.#fronts) {
      // With masquerading it can only do harm.
      const keep = !onePacketGiven && forwarding !== 'masquerade'
      const warning = adoptOnePacket(front, keep)
      if (warning === undefined) continue
      this.#warnings.add(warning)
      this.#events.publish('warning', { ...warning, ...STATELESS, cause: 'open', initial: true })
    }
    this.#members.presume()
    if (initial === 'adopt') this.#reconciler.keepUndeclared = !this.#members.areDecided
    this.#controller.opening()
  }

  #judgeSettings(cause: 'open' | 'call' | 'reconcile', draining: boolean): void {
    for (const warning of this.#warnings.judge(this.#adopted(), this.#sysctls, draining)) {
      const initial = cause === 'open'
      this.#events.publish('warning', { ...warning, ...STATELESS, cause, initial })
    }
  }

  #server(server: string | PoolServer): Server {
    this.#checkOpen()
    return this.#members.find(server)
  }

  async #close(withdraw: boolean): Promise<void> {
    this.#pace.stop()
    this.#gone.abort()
    this.#controller.close()
    this.#drains.close()
    try {
      await this.#reconciler.close()
      if (!withdraw) return
      const { fronts } = this.#settings
      const changes = fronts.map(({ id }): Change => ({ op: 'ensure-no-service', service: id }))
      const first = (await this.#client.apply(changes)).errors[0]
      if (first !== undefined) throw first.error
    } finally {
      this.#release()
    }
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return
    throw new IpvsError('ERR_IPVS_CLOSED', `pool "${this.name}" has been closed; open another one`)
  }
}

/** What is thrown rejects, as of an async function, which would cost every flip a promise and its own frame. */
function promised(call: () => Promise<void>): Promise<void> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Events about no server's state. */
const STATELESS = { before: undefined, after: undefined, initial: false } as const
