// Director: pools, checks, sources and what was done by hand, as a file says, and kept so.
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { stay } from '../abort.js'
import { Ipvs } from '../client.js'
import { IpvsError, rangeError } from '../errors.js'
import type { HealthChecker } from '../health/checker.js'
import type { PoolRole } from '../pool/api.js'
import type { MirroredPool } from '../pool/pool.js'
import { checkOptions } from '../validate.js'
import type { CheckResult, ConnectionCounts, ReloadResult, SetResult, StateFilter } from './api.js'
import { checkNow } from './check-now.js'
import { serviceIdsOf } from './config/fronts.js'
import { serverKeyOf } from './config/pools.js'
import type { Config } from './config/read.js'
import { countConnections } from './connections.js'
import { drainAll } from './drain-all.js'
import { type DirectorEvent, Events, messageOf } from './events.js'
import { findServer } from './find-server.js'
import { type FleetState, fleetState, wordsOf } from './fleet.js'
import { Hooks } from './hooks/hooks.js'
import { KeptWords } from './kept-words.js'
import { ManagedPool } from './managed-pool.js'
import { Orphans } from './orphans.js'
import { handKey, type OverrideChange, Overrides, readChange } from './overrides.js'
import { Peers } from './peers.js'
import { Role } from './role/role.js'
import type { RoleState } from './role/role-keeper.js'
import { type DirectorState, poolState, type ServerState } from './state.js'
import { Verdicts } from './verdicts/verdicts.js'

/** Options of {@link Director.open}. */
export interface DirectorOptions {
  /** Whose table it is. Default: one of its own, in the network namespace of the file, closed when the director stops. */
  readonly client?: Ipvs | undefined
}

const GUARD_MS = 5000

/**
 * Runs what a file says: pools with their checks and sources, what a person says of servers beside it, and one order of
 * events for all of it. `ipvs run` is a shell around it.
 *
 * What the kernel refuses is tried again; what cannot be opened is opened later. Whatever happens to this process, the
 * kernel goes on with what it holds, and the next one takes it over.
 */
