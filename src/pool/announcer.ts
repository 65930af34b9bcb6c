// What is said about health and quorum, and when: each event waits for the servers that it is about, and for nobody else.
import type { PoolServerState } from './api.js'
import type { Events } from './events.js'
import type { Server } from './policy/server.js'

/** An event about a server's health, before the kernel holds it. */
export interface HealthNews {
  readonly server: string
  readonly cause: 'call' | 'health'
  readonly reason: string | undefined
  readonly initial: boolean
  /** Of two about one server the later one has the higher number. */
  readonly turn: number
  readonly before: PoolServerState
  /** When the servers were judged. */
  after: PoolServerState
}

interface Pending {
  readonly name: 'up' | 'down'
  readonly news: HealthNews
}

interface QuorumNews {
  readonly cause: 'call' | 'health' | 'open' | 'repair'
  readonly after: boolean
  readonly amount: number
  /** Of two the later one has the higher number. */
  readonly turn: number
  /** Whom it waits for: those that had to change with it. */
  readonly servers: readonly Server[]
}

/** What the announcer asks about servers. */
export interface Facts {
  /** The server of this key, while the pool has it. */
  server(key: string): Server | undefined
  /** The kernel holds what they say. */
  isSettled(servers: readonly Server[]): boolean
}

export class Announcer {
  readonly #events: Events
  readonly #facts: Facts
  /** What was told last of each server's health, or presumed at its joining. */
  readonly #told = new Map<string, string>()
  /** The latest news of each server whose change was answered: answers to earlier ones may come after it. */
  readonly #newest = new Map<string, number>()
  /** Events whose change has failed, or waits for its turn. */
  readonly #late = new Map<string, Pending>()
  #quorum: boolean | undefined
  #newestQuorum = 0
  #lateQuorum: QuorumNews | undefined

  constructor(events: Events, facts: Facts) {
    this.#events = events
    this.#facts = facts
  }

  /** The server's health is known to everybody. */
  presume({ key, health }: Server): void {
    if (!this.#told.has(key)) this.#told.set(key, health)
  }

  forget({ key }: Server): void {
    this.#told.delete(key)
    this.#newest.delete(key)
    this.#late.delete(key)
  }

  /** How things are at the opening: whoever announces the address begins with this. */
  open(quorate: boolean, amount: number, tells: boolean): void {
    this.#quorum = quorate
    if (!tells) return
    const about = { cause: 'open', initial: true, before: undefined } as const
    this.#events.publish('quorum', { ...about, after: quorate, amount })
  }

  /** A server's change has been answered. */
  health(server: Server, name: 'up' | 'down', news: HealthNews): void {
    if (this.#facts.server(server.key) !== server) return
    if (news.turn < (this.#newest.get(server.key) ?? 0)) return
    this.#newest.set(server.key, news.turn)
    if (server.waiting || !this.#facts.isSettled([server])) {
      this.#late.set(server.key, { name, news })
    } else this.#publish(server, name, news)
  }

  /** The answers are known to what has made the quorum what it is. */
  quorum(news: QuorumNews): void {
    if (news.turn < this.#newestQuorum) return
    this.#newestQuorum = news.turn
    this.#lateQuorum = news.after === this.#quorum ? undefined : news
    this.#tellQuorum()
  }

  /** Answers have come: what was late may be true now. */
  progress(): void {
    for (const [key, { name, news }] of this.#late) {
      const server = this.#facts.server(key)
      if (server !== undefined && name === server.health) {
        if (server.waiting || !this.#facts.isSettled([server])) continue
        this.#publish(server, name, { ...news, after: server.state() })
      } else this.#late.delete(key)
    }
    this.#tellQuorum()
  }

  #publish(server: Server, name: 'up' | 'down', news: HealthNews): void {
    this.#late.delete(server.key)
    // While it was on its way the opposite has come true, and back: nothing has happened.
    if (this.#told.get(server.key) === name) return
    this.#told.set(server.key, name)
    if (!this.#events.isHeard(name)) {
      this.#events.skip()
      return
    }
    const { reason, turn: _, ...event } = news
    this.#events.publish(name, reason === undefined ? event : { ...event, reason })
  }

  #tellQuorum(): void {
    const news = this.#lateQuorum
    if (news === undefined) return
    const { servers, after, cause, amount } = news
    for (const server of servers) {
      // One that the kernel refuses has been counted as such.
      if (!server.refused && !this.#facts.isSettled([server])) return
    }
    this.#lateQuorum = undefined
    const before = this.#quorum
    this.#quorum = after
    this.#events.publish('quorum', { cause, initial: false, before, after, amount })
  }
}
