// Has a program announce a pool's addresses or withdraw them: what is to be now, however often it was another thing meanwhile.
import { pause } from '../abort.js'
import { Backoff } from '../backoff.js'
import { Slots } from '../slots.js'
import type { AnnounceConfig } from './config/announce.js'
import { messageOf } from './events.js'

/** What a program is told. */
export type AnnounceWord = 'announce' | 'withdraw'

/** Whether a pool's addresses are announced. */
export interface AnnounceState {
  /** As the quorum is. Default: that is not known yet. */
  readonly wanted?: AnnounceWord | undefined
  /** What the program has done last. Default: nothing yet, it is under way, or has failed. */
  readonly done?: AnnounceWord | undefined
  /** When it had done it: milliseconds since the epoch. Default: as `done`. */
  readonly since?: number | undefined
  /** Not announced before: milliseconds since the epoch. Default: it does not wait. */
  readonly heldUntil?: number | undefined
  /** Why it has failed; it is tried again. Default: it has not. */
  readonly trouble?: string | undefined
}

/** What an announcement is about, and whom it tells. */
export interface AnnouncementOf {
  readonly config: AnnounceConfig
  readonly pool: string
  /** Of the pool's fronts. */
  readonly addresses: readonly string[]
  /** It has been done (`announce`), or has failed (`warning`): for people. */
  readonly tell: (event: 'announce' | 'warning', text: string, data?: object) => void
}

const RETRY = { firstMs: 1000, maxMs: 60_000 }
/** At the end nobody waits for long. */
const LAST_TRIES = 2
/** Programs at the same time: a start with thousands of pools would be as many processes. */
const MOST_AT_ONCE = 8

const slots = new Slots(MOST_AT_ONCE)

/** What another one of the same pool leaves to its heir. */
interface Before {
  /** Resolves when its program does not run any more. */
  readonly ended: Promise<void>
  readonly withdrawnAt: number
}

export class Announcement {
  readonly #of: AnnouncementOf
  #wanted: AnnounceWord | undefined
  #done: { readonly word: AnnounceWord; readonly at: number } | undefined
  /** When it was last withdrawn, of a clock that nobody sets. */
  #withdrawnAt: number
  #trouble: string | undefined
  #running: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #backoff = new Backoff(RETRY)
  #closing: Promise<void> | undefined
  /** Whoever had these addresses before is to be done with them. */
  readonly #before: Promise<void>

  constructor(of: AnnouncementOf, before?: Before) {
    this.#of = of
    this.#before = before?.ended ?? Promise.resolve()
    this.#withdrawnAt = before?.withdrawnAt ?? Number.NEGATIVE_INFINITY
  }

  get addresses(): readonly string[] {
    return this.#of.addresses
  }

  get digest(): string {
    return this.#of.config.digest
  }

  get withdrawnAt(): number {
    return this.#withdrawnAt
  }

