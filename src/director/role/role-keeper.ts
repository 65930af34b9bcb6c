// Makes the kernel what a role means, and keeps it so. The last word wins; what is under way gives way to it at the next step.
import { Backoff } from '../../backoff.js'
import type { Ipvs } from '../../client.js'
import type { PoolRole } from '../../pool/api.js'
import { areAsWanted } from '../../system/ensure-sync-daemons.js'
import type { SyncDaemonStatus } from '../../system/sync-daemon.js'
import type { RoleConfig } from '../config/role.js'
import { messageOf } from '../events.js'

/** A director's role, and how far it is. */
export interface RoleState {
  /** What it is to be. */
  readonly role: PoolRole
  /** Daemons and settings are so, and the pools were told. What the kernel lacks of a pool stands in the pool's own state. */
  readonly reached: boolean
  /** Who has said so. */
  readonly from: string
  /** Milliseconds since the epoch. */
  readonly since: number
  /** The sync daemons that were seen last. */
  readonly sync: readonly SyncDaemonStatus[]
  /** The setting `backup_only`, as seen last: a kernel with a backup daemon forwards nothing. */
  readonly backupOnly: boolean
  /** What could not be done or heard, and is tried again. Default: nothing. */
  readonly trouble?: string | undefined
}

/** What of a role is not the keeper's. */
export interface RoleOf {
  readonly client: Ipvs
  /** All pools in one turn. */
  pools(role: PoolRole): Promise<unknown>
  publish(event: 'role' | 'warning' | 'error', text: string, data?: unknown): void
}

/**
 * - `idle`: the kernel was made what the role means, and is looked at now and then.
 * - `working`: steps are under way.
 * - `waiting`: nothing was done yet, or a step has failed, which is tried again after a pause.
 *
 * | | a new word | the last step is done | a step has failed | the pause is over | a look finds another thing |
 * |---|---|---|---|---|---|
 * | `idle` | `working` | | | | `working` |
 * | `working` | (the next step is of the new role) | `idle` | `waiting` | | |
 * | `waiting` | `working` | | | `working` | `working` |
 */
type Phase = 'idle' | 'working' | 'waiting'

const RETRY = { firstMs: 200, maxMs: 10_000 }

export class RoleKeeper {
  readonly #of: RoleOf
  #config: RoleConfig
  #role: PoolRole
  #from: string
  #since = Date.now()
  #phase: Phase = 'waiting'
  /** The steps that are under way, and those that follow. Never rejects. */
  #work: Promise<void> = Promise.resolve()
  #failure: string | undefined
  #retry: NodeJS.Timeout | undefined
  readonly #backoff = new Backoff(RETRY)
  #sync: readonly SyncDaemonStatus[] = []
  #backupOnly = false
  /** The configuration has left it to us, and does so no more: it is not to stay. */
  #clearsBackupOnly = false
  #closed = false

  constructor(
    of: RoleOf,
    config: RoleConfig,
    first: { readonly role: PoolRole; readonly from: string },
  ) {
    this.#of = of
    this.#config = config
    this.#role = first.role
    this.#from = first.from
  }

  /** What pools are told: a standby keeps its services, or has none. */
  get ofPools(): PoolRole {
    return this.#config.standby === 'withdraw' ? this.#role : 'active'
  }

