// One pool of the file: the pool itself, who checks its servers, and where its servers come from.
import { Backoff } from '../backoff.js'
import { HealthChecker } from '../health/checker.js'
import type { HealthStatus, Verdict } from '../health/types.js'
import type { PoolRole } from '../pool/api.js'
import { follow } from '../pool/follow.js'
import type { ServerList } from '../pool/held-servers.js'
import { MirroredPool } from '../pool/pool.js'
import { type PoolServer, readServer } from '../servers.js'
import type { TableClient } from '../table-client.js'
import { Announcement, type AnnounceState } from './announce.js'
import type { CheckConfig, NoCheck } from './config/checks.js'
import { addressesOf } from './config/fronts.js'
import { type PoolConfig, serverKeyOf } from './config/pools.js'
import type { SourceConfig } from './config/servers.js'
import { type Events, messageOf } from './events.js'
import { handKey, type Override, type Overrides } from './overrides.js'
import { PoolTarget } from './pool-target.js'

/** What all pools of a director share. */
export interface PoolsOf {
  readonly client: TableClient
  readonly overrides: Overrides
  readonly events: Events
  /** What pools are told: to have their services, or to stand by. */
  role(): PoolRole
  /** The verdict that counts, of the one that this director's check has given. */
  judge(pool: string, server: string, verdict: Verdict): Verdict
  /** A server is not checked any more. */
  forget(pool: string, server: string): void
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
/** After so long whoever has had no verdict counts as down, for the announcing of the pool's addresses. */
const UNDECIDED_MS = 30_000
/** So long services wait at most until nobody is sent to them any more. */
const WITHDRAWAL_MS = 1000

export class ManagedPool {
  readonly #of: PoolsOf
  #config: PoolConfig
  /** Those of the configuration, by key. */
  #backups: ReadonlyMap<string, PoolServer>
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
  /** Between {@link release} and {@link change} nothing is opened: it would be with what was. */
  #isReleased = false
  /** Ends the hearing of the pool's members. */
  #forget = () => {}
  /** To open it: the last one. */
  #attempt: Promise<boolean> = Promise.resolve(true)
  #retry: NodeJS.Timeout | undefined
  readonly #backoff = new Backoff(RETRY)
  #announcement: Announcement | undefined
  /** As the kernel has it, by the pool's last word. */
  #isQuorate = false
  /** Since its opening there was a verdict on everybody, or a quorum. */
  #isKnown = false
  #undecided: NodeJS.Timeout | undefined

