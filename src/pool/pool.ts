// MirroredPool: one set of servers behind one or more services that always agree.
import { EventEmitter } from 'node:events'
import { IpvsError, isArgumentError, rangeError } from '../errors.js'
import type { HealthMember, HealthTarget, Verdict } from '../health/types.js'
import type { PoolServer } from '../servers.js'
import { endpointKey, readServer, type ServerSpec } from '../servers.js'
import type { Sysctls } from '../system/sysctls.js'
import type { Change } from '../types.js'
import { checkBoolean, checkInteger, checkName, checkOptions } from '../validate.js'
import { adoptOnePacket, presumedHealth } from './adopt.js'
import { Drains } from './drains.js'
import { Duties } from './duties.js'
import { Events } from './events.js'
import { type FollowOptions, type FollowTarget, follow } from './follow.js'
import { Member } from './member.js'
import { takeList } from './membership.js'
import { Mirror, type ReconcileResult } from './mirror.js'
import { readSettings } from './namespace.js'
import { needs } from './needs.js'
import { readOptions, readServers, type Settings } from './options.js'
import { claim } from './owners.js'
import { Policy } from './policy.js'
import { Rounds } from './rounds.js'
import { listServers, serverStatus } from './status.js'
import type {
  AdminState,
  DrainOptions,
  DrainResult,
  MirroredPoolEvents,
  MirroredPoolOptions,
  PoolCause,
  PoolClient,
  PoolStatus,
  PoolWarningCode,
} from './types.js'
import { contestedText, panicText, Warnings } from './warnings.js'

