// One pool of the file: the pool itself, who checks its servers, and where its servers come from.
import { pause } from '../abort.js'
import { Backoff } from '../backoff.js'
import { HealthChecker } from '../health/checker.js'
import type { HealthStatus } from '../health/types.js'
import { follow } from '../pool/follow.js'
import type { ServerList } from '../pool/held-servers.js'
import { MirroredPool } from '../pool/pool.js'
import { type PoolServer, readServer } from '../servers.js'
import type { TableClient } from '../table-client.js'
import type { CheckConfig, NoCheck } from './config/checks.js'
import { type PoolConfig, serverKeyOf } from './config/pools.js'
import type { SourceConfig } from './config/servers.js'
import { type Events, messageOf } from './events.js'
import type { Override, Overrides } from './overrides.js'
import { PoolTarget } from './pool-target.js'

/** What all pools of a director share. */
export interface PoolsOf {
  readonly client: TableClient
  readonly overrides: Overrides
  readonly events: Events
}

interface Checking {
  readonly config: CheckConfig
  readonly target: PoolTarget
  readonly checker: HealthChecker
}

/** What is asked of a server, and how it went. */
export interface ServerCheck {
  readonly config: CheckConfig
  readonly status: HealthStatus | undefined
}

const RETRY = { firstMs: 1000, maxMs: 30_000 }

export class ManagedPool {
  readonly #of: PoolsOf
  #config: PoolConfig
  #pool: MirroredPool | undefined
  /** By their digests. */
  readonly #checking = new Map<string, Checking>()
  /** Checks of servers that have one of their own, by key. */
  #ownChecks: ReadonlyMap<string, CheckConfig | NoCheck> = new Map()
  /** As the file or the source has them, by key. `undefined`: the source has given no list yet. */
  #listed: ReadonlyMap<string, PoolServer> | undefined
  #source: { readonly config: SourceConfig; readonly end: AbortController } | undefined
  /** Why it is not open, or what the source complains of. */
  #trouble: string | undefined
  #closed = false
  readonly #end = new AbortController()

  constructor(of: PoolsOf, config: PoolConfig) {
    this.#of = of
    this.#config = config
  }

  get config(): PoolConfig {
    return this.#config
  }

  /** Until it is open there is none. */
  get pool(): MirroredPool | undefined {
    return this.#pool
  }

  get trouble(): string | undefined {
    return this.#trouble
  }

  /** The source that its servers come from has given no list yet. */
  get isWaiting(): boolean {
    return this.#listed === undefined
  }

  get checkers(): readonly (readonly [check: string, checker: HealthChecker])[] {
    return [...this.#checking.values()].map(({ config, checker }) => [config.name, checker])
  }

  /** The kernel holds it when this resolves, or it is tried again and again; with a source, when that gives its first list. */
  async open(): Promise<void> {
    this.#readOwnChecks()
    this.#check()
    await this.#takeList()
  }

  /** A server as the file or the source has it. */
  listed(server: string): PoolServer | undefined {
    return this.#listed?.get(server) ?? this.#backups().get(server)
  }

  /** Gives the pool up, for one that opens with other options. The kernel keeps what it holds. */
  async release(): Promise<void> {
    await this.#pool?.close()
    this.#pool = undefined
  }

  /** Makes it what another configuration of its name says. What has not changed is not touched. With another identity it is released before. */
  async change(config: PoolConfig): Promise<void> {
    const before = this.#config
    this.#config = config
    this.#readOwnChecks()
    if (before.identity === config.identity) {
      this.#check()
      await this.#changeServers(before)
    } else {
      this.#check()
      if (config.source === undefined || this.#sourceHasChanged()) await this.#takeList()
      else await this.#openPool()
    }
  }

  /** What a person has said of a server is another thing now. */
  async apply(server: string, override: Override | undefined): Promise<void> {
    const pool = this.#pool
    if (pool === undefined) return
    const weight = override?.weight ?? this.listed(server)?.weight ?? 1
    await Promise.all([
      pool.setAdmin(server, override?.admin ?? 'ready'),
      pool.setWeight(server, weight),
    ])
  }

  /** What asks a server, or `none`. */
  checkOf(server: string): ServerCheck | NoCheck {
    const config = this.#checkOf(server)
    if (config === 'none') return config
    const status = this.#checking.get(config.digest)?.checker.status()
    return { config, status: status?.find(({ key }) => key === server) }
  }

  /** How all checks went, by server. */
  checkStatus(): ReadonlyMap<string, ServerCheck> {
    const all = [...this.#checking.values()].flatMap(({ config, checker }) =>
      checker.status().map((status) => [status.key, { config, status }] as const),
    )
    return new Map(all)
  }

  async close(options: { readonly withdraw: boolean }): Promise<void> {
    this.#closed = true
    this.#end.abort()
    this.#source?.end.abort()
    await Promise.all([...this.#checking.values()].map(({ checker }) => checker.stop()))
    await this.#pool?.close(options)
  }

  // --- servers

  #sourceHasChanged(): boolean {
    return this.#source?.config.digest !== this.#config.source?.digest
  }

  /** The list of the file, or of the source, which is followed from now on. */
  async #takeList(): Promise<void> {
    const { source, servers } = this.#config
    this.#source?.end.abort()
    this.#source = undefined
    if (source === undefined) {
      await this.#setList(servers.map(({ server }) => server))
      return
    }
    const end = new AbortController()
    this.#source = { config: source, end }
    const target = {
      setServers: (list: ServerList) => this.#setList(list),
      report: (_: unknown, error: Error) => this.#complain(`${source.name}: ${error.message}`),
    }
    void follow(target, source.servers, { ...source.follow, ref: false }, end.signal)
  }

  async #setList(list: ServerList): Promise<void> {
    const { port } = this.#config
    const listed = list.map((one) => (typeof one === 'string' ? pooled(one) : one))
    this.#listed = new Map(listed.map((one) => [serverKeyOf(one, port), one]))
    if (this.#pool === undefined) await this.#openPool()
    else await this.#send(this.#pool.setServers(this.#wanted()))
  }

  async #changeServers(before: PoolConfig): Promise<void> {
    const pool = this.#pool
    const { backup, servers, source } = this.#config
    const old = this.#backups(before)
    const now = this.#backups()
    const same = (key: string) => JSON.stringify(old.get(key)) === JSON.stringify(now.get(key))
    if (pool !== undefined && before.backup !== backup) {
      for (const key of old.keys()) if (!same(key)) await this.#send(pool.remove(key))
    }
    if (this.#sourceHasChanged() || (source === undefined && before.servers !== servers)) {
      await this.#takeList()
    }
    if (pool !== undefined && before.backup !== backup) {
      for (const [key, server] of now) {
        if (!same(key))
          await this.#send(pool.add(this.#withOverride(key, server), { backup: true }))
      }
    }
  }

  #backups({ backup, port } = this.#config): ReadonlyMap<string, PoolServer> {
    return new Map(
      backup.map(({ server }) => {
        const one = typeof server === 'string' ? pooled(server) : server
        return [serverKeyOf(one, port), one] as const
      }),
    )
  }