  constructor(of: PoolsOf, config: PoolConfig) {
    this.#of = of
    this.#config = config
    this.#backups = backupsOf(config)
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

  get announce(): AnnounceState | undefined {
    return this.#announcement?.state
  }

  get checkers(): readonly (readonly [check: string, checker: HealthChecker])[] {
    return [...this.#checking.values()].map(({ config, checker }) => [config.name, checker])
  }

  /** The kernel holds it when this resolves, or it is tried again and again; with a source, when that gives its first list. */
  async open(): Promise<void> {
    this.#useAnnouncement()
    this.#readOwnChecks()
    this.#check()
    await this.#takeList()
  }

  /** A server as the file or the source has it. */
  listed(server: string): PoolServer | undefined {
    return this.#listed?.get(server) ?? this.#backups.get(server)
  }

  /** Gives the pool up, for one that opens with other options by {@link change}. The kernel keeps what it holds. */
  async release(): Promise<void> {
    this.#isReleased = true
    clearTimeout(this.#retry)
    await this.#attempt
    // What its checks know is for the next one.
    this.#forget()
    await this.#pool?.close()
    this.#pool = undefined
  }

  /** Nobody joins any more, and nothing is opened. */
  stopFollowing(): void {
    this.#isReleased = true
    clearTimeout(this.#retry)
    this.#source?.end.abort()
  }

  /** Makes it what another configuration of its name says. What has not changed is not touched. With another identity it is released before. */
  async change(config: PoolConfig): Promise<void> {
    const before = this.#config
    const backups = this.#backups
    this.#config = config
    this.#backups = backupsOf(config)
    this.#isReleased = false
    this.#readOwnChecks()
    this.#useAnnouncement()
    if (before.identity === config.identity) {
      this.#check()
      await this.#changeServers(before, backups)
    } else {
      this.#check()
      if (config.source === undefined || this.#sourceHasChanged()) await this.#takeList()
      else await this.#openPool()
    }
  }

  /** One that is being opened becomes it then. What the kernel refuses is an `error` of the pool's, and tried again. */
  async become(role: PoolRole): Promise<void> {
    // Nobody is sent here any more, then the services go; but whoever takes over waits for them.
    if (role === 'standby' && this.#isKnown) await this.#announcement?.withdraw(WITHDRAWAL_MS)
    // Meanwhile another word may have come.
    if (role !== this.#of.role()) return
    await this.#pool?.become(role).catch(() => {})
    if (role === 'active' && this.#isKnown) this.#know()
  }

  /** What a person has said of a server is another thing now. */
  async apply(server: string, override: Override | undefined): Promise<void> {
    // One that is being opened opens as it was.
    await this.#attempt
    const pool = this.#pool
    if (pool === undefined) return
    const listed = this.listed(server)
    const weight = override?.weight?.word ?? listed?.weight ?? 1
    await Promise.all([
      pool.setAdmin(server, override?.admin?.word ?? listed?.admin ?? 'ready'),
      pool.setWeight(server, weight),
    ])
  }

  /** Another verdict may count now: on one server, or on all. */
  judgeAgain(server?: string): void {
    for (const { target } of this.#checking.values()) target.again(server)
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

  /** Has its addresses withdrawn, for good; what the kernel holds stays. Never rejects. */
  unannounce(): Promise<void> {
    return this.#endAnnouncement(this.#announcement?.addresses)
  }

  async close(options: { readonly withdraw: boolean }): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#undecided)
    this.#source?.end.abort()
    // Whoever comes by the addresses has to find the services.
    if (options.withdraw) await this.unannounce()
    else await this.#announcement?.close()
    await this.#attempt
    await Promise.all([...this.#checking.values()].map(({ checker }) => checker.stop()))
    for (const { target } of this.#checking.values()) target.end()
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
    const before = this.#listed
    this.#listed = new Map(listed.map((one) => [serverKeyOf(one, port), one]))
    if (this.#pool === undefined) return this.#openPool()
    await this.#send(this.#pool.setServers(this.#wanted()))
    // One that is in the pool keeps the administrator's word that it has.
    for (const [key, { admin }] of this.#listed) {
      const was = before?.get(key)
      if (was !== undefined && was.admin !== admin)
        await this.#send(this.apply(key, this.#override(key)))
    }
  }

  /** @param old its backups before */
  async #changeServers(before: PoolConfig, old: ReadonlyMap<string, PoolServer>): Promise<void> {
    const pool = this.#pool
    const { backup, servers, source } = this.#config
    const now = this.#backups
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

  #wanted(): PoolServer[] {
    return [...(this.#listed ?? [])].map(([key, server]) => this.#withOverride(key, server))
  }

  #withOverride(key: string, server: PoolServer): PoolServer {
    const override = this.#override(key)
    if (override === undefined) return server
    const { admin, weight } = override
    return {
      ...server,
      admin: admin?.word ?? server.admin,
      weight: weight?.word ?? server.weight,
    }
  }

  #override(key: string): Override | undefined {
    const { name, port } = this.#config
    return this.#of.overrides.get(name, handKey(key, port))
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

  /** Resolves after one try; what has failed is tried again. */
  async #openPool(): Promise<void> {
    clearTimeout(this.#retry)
    // One at a time: a second one would find the services owned.
    const attempt = this.#attempt.then(() => this.#tryToOpen())
    this.#attempt = attempt
    if (await attempt) this.#backoff.reset()
    else this.#retry = setTimeout(() => void this.#openPool(), this.#backoff.next()).unref()
  }

  /** True if there is nothing left to do. */
  async #tryToOpen(): Promise<boolean> {
    const config = this.#config
    const listed = this.#listed
    if (this.#closed || this.#isReleased || this.#pool !== undefined || listed === undefined)
      return true
    try {
      const pool = await MirroredPool.open(this.#of.client, {
        ...config.options,
        role: this.#of.role(),
        servers: this.#wanted(),
        backup: [...this.#backups].map(([key, server]) => this.#withOverride(key, server)),
      })
      // Meanwhile it may be wanted otherwise, or not at all. The kernel keeps what it holds.
      if (this.#closed || this.#isReleased || this.#config !== config || this.#listed !== listed) {
        await pool.close()
        return await this.#tryToOpen()
      }
      this.#of.events.hear(pool)
      this.#pool = pool
      this.#isKnown = false
      void this.become(this.#of.role())
      this.#forget = pool.onMembers(() => this.#membersChanged())
      pool.on('quorum', ({ after }) => this.#announceAs(after))
      clearTimeout(this.#undecided)
      this.#undecided = setTimeout(() => this.#know(), UNDECIDED_MS).unref()
      this.#trouble = undefined
      this.#membersChanged()
      this.#announceAs(pool.status().quorum)
      return true
    } catch (error) {
      this.#complain(`pool "${config.name}" could not be opened: ${messageOf(error)}`)
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
    for (const [digest, { checker, target }] of this.#checking) {
      if (wanted.has(digest)) continue
      this.#checking.delete(digest)
      target.end()
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
        {
          judge: (server, verdict) => this.#of.judge(this.#config.name, server, verdict),
          forget: (server) => this.#of.forget(this.#config.name, server),
          reported: () => {
            if (!this.#isKnown && this.#areDecided()) this.#know()
          },
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
    // Until there is another one, checks go on as they are.
    if (this.#pool === undefined) return
    for (const { target } of this.#checking.values()) target.changed()
    this.#vouch()
  }

  // --- its addresses

  #useAnnouncement(): void {
    const { announce: config, name: pool, options } = this.#config
    const addresses = addressesOf(options.fronts)
    const before = this.#announcement
    const isSame = before?.digest === config?.digest
    if (isSame && String(before?.addresses) === String(addresses)) return
    // Addresses that the pool does not have any more go, by themselves; the others stay as they are.
    const left = before?.addresses.filter((one) => !addresses.includes(one)) ?? []
    const ended = this.#endAnnouncement(left.length > 0 ? left : undefined)
    this.#announcement =
      config &&
      new Announcement(
        {
          config,
          pool,
          addresses,
          tell: (event, text, data) => this.#of.events.publish({ event, pool, text, data }),
        },
        before && { ended, withdrawnAt: before.withdrawnAt },
      )
    if (this.#pool !== undefined) this.#announceAs(this.#isQuorate)
  }

  /** Never rejects. @param withdraw these addresses are withdrawn first */
  async #endAnnouncement(withdraw: readonly string[] | undefined): Promise<void> {
    await this.#announcement?.close(withdraw).catch((error: unknown) => {
      const { name: pool } = this.#config
      const text = `the addresses of pool ${pool} were not withdrawn: ${messageOf(error)}`
      this.#of.events.publish({ event: 'error', pool, text })
    })
  }

  /** @param quorate as the kernel has it */
  #announceAs(quorate: boolean): void {
    this.#isQuorate = quorate
    // Who has been told nothing yet may be up all the same.
    if (quorate || this.#isKnown || this.#areDecided()) this.#know()
  }

  #know(): void {
    clearTimeout(this.#undecided)
    this.#isKnown = true
    // Whoever stands by has no services to announce.
    if (this.#of.role() === 'standby') this.#announcement?.want('withdraw')
    else if (this.#isQuorate) this.#announcement?.want('announce')
    // It may have been regained, and the kernel is about to hold it.
    else if (this.#pool?.status().quorum === false) this.#announcement?.want('withdraw')
  }

  /** There is a verdict on everybody who is checked. */
  #areDecided(): boolean {
    const targets = [...this.#checking.values()].map(({ target }) => target)
    return [...(this.#pool?.members() ?? [])].every(
      ({ key }) =>
        this.#checkOf(key) === 'none' || targets.some((target) => target.hasDecided(key)),
    )
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

function backupsOf({ backup, port }: PoolConfig): ReadonlyMap<string, PoolServer> {
  return new Map(
    backup.map(({ server }) => {
      const one = typeof server === 'string' ? pooled(server) : server
      return [serverKeyOf(one, port), one] as const
    }),
  )
}

function pooled(server: string): PoolServer {
  const { address, port } = readServer(server, 'server')
  return port === undefined ? { address } : { address, port }
}
