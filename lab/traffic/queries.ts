// Queries of a client: each is numbered, and told when it has been answered or is not waited for any more.
import type { Steal } from '../witness/steal.js'
import { now, tell } from './messages.js'

export interface Query<Client extends string = string> {
  readonly client: Client
  readonly number: number
  readonly sentAt: number
  /** When the answer came; or, without a `server`, until when none had come. */
  readonly endedAt: number
  /** Who answered. */
  readonly server?: string
}

/** Told several times a second. An unanswered query is told twice: when its patience is over, and when it is forgotten. */
export interface QueriesMessage<Client extends string = string> {
  readonly type: 'queries'
  readonly queries: readonly Query<Client>[]
}

interface Open<Client> {
  readonly client: Client
  readonly sentAt: number
  readonly close: () => void
  told: boolean
}

export interface Patience {
  /** A query that has no answer after this is told as one without. */
  readonly patienceMs: number
  /** An answer that comes even later than that is not waited for: how busy the machine is, only the witness knows. */
  readonly forgetMs: number
}

/** The queries that are on their way. */
export class Queries<Client extends string> {
  readonly #patience: Patience
  /** The oldest first. */
  readonly #open = new Map<number, Open<Client>>()
  #told: Query<Client>[] = []
  #last = 0
  #stopping = false

  constructor(patience: Patience) {
    this.#patience = patience
    setInterval(() => this.#tell(), 100)
  }

  get stopping(): boolean {
    return this.#stopping
  }

  /** `send` returns what is to be closed when the query is over. */
  ask(client: Client, send: (number: number) => () => void): number {
    const number = ++this.#last
    // Before it is sent: what counts as sent after a moment really was.
    const sentAt = now()
    this.#open.set(number, { client, sentAt, close: send(number), told: false })
    return number
  }

  answered(number: number, server: string): void {
    this.#end(number, server)
  }

  /** It will have no answer. */
  failed(number: number): void {
    this.#end(number)
  }

  /** Ends the process when what has been asked is answered or forgotten. */
  stop(): void {
    this.#stopping = true
  }

  #end(number: number, server?: string): void {
    const query = this.#open.get(number)
    if (query === undefined) return
    this.#open.delete(number)
    query.close()
    this.#note(number, query, server)
  }

  #note(number: number, { client, sentAt }: Open<Client>, server?: string): void {
    const told = { client, number, sentAt, endedAt: now() }
    this.#told.push(server === undefined ? told : { ...told, server })
  }

  #tell(): void {
    const { patienceMs, forgetMs } = this.#patience
    for (const [number, query] of this.#open) {
      const age = now() - query.sentAt
      if (age < patienceMs) break
      if (!query.told) this.#note(number, query)
      query.told = true
      if (age >= forgetMs) this.#end(number)
    }
    if (this.#told.length > 0)
      tell<QueriesMessage<Client>>({ type: 'queries', queries: this.#told })
    this.#told = []
    if (this.#stopping && this.#open.size === 0) process.exit()
  }
}

/** What became of every query: the last that was told of it. */
export function lastWords<Client extends string>(told: readonly Query<Client>[]): Query<Client>[] {
  return [...new Map(told.map((query) => [query.number, query])).values()]
}

/** With more than this part of the time missing, nobody knows why an answer has not come. */
const mostMissing = 0.1
/** And with more than this, it is no wonder that one came late. */
export const mostMissingIfLate = 0.02

/** Lost: no answer within the client's patience. `unknown`: the machine has not given the time for one. */
export function fateOf({ sentAt, endedAt, server }: Query, steal: Steal, patienceMs: number) {
  const missing = steal.share(sentAt, endedAt)
  if (server === undefined) return missing > mostMissing ? 'unknown' : 'lost'
  return endedAt - sentAt <= patienceMs || missing > mostMissingIfLate ? 'answered' : 'lost'
}
