// A director's role: who says it, and who makes the kernel so.
import { rangeError, typeError } from '../../errors.js'
import type { PoolRole } from '../../pool/api.js'
import { checkName } from '../../validate.js'
import { addressesOf } from '../config/fronts.js'
import type { Config } from '../config/read.js'
import type { RoleConfig, RoleSource } from '../config/role.js'
import { followFifo, type Heard } from './fifo.js'
import { type FirstRole, firstRole } from './first-role.js'
import { lookAgain, lookAtFile, lookByCommand } from './look.js'
import { RoleKeeper, type RoleOf, type RoleState } from './role-keeper.js'
import { type RoleWord, readAnnouncement } from './words.js'

/** A program that says the role has so long at the start. */
const FIRST_LOOK_MS = 2000
const ROLES = new Map((['active', 'standby'] as const).map((name) => [name, name]))

export class Role {
  readonly #of: RoleOf
  #config: RoleConfig | undefined
  #keeper: RoleKeeper | undefined
  /** Who follows the source ends with it. */
  #end = new AbortController()
  #trouble: string | undefined

  constructor(of: RoleOf) {
    this.#of = of
  }

  /** What pools are told. */
  get ofPools(): PoolRole {
    return this.#keeper?.ofPools ?? 'active'
  }

  get state(): RoleState | undefined {
    const state = this.#keeper?.state
    const trouble = state?.trouble ?? this.#trouble
    return state && { ...state, ...(trouble === undefined ? {} : { trouble }) }
  }

  /**
   * The first configuration, before the pools open, or another one. Without a role in it the kernel's daemons stay as they are.
   *
   * @throws IpvsError (rejects) the kernel could not be read: it is as before
   */
  async use(config: Config): Promise<void> {
    const { role } = config
    if (role?.digest === this.#config?.digest) return
    const first = role && this.#keeper === undefined ? await this.#first(role, config) : undefined
    this.#config = role
    this.#end.abort()
    this.#end = new AbortController()
    this.#trouble = undefined
    if (role === undefined) {
      await this.#keeper?.close()
      await this.#keeper?.clearBackupOnly()
      this.#keeper = undefined
      return
    }
    if (first === undefined) void this.#keeper!.use(role)
    else this.#keeper = new RoleKeeper(this.#of, role, first)
    if (role.follow !== undefined) this.#follow(role.follow)
  }

  /** Whoever can be asked at once is asked: what the pools do when they open depends on it. */
  async #first(role: RoleConfig, { pools, netns }: Config): Promise<FirstRole> {
    const source = role.follow
    const look = source && looker(source, AbortSignal.timeout(FIRST_LOOK_MS))
    const word = await look?.().catch(() => undefined)
    if (word !== undefined && 'role' in word) {
      return { role: word.role, from: `${nameOf(source!)}: ${word.word}` }
    }
    return firstRole({
      client: this.#of.client,
      config: role,
      services: pools.flatMap(({ services }) => services),
      addresses: addressesOf(pools.flatMap(({ options }) => options.fronts)),
      isHere: netns === undefined,
    })
  }

  /** The pools are there: the rest may be made so. */
  start(): Promise<void> {
    return this.#keeper?.start() ?? Promise.resolve()
  }

  /** @throws TypeError, RangeError; Error if a step has failed */
  async become(role: unknown, from = 'by hand'): Promise<RoleState> {
    const checked = checkName(role, 'role', ROLES)
    const keeper = this.#needed(role)
    await keeper.become(checked, from)
    return this.state!
  }

  /**
   * What a notify script of keepalived was called with. Of another instance than the one that is followed: nothing happens.
   *
   * @throws TypeError, RangeError for what keepalived does not say
   */
  async announced(words: unknown): Promise<RoleState> {
    const keeper = this.#needed(words)
    const example = '["INSTANCE", "VI_1", "MASTER", "100"]'
    if (!Array.isArray(words) || !words.every((word) => typeof word === 'string')) {
      throw typeError('notify', `a list of words such as ${example}`, words)
    }
    if (!['INSTANCE', 'GROUP'].includes(words[0]!) || words.length < 3) {
      throw rangeError('notify', `words of keepalived such as ${example}`, words)
    }
    const follow = this.#config?.follow
    const of = follow !== undefined && 'fifo' in follow ? follow.of : undefined
    const word = readAnnouncement(words, of)
    if (word !== undefined) await this.#take(keeper, word, 'keepalived')
    return this.state!
  }

  look(): Promise<void> {
    return this.#keeper?.look() ?? Promise.resolve()
  }

  /** Nobody is heard any more, and the kernel stays as it is. */
  async close(): Promise<void> {
    this.#end.abort()
    await this.#keeper?.close()
  }

  /** After the services have gone: what the role has started is stopped. Never rejects. */
  withdraw(): Promise<void> {
    return this.#keeper?.withdraw() ?? Promise.resolve()
  }

  #needed(value: unknown): RoleKeeper {
    if (this.#keeper !== undefined) return this.#keeper
    const rule =
      'left out: this director has no role, its file needs the key "role", such as role: { sync: { interface: eth1 } }'
    throw rangeError('role', rule, value)
  }

  #follow(source: RoleSource): void {
    const { signal } = this.#end
    const heard: Heard = {
      word: (word) => {
        const keeper = this.#keeper
        // What has failed is told by the keeper, and tried again.
        if (!signal.aborted && keeper !== undefined) {
          this.#take(keeper, word, nameOf(source)).catch(() => {})
        }
      },
      trouble: (text) => {
        if (signal.aborted || this.#trouble === text) return
        this.#trouble = text
        if (text !== undefined) {
          this.#of.publish('warning', `who says the role is not heard, it stays as it is: ${text}`)
        }
      },
    }
    if ('fifo' in source) void followFifo(source.fifo, source.of, heard, signal)
    else {
      const look = looker(source, signal)!
      void lookAgain(nameOf(source), look, source.intervalMs, heard, signal)
    }
  }

  async #take(keeper: RoleKeeper, word: RoleWord, from: string): Promise<void> {
    if ('rival' in word) {
      const text = `another director announces that it is master as well (${word.word}): do both reach the network of the announcements?`
      this.#of.publish('warning', text)
    } else await keeper.become(word.role, `${from}: ${word.word}`)
  }
}

/** None for a source that speaks by itself. */
function looker(source: RoleSource, signal: AbortSignal): (() => Promise<RoleWord>) | undefined {
  if ('fifo' in source) return undefined
  if ('file' in source) return () => lookAtFile(source.file)
  const { command, intervalMs } = source
  const timeoutMs = Math.min(10_000, Math.max(1000, intervalMs))
  return () => lookByCommand(command, timeoutMs, signal)
}

function nameOf(source: RoleSource): string {
  if ('fifo' in source) return source.fifo
  return 'file' in source ? source.file : source.command.join(' ')
}
