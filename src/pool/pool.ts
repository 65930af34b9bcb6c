// MirroredPool: one set of servers behind one or more services that always agree.
import { EventEmitter } from 'node:events'
import { IpvsError, rangeError } from '../errors.js'
import type { HealthMember, HealthTarget, Verdict } from '../health/types.js'
import type { Sysctls } from '../system/sysctls.js'
import type { Change } from '../types.js'
import { checkBoolean, checkInteger, checkName, checkOptions } from '../validate.js'
import { adoptOnePacket, presumedHealth } from './adopt.js'
import { Events } from './events.js'
import { Member, type Owed } from './member.js'
import { Mirror, type ReconcileResult } from './mirror.js'
import { readOptions, type Settings } from './options.js'
import { claim } from './owners.js'
import { endpointKey, readServer, type ServerSpec } from './servers.js'
import { listServers, serverStatus } from './status.js'
import type {
  AdminState,
  MirroredPoolEvents,
  MirroredPoolOptions,
  PoolClient,
  PoolServer,
  PoolStatus,
} from './types.js'
import { Warnings } from './warnings.js'

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
  readonly #events: Events
  readonly #release: () => void
  readonly #memberListeners = new Set<() => void>()
  /** With `adopt`: without a verdict so far. */
  readonly #undecided = new Set<Member>()
  #sysctls: Sysctls = {}
  readonly #warnings = new Warnings()
  #closing: Promise<void> | undefined

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
      pool.#sysctls = await client.sysctls()
      await pool.#mirror.open()
      pool.#judgeSettings('open', false)
    } catch (error) {
      pool.#closing = pool.#mirror.close()
      pool.#release()
      throw error
    }
    pool.#events.opened()
    return pool
  }

  private constructor(client: PoolClient, settings: Settings) {
    super()
    this.name = settings.name
    this.#client = client
    this.#settings = settings
    this.#events = new Events(this, this.name)
    this.#mirror = new Mirror(client, settings.fronts, {
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
        this.#payOwed()
        void this.#endHold('health')
      },
    })
    for (const [index, spec] of settings.servers.entries()) {
      this.#join(spec, `options.servers[${index}]`)
    }
    const keys = settings.fronts.map(({ key }) => key)
    this.#release = claim(client.namespace, keys, this.name)
  }

  /** The server is healthy. Says nothing against an administrator's `drain` or `maintenance`. */
  async up(server: string | PoolServer): Promise<void> {
    await this.#decide(this.#member(server), 'up', 1, 'call', undefined)
  }

  /** The server is not healthy: `onDown` says what happens. */
  async down(server: string | PoolServer): Promise<void> {
    await this.#decide(this.#member(server), 'down', 1, 'call', undefined)
  }

  /** Sets the configured weight, 0 to 2147483647. A server that is down or not ready gets it later. */
  async setWeight(server: string | PoolServer, weight: number): Promise<void> {
    const member = this.#member(server)
    member.weight = checkInteger(weight, 'weight', 0, MAX_WEIGHT)
    await this.#flip(member, undefined)
  }

  /**
   * Sets the administrator's word, which health does not change: `ready`; `drain` (weight 0 on all protocols while
   * the server is healthy; what is established goes on, and UDP clients that keep their port stay); or `maintenance`
   * (as if it were down).
   */
  async setAdmin(server: string | PoolServer, admin: AdminState): Promise<void> {
    const member = this.#member(server)
    const checked = checkName(admin, 'admin', ADMIN_STATES)
    if (member.admin !== checked) member.since = Date.now()
    member.admin = checked
    if (checked === 'drain') this.#judgeSettings('call', true)
    await this.#flip(member, undefined)
  }

  /**
   * Adds a server. It starts as `initial` says: up, down, or, with `adopt`, waiting for its first verdict.
   *
   * @throws RangeError (rejects) if it is in the pool already, or does not fit every front
   */
  async add(server: string | PoolServer): Promise<void> {
    this.#checkOpen()
    const member = this.#join(readServer(server, 'server'), 'server')
    if (this.#settings.initial === 'adopt') {
      member.health = presumedHealth(member)
      this.#undecided.add(member)
    }
    this.#membersChanged()
    await this.#flip(member, undefined)
  }

  /** Takes a server out of the pool, and its destinations out of the kernel. */
  async remove(server: string | PoolServer): Promise<void> {
    const member = this.#member(server)
    this.#mirror.leave(member)
    this.#undecided.delete(member)
    this.#membersChanged()
    await this.#flip(member, undefined)
  }

  /**
   * Reads the pool's services and puts right what differs; sends nothing if nothing does. Flips go on meanwhile and
   * are not undone. What fails is tried again in the background.
   */
  async reconcile(): Promise<ReconcileResult> {
    this.#checkOpen()
    this.#sysctls = await this.#client.sysctls()
    this.#judgeSettings('reconcile', this.#draining())
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
    for (const { key, address, port, health } of this.#mirror.members.values()) {
      yield { key, address, port, state: health }
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

  async #decide(
    member: Member,
    health: 'up' | 'down',
    factor: number,
    cause: 'call' | 'health',
    reason: string | undefined,
  ): Promise<void> {
    const before = member.state()
    const initial = !member.decided
    const changed = member.health !== health
    if (changed) member.since = Date.now()
    member.health = health
    member.factor = factor
    member.decided = true
    this.#undecided.delete(member)
    member.reason = reason ?? ''
    const about = { server: member.key, cause, initial, before, after: member.state() }
    const event = reason === undefined ? about : { ...about, reason }
    await this.#flip(member, changed ? { name: health, event } : undefined, cause)
  }

  async #flip(
    member: Member,
    own: Owed | undefined,
    cause: 'call' | 'health' = 'call',
  ): Promise<void> {
    try {
      await this.#mirror.flip(member, cause)
    } catch (error) {
      member.owed = own ?? member.owed
      throw error
    }
    // An earlier event whose flip has failed is superseded by this one's, or has come true with it.
    const owed = own ?? member.owed
    member.owed = undefined
    if (owed !== undefined) this.#events.publish(owed.name, owed.event)
    if (this.#mirror.hold) await this.#endHold(cause)
  }

  /** Events whose flips had failed, now that the kernel holds what they say. */
  #payOwed(): void {
    for (const member of this.#mirror.members.values()) {
      const { owed } = member
      member.owed = undefined
      if (owed?.name === member.health) this.#events.publish(owed.name, owed.event)
    }
  }

  /** With every server decided, what is not declared may go. */
  async #endHold(cause: 'call' | 'health'): Promise<void> {
    if (!this.#mirror.hold || this.#undecided.size > 0) return
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
    if (initial !== 'adopt') return
    for (const member of this.#mirror.members.values()) {
      member.health = presumedHealth(member)
      this.#undecided.add(member)
    }
    this.#mirror.hold = this.#undecided.size > 0
  }

  #draining(): boolean {
    return [...this.#mirror.members.values()].some(({ admin }) => admin === 'drain')
  }

  #judgeSettings(cause: 'open' | 'call' | 'reconcile', draining: boolean): void {
    for (const warning of this.#warnings.judge(this.#settings.fronts, this.#sysctls, draining)) {
      const initial = cause === 'open'
      this.#events.publish('warning', { ...warning, ...STATELESS, cause, initial })
    }
  }

  #join(spec: ServerSpec, option: string): Member {
    const { initial } = this.#settings
    const health = initial === 'adopt' ? 'unknown' : initial
    const member = new Member(spec, option, this.#settings, health)
    const other = this.#mirror.occupant(member)
    if (other !== undefined) {
      const rule = `a server that is not in the pool yet: ${other.key} is`
      throw rangeError(option, rule, endpointKey(spec.address, spec.port ?? this.#settings.port))
    }
    this.#mirror.join(member)
    return member
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

/** Events about no server's state. */
const STATELESS = { before: undefined, after: undefined, initial: false } as const