  #wanted(): PoolServer[] {
    return [...(this.#listed ?? [])].map(([key, server]) => this.#withOverride(key, server))
  }

  #withOverride(key: string, server: PoolServer): PoolServer {
    const override = this.#of.overrides.get(this.#config.name, key)
    if (override === undefined) return server
    const { admin = 'ready', weight = server.weight } = override
    return { ...server, admin, weight }
  }

  /** What the kernel refuses is an `error` of the pool's, and tried again. */
  async #send(done: Promise<unknown>): Promise<void> {
    await done.then(
      () => {
        this.#trouble = undefined
      },
      (error: unknown) => this.#complain(messageOf(error)),
    )
  }

  // --- the pool

  async #openPool(): Promise<void> {
    const backoff = new Backoff(RETRY)
    const isOpen = await this.#tryToOpen()
    if (isOpen) return
    void (async () => {
      while (!this.#closed && this.#pool === undefined) {
        await pause(backoff.next(), this.#end.signal)
        if (this.#closed || this.#pool !== undefined || (await this.#tryToOpen())) return
      }
    })()
  }

  async #tryToOpen(): Promise<boolean> {
    const { options, name } = this.#config
    const backups = this.#backups()
    try {
      const pool = await MirroredPool.open(this.#of.client, {
        ...options,
        servers: this.#wanted(),
        backup: [...backups].map(([key, server]) => this.#withOverride(key, server)),
      })
      if (this.#closed) {
        await pool.close()
        return true
      }
      this.#of.events.hear(pool)
      this.#pool = pool
      pool.onMembers(() => this.#membersChanged())
      this.#trouble = undefined
      this.#membersChanged()
      return true
    } catch (error) {
      this.#complain(`pool "${name}" could not be opened: ${messageOf(error)}`)
      return false
    }
  }

  #complain(text: string): void {
    if (this.#trouble === text) return
    this.#trouble = text
    this.#of.events.publish({ event: 'warning', pool: this.#config.name, text })
  }

  // --- checks

  #readOwnChecks(): void {
    const { servers, backup, port } = this.#config
    const own = [...servers, ...backup].flatMap(({ server, check }) =>
      check === undefined ? [] : [[serverKeyOf(server, port), check] as const],
    )
    this.#ownChecks = new Map(own)
  }

  #checkOf(server: string): CheckConfig | NoCheck {
    return this.#ownChecks.get(server) ?? this.#config.check
  }

  /** Starts and stops checkers, so that there is one for each check that is asked for. */
  #check(): void {
    const wanted = new Map<string, CheckConfig>()
    for (const check of [this.#config.check, ...this.#ownChecks.values()]) {
      if (check !== 'none') wanted.set(check.digest, check)
    }
    for (const [digest, { checker }] of this.#checking) {
      if (wanted.has(digest)) continue
      this.#checking.delete(digest)
      void checker.stop()
    }
    for (const [digest, config] of wanted) {
      if (this.#checking.has(digest)) continue
      const target = new PoolTarget(
        () => this.#pool,
        (server) => {
          const check = this.#checkOf(server)
          return check !== 'none' && check.digest === digest
        },
      )
      const checker = new HealthChecker(target, { ...config.options, ref: false })
      checker.on('warning', ({ message, member }) => {
        const { name: pool } = this.#config
        const server = member?.key
        this.#of.events.publish({ event: 'warning', pool, server, text: message })
      })
      checker.start()
      this.#checking.set(digest, { config, target, checker })
    }
    this.#membersChanged()
  }

  #membersChanged(): void {
    for (const { target } of this.#checking.values()) target.changed()
    this.#vouch()
  }

  /** Whom nobody checks is up. */
  #vouch(): void {
    const pool = this.#pool
    if (pool === undefined || this.#config.options.initial === 'up') return
    for (const member of pool.members()) {
      if (member.state === 'up' || this.#checkOf(member.key) !== 'none') continue
      // What the kernel refuses is an `error` of the pool's.
      pool.up(member.key).catch(() => {})
    }
  }
}

function pooled(server: string): PoolServer {
  const { address, port } = readServer(server, 'server')
  return port === undefined ? { address } : { address, port }
}
