// What several directors say of servers, in place of one director's own word: between its checks and its pools.
import { onAbort, pause } from '../../abort.js'
import { Backoff } from '../../backoff.js'
import { type EtcdClient, followPrefix } from '../../etcd/index.js'
import type { Verdict } from '../../health/types.js'
import type { VerdictsConfig } from '../config/fleet.js'
import { messageOf } from '../events.js'
import { Board } from './board.js'
import { type Judgement, judge, type Word } from './judge.js'
import { type LeasedStore, Publisher } from './publisher.js'

/** What shared verdicts are for. */
export interface SharedVerdictsOf {
  readonly client: LeasedStore & Pick<EtcdClient, 'range' | 'watch'>
  readonly config: VerdictsConfig
  /** Of this director. */
  readonly name: string
  /** Another word counts on this server now. */
  readonly again: (pool: string, server: string) => void
  /** The others are not heard, or do not hear this one; `undefined`: all is well again. */
  readonly trouble: (text: string | undefined) => void
  readonly warn: (text: string) => void
}

const RETRY = { firstMs: 500, maxMs: 5000 }
const WORDS: ReadonlyMap<string, Word> = new Map([
  ['up', 'up'],
  ['down', 'down'],
])

/** What is silent: etcd when it is read, or when it is written. */
type Silent = 'reading' | 'writing'
const SILENT = {
  reading: 'what other directors say of servers is not known, this one believes its own checks: ',
  writing: 'what this director says of servers does not reach the others: ',
}

export class SharedVerdicts {
  readonly #of: SharedVerdictsOf
  readonly #board = new Board()
  readonly #publisher: Publisher
  readonly #end = new AbortController()
  /** Ends one attempt to follow. */
  #following = new AbortController()
  /** The others' words, as etcd had them last; `undefined`: nobody knows, and this director believes itself. */
  #keys: ReadonlyMap<string, string> | undefined
  /** etcd has given the others' words, and tells of changes. */
  #isHearing = false
  /** When etcd has last answered, of a clock that nobody sets. Belief in the others depends on the reading alone. */
  readonly #answeredAt = { reading: performance.now(), writing: performance.now() }
  readonly #why = { reading: 'it does not answer', writing: 'it does not answer' }
  #troubled: Silent | undefined
  #blind: ReadonlySet<string> = new Set()
  /** What etcd has in place of this director's own words, since the last look. */
  readonly #strange = new Map<string, string | undefined>()
  /** Servers whose own word etcd has told of since it has changed: a watch that hangs tells of none. */
  readonly #toldOfOwn = new Set<string>()
  #warnedOfName = false
  readonly #watchdog: NodeJS.Timeout
  readonly #ended: Promise<unknown>