  get state(): RoleState {
    return {
      role: this.#role,
      reached: this.#phase === 'idle',
      from: this.#from,
      since: this.#since,
      sync: this.#sync,
      backupOnly: this.#backupOnly,
      ...(this.#failure === undefined ? {} : { trouble: this.#failure }),
    }
  }

  /** Resolves when the kernel is so, or another word has come. Rejects if a step has failed, which is tried again. */
  async become(role: PoolRole, from: string): Promise<void> {
    this.#from = from
    if (role !== this.#role) {
      this.#role = role
      this.#since = Date.now()
      this.#of.publish('role', `the role is ${role}: ${from}`, { role, from })
    } else if (this.#phase === 'idle') return
    await this.start()
    if (this.#role === role && this.#failure !== undefined) throw new Error(this.#failure)
  }

  /** Another configuration of the role. */
  async use(config: RoleConfig): Promise<void> {
    this.#clearsBackupOnly ||= this.#config.backupOnly === true && config.backupOnly === undefined
    this.#config = config
    await this.start()
  }

  /** Looks whether it is still so. Never rejects. */
  async look(): Promise<void> {
    if (this.#phase !== 'idle') return
    try {
      await this.#read()
    } catch {
      // Whoever cannot read the daemons is told by its pools that the kernel cannot be read.
      return
    }
    if (this.#phase !== 'idle' || this.#isAsWanted) return
    this.#of.publish(
      'warning',
      `the sync daemons or backup_only were changed by somebody else: put right for ${this.#role}`,
    )
    await this.start()
  }

  /** The kernel stays as it is. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    await this.#work
  }

  /** When it is closed: this kernel is not to stay deaf. Never rejects. */
  async clearBackupOnly(): Promise<void> {
    if (this.#config.backupOnly !== true) return
    await this.#of.client.setSysctl('backup_only', 0).catch((error: unknown) => {
      this.#of.publish('error', `backup_only was not set back: ${messageOf(error)}`)
    })
  }

  /** When it is closed: what was begun is ended. Never rejects. */
  async withdraw(): Promise<void> {
    await this.clearBackupOnly()
    if (this.#config.sync === undefined) return
    await this.#of.client.ensureSyncDaemons([]).catch((error: unknown) => {
      this.#of.publish('error', `the sync daemons were not stopped: ${messageOf(error)}`)
    })
  }

  /** Makes it so. Never rejects. */
  start(): Promise<void> {
    clearTimeout(this.#retry)
    if (this.#closed) return this.#work
    if (this.#phase !== 'working') {
      this.#phase = 'working'
      this.#work = this.#run()
    }
    return this.#work
  }

  async #run(): Promise<void> {
    let failure: unknown
    let role: PoolRole
    let config: RoleConfig
    const isLast = () => role === this.#role && config === this.#config
    do {
      role = this.#role
      config = this.#config
      failure = undefined
      for (const step of this.#steps(role)) {
        if (!isLast()) break
        // One that fails keeps no other from being made.
        await step().catch((error: unknown) => {
          failure ??= error
        })
      }
      // A word may come until the last step has ended; from there to the end of this turn none can.
    } while (!isLast() && !this.#closed)
    if (failure === undefined) this.#succeeded()
    else this.#failed(failure)
  }

  #succeeded(): void {
    this.#phase = 'idle'
    this.#failure = undefined
    this.#backoff.reset()
  }

  #failed(error: unknown): void {
    this.#phase = 'waiting'
    const text = `the role ${this.#role} is not complete, it is tried again: ${messageOf(error)}`
    if (this.#failure !== text) this.#of.publish('error', text)
    this.#failure = text
    if (this.#closed) return
    this.#retry = setTimeout(() => void this.start(), this.#backoff.next()).unref()
  }

  /** Who becomes active forwards first; who stands by forwards last. Each may be done again. */
  #steps(role: PoolRole): (() => Promise<unknown>)[] {
    const { client } = this.#of
    const { sync, backupOnly } = this.#config
    const setting = async () => {
      if (backupOnly === undefined && !this.#clearsBackupOnly) return
      const wanted = backupOnly === true && role === 'standby'
      const { backup_only: is } = await client.sysctls()
      if (is !== Number(wanted)) await client.setSysctl('backup_only', Number(wanted))
      this.#clearsBackupOnly = false
    }
    const daemons = async () => {
      if (sync !== undefined) await client.ensureSyncDaemons(sync[role])
    }
    const pools = () => this.#of.pools(this.ofPools)
    const steps = role === 'active' ? [setting, pools, daemons] : [pools, daemons, setting]
    return [...steps, () => this.#read()]
  }

  async #read(): Promise<void> {
    const [sync, { backup_only: backupOnly = 0 }] = await Promise.all([
      this.#of.client.syncDaemons(),
      this.#of.client.sysctls(),
    ])
    this.#sync = sync
    this.#backupOnly = backupOnly === 1
  }

  get #isAsWanted(): boolean {
    const { sync, backupOnly } = this.#config
    if (sync !== undefined && !areAsWanted(this.#sync, sync[this.#role])) return false
    return backupOnly === undefined || this.#backupOnly === (backupOnly && this.#role === 'standby')
  }
}