const ADMIN_STATES = new Map(
  (['ready', 'drain', 'maintenance'] as const).map((name) => [name, name]),
)
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
  readonly #client: PoolClient
  readonly #settings: Settings
  readonly #mirror: Mirror
  readonly #policy: Policy
  readonly #duties: Duties
  readonly #events: Events
  readonly #release: () => void
  readonly #memberListeners = new Set<() => void>()
  readonly #drains: Drains
  readonly #rounds: Rounds
  #sysctls: Sysctls = {}
  readonly #warnings = new Warnings()
  #closing: Promise<void> | undefined
  /** Aborted when the pool is closed. */
  readonly #gone = new AbortController()

  /**
   * Makes the kernel hold the pool and keeps it so. What is there already is changed in place, field by field, never
   * deleted and added again; what belongs to other services is not touched.
   *
   * @throws TypeError, RangeError for an option that cannot be used, or that nothing good can come of
   * @throws IpvsError `ERR_IPVS_OWNED` if a pool of this process has one of the services in this network namespace,
   *   or why the kernel does not hold the pool; part of it may be there then
   */
  static async open(client: PoolClient, options: MirroredPoolOptions): Promise<MirroredPool> {
    const pool = new MirroredPool(client, readOptions(options))
    try {
      pool.#sysctls = await pool.#readSettings()
      await pool.#mirror.open()
      pool.#judgeSettings('open', false)
      pool.#duties.opened()
    } catch (error) {
      pool.#duties.close()
      pool.#closing = pool.#mirror.close()
      pool.#release()
      throw error
    }
    pool.#events.opened()
    pool.#rounds.start()
    return pool
  }

  private constructor(client: PoolClient, settings: Settings) {
    super()
    this.name = settings.name
    this.#client = client
    this.#settings = settings
    this.#events = new Events(this, this.name)
    this.#mirror = new Mirror(client, settings.fronts, settings.drift, {
      read: () => this.#adopt(),
      drift: (drift, repaired, cause) => {
        this.#events.publish('drift', { ...drift, repaired, cause, initial: cause === 'open' })
      },
      diverged: ({ key }, split) => {
        this.#events.publish('diverged', { ...split, server: key, initial: split.cause === 'open' })
      },
      failed: (error, member) => {
        const about = member === undefined ? {} : { server: member.key }
        this.#events.publish('error', { ...about, ...STATELESS, error, cause: 'repair' })
      },
      converged: () => {
        this.#duties.converged()
        void this.#endHold('health')
      },
      contested: (keys) => this.#warn('contested', contestedText(keys), 'reconcile'),
    })
    this.#policy = new Policy(settings.rules, settings.initial === 'adopt')
    this.#duties = new Duties(this.#mirror, this.#policy, this.#events, (cause) =>
      this.#tellPanic(cause),
    )
    this.#drains = new Drains(client, this.#events, (member, admin) =>
      this.#setAdmin(member, admin),
    )
    this.#rounds = new Rounds(settings.reconcileIntervalMs, () => this.#round())
    for (const [index, spec] of settings.servers.entries()) {
      this.#join(spec, `options.servers[${index}]`)
    }
    for (const [index, spec] of settings.backup.entries()) {
      this.#join(spec, `options.backup[${index}]`, true)
    }
    const keys = settings.fronts.map(({ key }) => key)
    this.#release = claim(client.namespace, keys, this.name)
  }

  /** The server is healthy. Says nothing against an administrator's `drain` or `maintenance`. */
  up(server: string | PoolServer): Promise<void> {
    return promised(() => this.#decide(this.#member(server), 'up', 1, 'call', undefined))
  }

  /** The server is not healthy: `onDown` says what happens. */
  down(server: string | PoolServer): Promise<void> {
    return promised(() => this.#decide(this.#member(server), 'down', 1, 'call', undefined))
  }

  /** Sets the configured weight, 0 to 2147483647. A server that is down or not ready gets it later. */
  setWeight(server: string | PoolServer, weight: number): Promise<void> {
    return promised(() => {
      const member = this.#member(server)
      member.weight = checkInteger(weight, 'weight', 0, MAX_WEIGHT)
      return this.#change([member], 'call')
    })
  }

  /**
   * Sets the administrator's word, which health does not change: `ready`; `drain` (weight 0 on all protocols while
   * the server is healthy; what is established goes on, and UDP clients that keep their port stay); or `maintenance`
   * (as if it were down).
   */
  async setAdmin(server: string | PoolServer, admin: AdminState): Promise<void> {
    const member = this.#member(server)
    const checked = checkName(admin, 'admin', ADMIN_STATES)
    this.#drains.end(member, 'cancelled')
    await this.#setAdmin(member, checked)
  }

  /**
   * Gives a server weight 0, waits until its connections are over (TCP: no active ones; UDP: none at all) or the time
   * is, and puts it into `maintenance`: it is taken out as if it were down. A server that goes down meanwhile is taken
   * out at once. `setAdmin` or aborting the signal cancels; aborting gives the weight back.
   *
   * UDP clients that keep their port stay with a server that has weight 0: for them it ends with the time.
   *
   * @throws IpvsError (rejects) if the kernel does not hold what follows; the pool tries again
   */
  async drain(server: string | PoolServer, options?: DrainOptions): Promise<DrainResult> {
    const member = this.#member(server)
    return this.#drains.start(member, options)
  }

  /**
   * Adds a server. It starts as `initial` says: up, down, or, with `adopt`, waiting for its first verdict.
   *
   * @throws RangeError (rejects) if it is in the pool already, or does not fit every front
   */
  async add(
    server: string | PoolServer,
    options?: { readonly backup?: boolean | undefined },
  ): Promise<void> {
    this.#checkOpen()
    const { backup = false } = checkOptions(options, 'options', ['backup'])
    const spec = readServer(server, 'server')
    const member = this.#join(spec, 'server', checkBoolean(backup, 'options.backup'))
    this.#presume(member)
    this.#membersChanged()
    await this.#change([member], 'call')
  }

  /** Takes a server out of the pool, and its destinations out of the kernel. */
  async remove(server: string | PoolServer): Promise<void> {
    const member = this.#member(server)
    this.#part(member)
    this.#membersChanged()
    await this.#change([member], 'call')
  }

  /**
   * Makes the list the pool's servers, with the fewest changes: new ones are added as {@link add} does, those that are
   * not listed are removed, weights and thresholds are set; the others are not touched. Who comes goes out before who
   * leaves, in one batch. Backups stay.
   *
   * @throws TypeError, RangeError (rejects) naming the place in the list; nothing was changed
   */
  async setServers(servers: readonly (string | PoolServer)[]): Promise<void> {
    this.#checkOpen()
    const specs = readServers(servers, 'servers')
    const listed = specs.map((spec, index) => this.#make(spec, `servers[${index}]`))
    const { joining, changed, leaving } = takeList(this.#mirror.members, listed)
    if (joining.length + changed.length + leaving.length === 0) return
    const successors = new Map(joining.map((member) => [member.key, member]))
    for (const member of leaving) {
      const drained = this.#part(member)
      const successor = successors.get(member.key)
      if (successor === undefined) continue
      if (drained) successor.admin = 'ready'
      successors.delete(member.key)
    }
    for (const member of joining) {
      this.#mirror.join(member)
      if (successors.has(member.key)) this.#presume(member)
    }
    this.#membersChanged()
    await this.#change([...changed, ...joining, ...leaving], 'call')
  }

  /**
   * Follows a source of server lists, a watched file or a name in the DNS say, and makes each list the pool's servers
   * ({@link setServers}). A source that fails is asked again, and one with too few servers is refused (event
   * `warning`): the pool keeps what it has. Resolves when the source has ended, the signal is aborted or the pool is
   * closed.
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
   */
  async reconcile(): Promise<ReconcileResult> {
    this.#checkOpen()
    try {
      this.#sysctls = await this.#readSettings()
      this.#judgeSettings('reconcile', this.#draining())
    } catch (error) {
      // The namespace's settings are one thing, the pool's table another.
      this.#events.publish('error', { ...STATELESS, error, cause: 'reconcile' })
    }
    return this.#mirror.reconcile('reconcile')
  }

  /** What the pool wants and knows at this moment; `servers` suits `console.table`. */
  status(): PoolStatus {
    this.#mirror.handOver()
    return {
      pool: this.name,
      fronts: this.#settings.fronts.map(({ key }) => key),
      servers: [...this.#mirror.members.values()].map(serverStatus),
      converged: this.#mirror.converged,
      quorum: this.#policy.isQuorate(this.#mirror.members),
      needs: needs(this.#settings, this.#sysctls),
      warnings: this.#warnings.all,
    }
  }

  /**
   * Gives the pool up, after what is under way. The kernel goes on with what it holds; `withdraw` removes the pool's
   * services instead. Later calls reject with `ERR_IPVS_CLOSED`. Closing again changes nothing.
   *
   * @throws IpvsError (rejects) if `withdraw` has failed for a service; the pool is closed all the same
   */
  async close(options?: { readonly withdraw?: boolean | undefined }): Promise<void> {
    const { withdraw } = checkOptions(options, 'options', ['withdraw'])
    const withdrawn = withdraw !== undefined && checkBoolean(withdraw, 'options.withdraw')
    if (this.#closing === undefined) {
      this.#closing = this.#close(withdrawn)
      this.#membersChanged()
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** For health checkers: the servers, and what is presumed about them. None once the pool is closed. */
  *members(): Generator<HealthMember> {
    if (this.#closing !== undefined) return
    for (const { key, address, port, health, instance } of this.#mirror.members.values()) {
      yield { key, address, port, state: health, instance }
    }
  }

  /** For health checkers: `up` or `down`, with a reason. A verdict about a server that has left is ignored. */
  async report({ key }: HealthMember, verdict: Verdict): Promise<void> {
    this.#checkOpen()
    const member = this.#mirror.members.get(key)
    if (member === undefined) return
    const { healthy, weightFactor = 1, reason } = verdict
    const factor = Math.min(1, Math.max(0, weightFactor))
    await this.#decide(member, healthy ? 'up' : 'down', factor, 'health', reason)
  }

  /** For health checkers: calls `listener` after each change of the member list, until the result is called. */
  onMembers(listener: () => void): () => void {
    this.#memberListeners.add(listener)
    return () => this.#memberListeners.delete(listener)
  }

  #decide(
    member: Member,
    health: 'up' | 'down',
    factor: number,
    cause: 'call' | 'health',
    reason: string | undefined,
  ): Promise<void> {
    // The failure action comes before an orderly end.
    if (health === 'down') this.#drains.end(member, 'failed')
    return this.#unhold(this.#duties.decide(member, { health, factor, cause, reason }), cause)
  }

  #change(members: readonly Member[], cause: 'call' | 'health'): Promise<void> {
    return this.#unhold(this.#duties.change(members, cause), cause)
  }

  #unhold(done: Promise<void>, cause: 'call' | 'health'): Promise<void> {
    return this.#mirror.hold ? done.then(() => this.#endHold(cause)) : done
  }

  async #setAdmin(member: Member, admin: AdminState): Promise<void> {
    if (member.admin !== admin) member.since = Date.now()
    member.admin = admin
    if (admin === 'drain') this.#judgeSettings('call', true)
    await this.#change([member], 'call')
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

  #readSettings(): Promise<Sysctls> {
    return readSettings(this.#client, this.#settings.fronts, this.#settings.namespace)
  }

  async #round(): Promise<void> {
    try {
      await this.reconcile()
    } catch (error) {
      if (this.#closing !== undefined) return
      this.#events.publish('error', { ...STATELESS, error, cause: 'reconcile' })
    }
  }

  /** With every server decided, what is not declared may go. */
  async #endHold(cause: 'call' | 'health'): Promise<void> {
    if (!this.#mirror.hold || !this.#isDecided()) return
    this.#mirror.hold = false
    // Whoever reports the last verdict has no part in this: what fails here is an `error` and tried again.
    await this.#mirror.reconcile(cause).catch(() => {})
  }

  /** What the first read decides. */
  #adopt(): void {
    const { fronts, initial, forwarding, onePacketGiven } = this.#settings
    for (const front of fronts) {
      // With masquerading it can only do harm.
      const keep = !onePacketGiven && forwarding !== 'masquerade'
      const warning = adoptOnePacket(front, keep)
      if (warning === undefined) continue
      this.#warnings.add(warning)
      this.#events.publish('warning', { ...warning, ...STATELESS, cause: 'open', initial: true })
    }
    for (const member of this.#mirror.members.values()) this.#presume(member)
    if (initial === 'adopt') this.#mirror.hold = !this.#isDecided()
    this.#duties.opening()
  }

  /** Every server has had a verdict. */
  #isDecided(): boolean {
    for (const { decided } of this.#mirror.members.values()) if (!decided) return false
    return true
  }

  #presume(member: Member): void {
    if (this.#settings.initial === 'adopt') member.health = presumedHealth(member)
  }

  #draining(): boolean {
    return [...this.#mirror.members.values()].some(({ admin }) => admin === 'drain')
  }

  #judgeSettings(cause: 'open' | 'call' | 'reconcile', draining: boolean): void {
    for (const warning of this.#warnings.judge(this.#settings, this.#sysctls, draining)) {
      const initial = cause === 'open'
      this.#events.publish('warning', { ...warning, ...STATELESS, cause, initial })
    }
  }

  #make(spec: ServerSpec, option: string, backup = false): Member {
    const { initial } = this.#settings
    return new Member(
      spec,
      option,
      this.#settings,
      initial === 'adopt' ? 'unknown' : initial,
      backup,
    )
  }

  #join(spec: ServerSpec, option: string, backup = false): Member {
    const member = this.#make(spec, option, backup)
    const other = this.#mirror.occupant(member)
    if (other !== undefined) {
      const rule = `a server that is not in the pool yet: ${other.key} is`
      throw rangeError(option, rule, endpointKey(spec.address, spec.port ?? this.#settings.port))
    }
    if (backup) this.#policy.expectBackups()
    this.#mirror.join(member)
    return member
  }

  /** True if it was being drained. */
  #part(member: Member): boolean {
    this.#mirror.leave(member)
    return this.#drains.end(member, 'cancelled')
  }

  #member(server: string | PoolServer): Member {
    this.#checkOpen()
    const { members } = this.#mirror
    if (typeof server === 'string') {
      const { port } = this.#settings
      const known = members.get(server) ?? members.get(endpointKey(server, port))
      if (known !== undefined) return known
    }
    const { address, port } = readServer(server, 'server')
    const key = endpointKey(address, port ?? this.#settings.port)
    const member = members.get(key)
    if (member !== undefined) return member
    const text = `pool "${this.name}" has no server ${key}; it has ${listServers(members)}`
    throw new IpvsError('ERR_IPVS_NO_SERVER', text)
  }

  #membersChanged(): void {
    for (const listener of [...this.#memberListeners]) {
      try {
        listener()
      } catch (error) {
        const reason = 'a listener of the member list has thrown'
        this.#events.publish('error', { ...STATELESS, cause: 'call', reason, error })
      }
    }
  }

  async #close(withdraw: boolean): Promise<void> {
    this.#rounds.stop()
    this.#gone.abort()
    this.#duties.close()
    this.#drains.close()
    try {
      await this.#mirror.close()
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