  constructor(of: SharedVerdictsOf) {
    this.#of = of
    const { prefix, ttlMs } = of.config
    this.#publisher = new Publisher({
      store: of.client,
      ttlMs,
      keyOf: (server) => `${prefix}${server}/${of.name}`,
      answered: () => this.#answered('writing', performance.now()),
      failed: (error) => {
        this.#why.writing = messageOf(error)
      },
    })
    const { signal } = this.#end
    this.#ended = Promise.all([this.#follow(signal), this.#probe(signal)])
    this.#watchdog = setInterval(() => this.#look(), ttlMs / 5).unref()
  }

  /** Takes this director's own verdict, and gives the one that counts. */
  hear(pool: string, server: string, verdict: Verdict): Verdict {
    const key = `${pool}/${server}`
    const own: Word = verdict.healthy ? 'up' : 'down'
    this.#board.set(key, this.#of.name, own)
    this.#publish(key, own)
    // This one is judged below: nobody else has to ask for it.
    this.#judgeBlind(key)
    if (this.#keys === undefined) return verdict
    return counted(verdict, this.#judge(key, own))
  }

  /** The server is not checked any more. */
  forget(pool: string, server: string): void {
    const key = `${pool}/${server}`
    this.#board.set(key, this.#of.name, undefined)
    this.#publish(key, undefined)
    this.#judgeBlind()
  }

  /** Takes its words away. Never rejects. */
  async close(): Promise<void> {
    clearInterval(this.#watchdog)
    this.#end.abort()
    await Promise.all([this.#publisher.close(), this.#ended])
  }

  #publish(key: string, word: Word | undefined): void {
    if (this.#publisher.get(key) === word) return
    this.#strange.delete(key)
    this.#toldOfOwn.delete(key)
    this.#publisher.set(key, word)
  }

  #judge(key: string, own: Word): Judgement {
    const { name: me, config } = this.#of
    const others = new Map(this.#board.on(key))
    others.delete(me)
    return judge({ own, others, down: config.down, blind: this.#blind, me })
  }

  // --- the others

  async #follow(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY)
    const { client, config } = this.#of
    while (!signal.aborted) {
      this.#following = new AbortController()
      const forget = onAbort(signal, () => this.#following.abort())
      try {
        for await (const keys of followPrefix(client, config.prefix, this.#following.signal)) {
          backoff.reset()
          this.#heard(keys)
        }
      } catch (error) {
        this.#why.reading = messageOf(error)
      } finally {
        this.#isHearing = false
        forget()
      }
      await pause(backoff.next(), signal)
    }
  }

  /** A watch is silent while nothing changes: whether etcd can be read is asked for, where no key can be. */
  async #probe(signal: AbortSignal): Promise<void> {
    const { client, config } = this.#of
    while (!signal.aborted) {
      await pause(config.ttlMs / 3, signal)
      const following = this.#following
      if (signal.aborted || !this.#isHearing) continue
      const asked = performance.now()
      try {
        await client.range(`${config.prefix}/`, { signal })
        if (this.#isHearing && following === this.#following) this.#answered('reading', asked)
      } catch (error) {
        this.#why.reading = messageOf(error)
      }
    }
  }

  /** All that is under the prefix now. */
  #heard(keys: ReadonlyMap<string, string>): void {
    const before = this.#keys ?? new Map<string, string>()
    const isNew = this.#keys === undefined
    this.#keys = keys
    this.#isHearing = true
    this.#answered('reading', performance.now())
    const changed = new Set<string>()
    const take = (key: string, value: string | undefined) => {
      const read = this.#read(key)
      if (read === undefined) return
      if (read.director === this.#of.name) {
        this.#toldOfOwn.add(read.server)
        return
      }
      // A value that is none says nothing.
      this.#board.set(read.server, read.director, WORDS.get(value ?? ''))
      changed.add(read.server)
    }
    for (const [key, value] of keys) if (before.get(key) !== value) take(key, value)
    for (const key of before.keys()) if (!keys.has(key)) take(key, undefined)
    if (!this.#judgeBlind()) for (const server of changed) this.#again(server)
    if (isNew) this.#allAgain()
  }

  #read(key: string): { readonly server: string; readonly director: string } | undefined {
    const parts = key.slice(this.#of.config.prefix.length).split('/')
    const [pool, server, director] = parts
    return parts.length === 3 ? { server: `${pool}/${server}`, director: director! } : undefined
  }

  /**
   * True if everybody was judged anew, because somebody can see again, or cannot any more.
   *
   * @param but this one is not
   */
  #judgeBlind(but?: string): boolean {
    const now = this.#keys === undefined ? new Set<string>() : this.#board.blind
    const before = this.#blind
    if (now.size === before.size && [...now].every((one) => before.has(one))) return false
    this.#blind = now
    const { name } = this.#of
    if (now.has(name) && !before.has(name)) {
      this.#of.warn('all checks fail here, and others see servers: the others are believed')
    }
    this.#allAgain(but)
    return true
  }

  #allAgain(but?: string): void {
    for (const server of this.#publisher.words.keys()) if (server !== but) this.#again(server)
  }

  #again(key: string): void {
    if (this.#publisher.get(key) === undefined) return
    const slash = key.indexOf('/')
    this.#of.again(key.slice(0, slash), key.slice(slash + 1))
  }

  // --- etcd, and without it

  #answered(what: Silent, at: number): void {
    this.#answeredAt[what] = at
    if (this.#troubled !== undefined) this.#tell()
  }

  /** Milliseconds. */
  #silentFor(what: Silent): number {
    return performance.now() - this.#answeredAt[what]
  }

  #look(): void {
    this.#tell()
    if (this.#silentFor('reading') >= this.#of.config.ttlMs) this.#believeOwn()
    else this.#lookAtOwn()
  }

  #tell(): void {
    const silent = this.#silent()
    if (silent === this.#troubled) return
    this.#troubled = silent
    this.#of.trouble(silent && `${SILENT[silent]}${this.#why[silent]}`)
  }

  #silent(): Silent | undefined {
    const { ttlMs } = this.#of.config
    const reading = this.#silentFor('reading')
    if (reading >= ttlMs) return 'reading'
    if (this.#silentFor('writing') < ttlMs) return undefined
    // Where reading is late as well, etcd is away, and that is about to be told.
    return reading < ttlMs / 2 ? 'writing' : this.#troubled
  }

  /** What others said may be over: their leases are as long. */
  #believeOwn(): void {
    if (this.#keys === undefined) return
    for (const key of this.#keys.keys()) {
      const read = this.#read(key)
      if (read && read.director !== this.#of.name)
        this.#board.set(read.server, read.director, undefined)
    }
    this.#keys = undefined
    this.#following.abort()
    if (!this.#judgeBlind()) this.#allAgain()
  }

  /** Whether etcd has what was written there. What it has tells of it a little later: once is not enough. */
  #lookAtOwn(): void {
    if (this.#keys === undefined) return
    const { name, config, warn } = this.#of
    for (const [server, word] of this.#publisher.words) {
      const found = this.#keys.get(`${config.prefix}${server}/${name}`)
      const isKnown = this.#toldOfOwn.has(server) && this.#publisher.isWritten(server)
      if (found === word || !isKnown) {
        this.#strange.delete(server)
        continue
      }
      const isAgain = this.#strange.has(server) && this.#strange.get(server) === found
      this.#strange.set(server, found)
      if (!isAgain) continue
      this.#strange.delete(server)
      this.#publisher.again(server)
      if (found === undefined || this.#warnedOfName) continue
      this.#warnedOfName = true
      warn(
        `somebody else says of servers what ${name} does: give each director a "name" of its own`,
      )
    }
  }
}

/** The verdict that counts, with who has said it where it is not this director's own. */
function counted(verdict: Verdict, { word, voters, down }: Judgement): Verdict {
  const healthy = word === 'up'
  if (healthy === verdict.healthy) return verdict
  const names = down.length === 0 ? '' : ` (${down.join(', ')})`
  const who = `${down.length} of ${voters} directors say down${names}`
  const { weightFactor: _, ...rest } = verdict
  return { ...rest, healthy, reason: `${who}; here: ${verdict.reason}` }
}