  get state(): AnnounceState {
    const heldMs = this.#heldMs()
    return {
      ...(this.#wanted === undefined ? {} : { wanted: this.#wanted }),
      ...(this.#done === undefined ? {} : { done: this.#done.word, since: this.#done.at }),
      ...(heldMs > 0 ? { heldUntil: Math.round(Date.now() + heldMs) } : {}),
      ...(this.#trouble === undefined ? {} : { trouble: this.#trouble }),
    }
  }

  /** From now on. */
  want(word: AnnounceWord): void {
    if (this.#wanted === word) return
    this.#wanted = word
    this.#next()
  }

  /** Has it withdrawn, and resolves when that is done, but after so many milliseconds at the latest. */
  async withdraw(withinMs: number): Promise<void> {
    this.want('withdraw')
    const late = new AbortController()
    const end = performance.now() + withinMs
    const isDone = () => this.#done?.word === 'withdraw' || this.#wanted !== 'withdraw'
    // What runs may be another word yet, or fail.
    for (let left = withinMs; !isDone() && left > 0; left = end - performance.now()) {
      const time = pause(left, late.signal)
      await (this.#running === undefined ? time : Promise.race([this.#running, time]))
    }
    late.abort()
  }

  /**
   * Resolves when the program does not run any more. It is not called again.
   *
   * @param withdraw these addresses are withdrawn first: some that the pool has no more, or all of them. Default: none
   * @throws Error (rejects) they could not be withdrawn
   */
  close(withdraw?: readonly string[]): Promise<void> {
    this.#closing ??= this.#close(withdraw)
    return this.#closing
  }

  /** So long an announcement waits yet. */
  #heldMs(): number {
    if (this.#wanted !== 'announce' || this.#done?.word === 'announce') return 0
    return Math.max(0, this.#withdrawnAt + this.#of.config.holdMs - performance.now())
  }

  #next(): void {
    if (this.#closing !== undefined || this.#running !== undefined) return
    clearTimeout(this.#timer)
    if (this.#wanted === undefined) return
    if (this.#wanted === this.#done?.word) {
      const { repeatMs } = this.#of.config
      if (repeatMs === undefined) return
      this.#timer = setTimeout(() => this.#repeat(), repeatMs).unref()
      return
    }
    const heldMs = this.#heldMs()
    if (heldMs > 0) this.#later(heldMs)
    else this.#running = this.#try()
  }

  #repeat(): void {
    if (this.#closing === undefined) this.#running = this.#try(true)
  }

  /** Timers may be a little early. */
  #later(ms: number): void {
    this.#timer = setTimeout(() => this.#next(), Math.floor(ms) + 1).unref()
  }

  async #try(repeats = false): Promise<void> {
    await this.#before
    const failed = await slots.run(() => this.#hasFailed(repeats))
    this.#running = undefined
    if (failed && this.#closing === undefined) this.#later(this.#backoff.next())
    else this.#next()
  }

  async #hasFailed(repeats: boolean): Promise<boolean> {
    // It may have become another thing while it waited.
    const word = this.#wanted!
    const isDue = repeats || word !== this.#done?.word
    try {
      if (this.#closing === undefined && isDue) await this.#call(word)
      return false
    } catch (error) {
      this.#done = undefined
      this.#complain(word, messageOf(error))
      return true
    }
  }

  async #call(word: AnnounceWord, addresses = this.#of.addresses): Promise<void> {
    const { config, pool, tell } = this.#of
    const before = this.#done
    // Until it has ended well, nobody knows how far it came.
    if (before?.word !== word) this.#done = undefined
    if (word === 'withdraw' && before?.word !== word) this.#withdrawnAt = performance.now()
    // The only part that starts processes.
    const { runProgram } = await import('./hooks/run-program.js')
    const env = { IPVS_POOL: pool, IPVS_ADDRESSES: addresses.join(' ') }
    await runProgram(
      [...config.exec, word],
      { env, text: '' },
      AbortSignal.timeout(config.timeoutMs),
    )
    this.#trouble = undefined
    this.#backoff.reset()
    if (before?.word === word) return
    this.#done = { word, at: Date.now() }
    const what = word === 'announce' ? 'announced' : 'withdrawn'
    tell(
      'announce',
      `${pool} is ${what}${addresses.length > 0 ? `: ${addresses.join(', ')}` : ''}`,
      {
        word,
        addresses,
      },
    )
  }

  #complain(word: AnnounceWord, why: string): void {
    const { config, pool, tell } = this.#of
    const text = `${config.exec.join(' ')} ${word} has failed: ${why}; it is tried again`
    if (text === this.#trouble) return
    this.#trouble = text
    tell('warning', `${pool}: ${text}`)
  }

  async #close(withdraw: readonly string[] | undefined): Promise<void> {
    clearTimeout(this.#timer)
    await this.#running
    await this.#before
    for (let left = LAST_TRIES; withdraw !== undefined && this.#done?.word !== 'withdraw'; ) {
      try {
        await slots.run(() => this.#call('withdraw', withdraw))
      } catch (error) {
        if (--left === 0) throw error
        await pause(RETRY.firstMs, undefined, true)
      }
    }
  }
}