export class Director
  extends EventEmitter<{ event: [event: DirectorEvent] }>
  implements AsyncDisposable
{
  readonly client: Ipvs
  readonly #ownsClient: boolean
  readonly #events = new Events()
  readonly #overrides = new Overrides()
  readonly #kept = new KeptWords(this.#overrides, (text) =>
    this.#events.publish({ event: 'warning', text }),
  )
  readonly #hooks: Hooks
  readonly #roles: Role
  readonly #peers: Peers
  readonly #verdicts: Verdicts
  readonly #pools = new Map<string, ManagedPool>()
  readonly #startedAt = Date.now()
  readonly #instance = randomUUID()
  readonly #troubles = new Map<string, string>()
  readonly #orphans: Orphans
  #config: Config
  #reload: DirectorState['reload']
  #ready = false
  /** Reloads and the end come one after the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #stopping: Promise<void> | undefined
  #guard: NodeJS.Timeout | undefined
  #leave = () => {}

  /**
   * Opens all pools and begins to check. Resolves when the kernel holds every pool that it takes; the others are tried again.
   *
   * @throws TypeError, RangeError (rejects) bad options
   * @throws IpvsError (rejects) the kernel cannot be reached: see {@link Ipvs.open}
   */
  static async open(config: Config, options?: DirectorOptions): Promise<Director> {
    const { client } = checkOptions(options, 'options', ['client']) as DirectorOptions
    const own =
      client ?? (await Ipvs.open(config.netns === undefined ? {} : { netns: config.netns }))
    const director = new Director(config, own, client === undefined)
    try {
      await director.#open()
    } catch (error) {
      await director.stop('leave')
      throw error
    }
    return director
  }

  private constructor(config: Config, client: Ipvs, ownsClient: boolean) {
    super()
    this.setMaxListeners(0)
    this.#config = config
    this.client = client
    this.#ownsClient = ownsClient
    this.#hooks = new Hooks((text) => this.#events.publish({ event: 'warning', text }))
    this.#orphans = new Orphans(client, (text) => this.#fault('withdraw', text))
    this.#roles = new Role({
      client,
      pools: (role) => this.#becomeAll(role),
      publish: (event, text, data) => this.#events.publish({ event, text, data }),
    })
    this.#peers = new Peers({
      role: () => this.#roles.state,
      instance: this.#instance,
      twoActive: (text) => this.#trouble('peers', text, 'no other director is active any more'),
      warn: (text) => this.#events.publish({ event: 'warning', text }),
    })
    this.#verdicts = new Verdicts({
      again: (pool, server) => {
        const some = pool === undefined ? this.#pools.values() : [this.#pools.get(pool)]
        for (const managed of some) managed?.judgeAgain(server)
      },
      trouble: (text) => this.#trouble('verdicts', text, 'etcd answers again: all directors count'),
      warn: (text) => this.#events.publish({ event: 'warning', text }),
    })
    this.#events.on('event', (event) => {
      this.#hooks.tell(event)
      this.emit('event', event)
    })
  }

  /** The configuration there is now. */
  get config(): Config {
    return this.#config
  }

  /** The pools that are open. */
  *pools(): Generator<MirroredPool> {
    for (const { pool } of this.#pools.values()) if (pool !== undefined) yield pool
  }

  /** The checkers there are, by names that are unique: `dns/resolver`. */
  checkers(): Record<string, HealthChecker> {
    const found: Record<string, HealthChecker> = {}
    for (const [name, managed] of this.#pools) {
      for (const [check, checker] of managed.checkers) {
        let unique = `${name}/${check}`
        for (let n = 2; unique in found; n++) unique = `${name}/${check} ${n}`
        found[unique] = checker
      }
    }
    return found
  }

  /**
   * Makes it what another configuration says. Pools that are the same are not touched; nothing of a pool goes before what takes
   * its place is there. What was said by hand stays.
   *
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`
   * @throws RangeError (rejects) another network namespace: that takes a new start
   */
  reload(config: Config): Promise<ReloadResult> {
    return this.#inTurn(async () => {
      this.#checkOpen()
      if (config.netns !== this.#config.netns) {
        throw rangeError(
          'config.netns',
          `as it is (${this.#config.netns ?? 'the present one'}): another network namespace takes a new start`,
          config.netns,
        )
      }
      const result = await this.#change(config)
      await this.#roles.use(config)
      await this.#becomeAll(this.#roles.ofPools)
      void this.#roles.start()
      const { added, changed, removed, same } = result
      const counts = [
        `${added.length} added`,
        `${changed.length} changed`,
        `${removed.length} removed`,
        `${same} the same`,
      ]
      const text = `reloaded ${config.file}: ${counts.join(', ')}`
      this.#reload = { time: Date.now(), text }
      this.#events.publish({ event: 'reload', text, data: result })
      return result
    })
  }

  /** Tells everybody that a reload was refused: the configuration stays as it is. */
  refuseReload(reason: string): void {
    const text = `not reloaded, everything stays as it is: ${reason}`
    this.#reload = { time: Date.now(), text }
    this.#events.publish({ event: 'error', text })
  }

  /**
   * Says of a server what the file does not: the administrator's word, or its weight. It outlives reloads, and restarts
   * where the file names a place for the state.
   *
   * @param target pool and server: `dns/10.1.0.2`
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel does not hold it yet
   */
  async set(target: string, change: OverrideChange): Promise<SetResult> {
    this.#checkOpen()
    const checked = readChange(change)
    const { managed, server } = findServer(target, this.#pools, this.#overrides, true)
    const { name } = managed.config
    const key = handKey(server, managed.config.port)
    this.#overrides.change(name, key, checked, managed.listed(server)?.admin ?? 'ready')
    const words = [
      checked.admin,
      checked.weight === undefined ? undefined : `weight ${checked.weight}`,
    ]
    const text = `${name}/${server} by hand: ${words.filter(Boolean).join(', ')}`
    this.#events.publish({ event: 'set', pool: name, server, text, data: checked })
    const kept = this.#kept.save()
    try {
      await managed.apply(server, this.#overrides.get(name, key))
    } catch (error) {
      if (!(error instanceof IpvsError) || error.code !== 'ERR_IPVS_NO_SERVER') throw error
    } finally {
      await kept
    }
    const { notKept } = this.#kept
    return {
      pool: name,
      state: this.#serverState(managed, server),
      ...(notKept === undefined ? {} : { notKept }),
    }
  }

  /**
   * Makes it the active one of several directors, or a standby: its sync daemons, the setting `backup_only`, and, where the
   * file says so, its services. The same again does nothing; the last word wins, this one or that of the source that
   * the file names. What fails is tried again.
   *
   * @throws TypeError, RangeError (rejects) a bad argument, or the file has no role
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`
   * @throws Error (rejects) a step has failed, with what the kernel says
   */
  async become(role: PoolRole): Promise<RoleState> {
    this.#checkOpen()
    return this.#roles.become(role)
  }

  /**
   * Takes what a notify script of keepalived was called with: `['INSTANCE', 'VI_1', 'MASTER', '100']`. Of another instance
   * than that whose FIFO is followed, nothing happens.
   *
   * @throws TypeError, RangeError (rejects) words that keepalived does not say
   * @throws IpvsError, Error (rejects) as {@link become}
   */
  async announced(words: readonly string[]): Promise<RoleState> {
    this.#checkOpen()
    return this.#roles.announced(words)
  }

  /**
   * Asks a server now, each question of its check by itself. Decides nothing.
   *
   * @param target pool and server: `dns/10.1.0.2`
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`
   */
  async check(target: string): Promise<CheckResult> {
    this.#checkOpen()
    const { managed, server } = findServer(target, this.#pools, this.#overrides, false)
    const asked = managed.checkOf(server)
    const member = [...(managed.pool?.members() ?? [])].find(({ key }) => key === server)
    const { name } = managed.config
    const state = this.#serverState(managed, server)
    if (asked === 'none' || member === undefined) {
      return { pool: name, server, check: 'none', steps: [], state }
    }
    const { options, steps, name: check } = asked.config
    const limit = options.timeoutMs ?? Math.min(500, options.intervalMs ?? 1000)
    const most = typeof limit === 'number' ? limit : limit.max
    return {
      pool: name,
      server,
      check,
      steps: await checkNow(steps, member, most),
      state: this.#serverState(managed, server) ?? state,
    }
  }

  /**
   * The connections of a server, as the kernel counts them now.
   *
   * @throws TypeError, RangeError (rejects) a bad argument
   * @throws IpvsError (rejects) `ERR_IPVS_NO_SERVER`, `ERR_IPVS_CLOSED`, or the kernel could not be read
   */
  async connections(target: string): Promise<ConnectionCounts> {
    this.#checkOpen()
    const { managed, server } = findServer(target, this.#pools, this.#overrides, false)
    return countConnections(this.client, managed, server)
  }

  /**
   * What it knows at this moment, as plain JSON.
   *
   * @param only some pools: one by its name, or that of a service by its key, such as `udp 192.0.2.53:53`
   */
  state(only: StateFilter = {}): DirectorState {
    const isMeant = ({ config: { name, services } }: ManagedPool) =>
      (only.pool === undefined || only.pool === name) &&
      (only.service === undefined || services.includes(only.service))
    const all = [...this.#pools.values()]
    const pools = all
      .filter(isMeant)
      .map((one) => poolState(one, this.#overrides.of(one.config.name)))
    // Of some it cannot be told.
    if (pools.length === all.length) {
      this.#ready ||= pools.every(
        ({ open, servers }) =>
          open && servers.every(({ check }) => check === 'none' || check.decided),
      )
    }
    const { role } = this
    return {
      version: 1,
      time: Date.now(),
      startedAt: this.#startedAt,
      pid: process.pid,
      instance: this.#instance,
      name: this.#config.name,
      file: this.#config.file,
      ready: this.#ready,
      ...(role === undefined ? {} : { role }),
      ...(this.#reload === undefined ? {} : { reload: this.#reload }),
      troubles: [this.#kept.trouble, ...this.#troubles.values()].filter(
        (text) => text !== undefined,
      ),
      pools,
      changes: this.#events.last,
    }
  }

  /** Its role, and how far it is. Default: the file has none. */
  get role(): RoleState | undefined {
    return this.#roles.state
  }

  /**
   * What every director says of every server: this one, and its peers, which are asked now. Who does not answer is said so.
   *
   * @throws IpvsError (rejects) `ERR_IPVS_CLOSED`
   */
  async fleet(): Promise<FleetState> {
    this.#checkOpen()
    const answers = await this.#peers.ask()
    const { name, ready, role, pools } = this.state()
    return fleetState([
      { director: { name, ready, role: role?.role }, servers: wordsOf({ pools }) },
      ...answers,
    ])
  }

  /** The last events, oldest first: as in the state. */
  get changes(): readonly DirectorEvent[] {
    return this.#events.last
  }

  /** The process lives, and every pool that is open has looked at the kernel lately. */
  isHealthy(): boolean {
    return [...this.pools()].every((pool) => {
      const { lookedAt, intervalMs } = pool.status().reads
      return intervalMs === 0 || performance.now() - lookedAt < 3 * intervalMs + 5000
    })
  }

  /**
   * Ends it. By default as the file says: the pools stay in the kernel, or are withdrawn, at once or when their connections have
   * gone, for which it waits half a minute at most.
   */
  stop(how: Config['onStop'] = this.#config.onStop): Promise<void> {
    this.#stopping ??= this.#inTurn(() => this.#stop(how))
    return this.#stopping
  }

  /** Ends it, at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #open(): Promise<void> {
    await this.#kept.open(this.#config.state)
    this.#leave = stay()
    this.#guard = setInterval(() => void this.#tend(), GUARD_MS).unref()
    await this.#roles.use(this.#config)
    await this.#change(this.#config)
    await this.#roles.start()
  }

  async #change(config: Config): Promise<ReloadResult> {
    const before = new Map(this.#pools)
    const moved = config.state !== this.#config.state
    this.#config = config
    this.#hooks.use(config)
    this.#peers.use(config.peers)
    await this.#verdicts.use(config)
    if (moved) await this.#kept.move(config.state)
    const names = new Set(config.pools.map(({ name }) => name))
    const removed = [...before.values()].filter((managed) => !names.has(managed.config.name))
    const had = [...before.values()].flatMap(({ config: { options } }) =>
      serviceIdsOf(options.fronts),
    )
    // Addresses go before their services do, unless another pool has one of these from now on.
    const kept = new Set(config.pools.flatMap((pool) => pool.services))
    const gone = removed.filter(
      ({ config: { services: had } }) => !had.some((key) => kept.has(key)),
    )
    await Promise.all(gone.map((managed) => managed.unannounce()))
    // They give their services up first: another pool may have taken one over.
    for (const managed of removed) {
      this.#pools.delete(managed.config.name)
      await managed.close({ withdraw: false })
    }
    const added = config.pools.filter(({ name }) => !before.has(name))
    const changed = config.pools.filter(({ name, digest }) => {
      const known = before.get(name)
      return known !== undefined && known.config.digest !== digest
    })
    // All give up what they have, then all take what they want.
    const reopened = changed.filter(
      ({ name, identity }) => before.get(name)!.config.identity !== identity,
    )
    await Promise.all(reopened.map(({ name }) => before.get(name)!.release()))
    await Promise.all([
      ...changed.map((pool) => before.get(pool.name)!.change(pool)),
      ...added.map((pool) => {
        const managed = new ManagedPool(
          {
            client: this.client,
            overrides: this.#overrides,
            events: this.#events,
            role: () => this.#roles.ofPools,
            judge: (...said) => this.#verdicts.judge(...said),
            forget: (...who) => this.#verdicts.forget(...who),
          },
          pool,
        )
        this.#pools.set(pool.name, managed)
        return managed.open()
      }),
    ])
    const heirs = [...changed, ...added].map(({ name }) => {
      const managed = this.#pools.get(name)!
      return () => managed.pool !== undefined || this.#pools.get(name) !== managed
    })
    this.#orphans.replace(had, kept, heirs)
    await this.#orphans.withdraw()
    return {
      added: added.map(({ name }) => name),
      changed: changed.map(({ name }) => name),
      removed: removed.map(({ config: { name } }) => name),
      same: config.pools.length - added.length - changed.length,
    }
  }

  /** All in one turn, so that they change in one batch. */
  async #becomeAll(role: PoolRole): Promise<void> {
    await Promise.all([...this.#pools.values()].map((managed) => managed.become(role)))
  }

  async #stop(how: Config['onStop']): Promise<void> {
    clearInterval(this.#guard)
    this.#kept.close()
    await this.#roles.close()
    this.#peers.close()
    if (how === 'drain') {
      // Nobody is sent here any more; who comes all the same finds the services.
      await Promise.all([...this.#pools.values()].map((managed) => managed.unannounce()))
      for (const managed of this.#pools.values()) managed.stopFollowing()
      const ours = new Set(this.#config.pools.flatMap(({ services }) => services))
      await drainAll(this.client, this.pools(), ours)
    }
    await Promise.all(
      [...this.#pools.values()].map((managed) =>
        managed.close({ withdraw: how !== 'leave' }).catch((error: unknown) => {
          const text = `pool ${managed.config.name} was not withdrawn: ${messageOf(error)}`
          this.#events.publish({ event: 'error', pool: managed.config.name, text })
        }),
      ),
    )
    if (how !== 'leave') await this.#roles.withdraw()
    await this.#verdicts.close()
    await this.#hooks.close()
    if (this.#ownsClient) await this.client.close()
    this.#leave()
  }

  /** What has to be looked at again and again. */
  async #tend(): Promise<void> {
    for (const { pool, server } of this.#overrides.expire()) {
      const managed = this.#pools.get(pool)
      const text = `${pool}/${server}: what was said by hand is over`
      this.#events.publish({ event: 'set', pool, server, text })
      const key = managed && serverKeyOf(server, managed.config.port)
      managed?.apply(key!, this.#overrides.get(pool, server)).catch(() => {})
      void this.#kept.save()
    }
    await this.#orphans.withdraw()
    await this.#roles.look()
    await this.#kept.guard()
  }

  /** @param text `undefined`: it is over */
  #fault(key: string, text: string | undefined): void {
    if (text === undefined) {
      this.#troubles.delete(key)
      return
    }
    if (!this.#troubles.has(key)) this.#events.publish({ event: 'error', text })
    this.#troubles.set(key, text)
  }

  /** @param text `undefined`: it is over, as `over` says */
  #trouble(key: string, text: string | undefined, over: string): void {
    if (text !== undefined) this.#troubles.set(key, text)
    else if (!this.#troubles.delete(key)) return
    this.#events.publish({ event: 'warning', text: text ?? over })
  }

  #serverState(managed: ManagedPool, server: string): ServerState | undefined {
    const state = poolState(managed, this.#overrides.of(managed.config.name))
    return state.servers.find((row) => row.server === server)
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(run)
    this.#turn = done.catch(() => {})
    return done
  }

  #checkOpen(): void {
    if (this.#stopping === undefined) return
    throw new IpvsError('ERR_IPVS_CLOSED', 'the director has been stopped; open another one')
  }
}
