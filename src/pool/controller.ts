// From verdicts and calls to programming: judges the servers, has those programmed that have changed, and has told what
// has come of it. Where servers depend on each other, they are judged once for all that a turn of the event loop brings.
import { BEFORE_CALLS, type TableClient } from '../table-client.js'
import type { Announcer, HealthNews } from './announcer.js'
import type { PoolCause, PoolRole } from './api.js'
import type { Policy } from './policy/policy.js'
import type { Server } from './policy/server.js'
import type { Reconciler } from './reconciler/reconciler.js'

/** What a verdict says. */
export interface Decision {
  readonly health: 'up' | 'down'
  /** Part of the weight, 0 to 1. */
  readonly factor: number
  readonly cause: 'call' | 'health'
  readonly reason: string | undefined
}

/** What has been asked for since the servers were judged last. */
interface Round {
  readonly servers: Set<Server>
  readonly news: Map<Server, HealthNews>
  cause: PoolCause
  /** Resolves when what follows from it has been answered. Never rejects. */
  readonly done: Promise<void>
  readonly end: (done: Promise<void>) => void
}

export class Controller {
  readonly #client: TableClient
  readonly #reconciler: Reconciler
  readonly #policy: Policy
  readonly #announcer: Announcer
  readonly #judged: (cause: PoolCause) => void
  #round: Round | undefined
  /** Servers were judged in this turn already. */
  #isLate = false
  #withdrawn = false
  /** Of the latest news about a server's health, or about the quorum. */
  #turn = 0
  #timer: NodeJS.Timeout | undefined
  #opened = false
  #closed = false

  /** @param judged after each judgement */
  constructor(
    client: TableClient,
    reconciler: Reconciler,
    policy: Policy,
    announcer: Announcer,
    judged: (cause: PoolCause) => void,
  ) {
    this.#client = client
    this.#reconciler = reconciler
    this.#policy = policy
    this.#announcer = announcer
    this.#judged = judged
  }

  /** Before the first change is planned: what the kernel was found to hold has been taken over. */
  opening(): void {
    this.#policy.judge(this.#reconciler.servers, [])
    this.#withdrawn = this.#policy.withdrawn
    this.#reconciler.setWithdrawn(this.#withdrawn)
  }

  /** The kernel holds of the pool what it takes. */
  async opened(): Promise<void> {
    this.#opened = true
    // Who was refused has been found out just now.
    if ([...this.#reconciler.servers.values()].some(({ refused }) => refused)) {
      await this.#open('open').done
    }
    this.#judged('open')
    const { quorate, amount, watchesQuorum } = this.#policy
    this.#announcer.open(quorate, amount, watchesQuorum)
    this.#schedule()
  }

  /** Takes a verdict, and resolves when the kernel holds it or it has to wait for its turn. */
  decide(server: Server, decision: Decision): Promise<void> {
    const { health, factor, cause, reason } = decision
    const before = server.state()
    const initial = !server.decided
    const urgent = cause === 'call' || initial
    const changed = server.find({ health, factor, reason: reason ?? '', urgent })
    if (!this.#policy.isSimple) {
      const round = this.#open(cause)
      round.servers.add(server)
      if (changed) {
        const first = round.news.get(server)
        round.news.set(server, {
          server: server.key,
          cause,
          reason,
          initial: first?.initial ?? initial,
          turn: ++this.#turn,
          before: first?.before ?? before,
          after: before,
        })
      }
      return this.#settle([server], round)
    }
    this.#policy.judgeAlone([server])
    if (!changed) return this.#program([server], cause)
    const turn = ++this.#turn
    const news = { server: server.key, cause, reason, initial, turn, before, after: server.state() }
    return this.#tell(server, cause, news)
  }

  /** Programs what has changed about servers: weight, admin state, membership. */
  change(servers: readonly Server[], cause: PoolCause): Promise<void> {
    if (this.#policy.isSimple) return this.#program(this.#policy.judgeAlone(servers), cause)
    const round = this.#open(cause)
    for (const server of servers) round.servers.add(server)
    return this.#settle(servers, round)
  }

  /** Takes the services out of the kernel, or puts them back: with those of all pools that are told in the same turn. */
  async become(role: PoolRole): Promise<void> {
    if (this.#policy.role === role) return
    this.#policy.role = role
    await this.#open('call').done
  }

  /** Judges what this turn has brought, now: something else comes after it. */
  readonly flush = (): void => {
    const round = this.#round
    if (round === undefined) return
    this.#round = undefined
    this.#client[BEFORE_CALLS]?.delete(this.flush)
    round.end(this.#judge(round))
  }

  /** The kernel refuses others than before. */
  refusalsChanged(): void {
    if (!this.#closed && this.#opened) this.#open('repair')
  }

  close(): void {
    this.flush()
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #program(servers: readonly Server[], cause: PoolCause): Promise<void> {
    await this.#reconciler.flip(servers, cause)
    if (!this.#reconciler.isSettled(servers)) await this.#reconciler.settle(servers)
  }

  /** As {@link #program}, and tells what has come of it. Every promise costs a thousand callers as many. */
  async #tell(server: Server, cause: PoolCause, news: HealthNews): Promise<void> {
    const name = server.health as 'up' | 'down'
    await this.#reconciler.flip([server], cause)
    this.#announcer.health(server, name, news)
    if (!this.#reconciler.isSettled([server])) await this.#reconciler.settle([server])
  }

  async #settle(servers: readonly Server[], round: Round): Promise<void> {
    await round.done
    // What has been asked for since is recorded, and not judged yet.
    while (this.#round !== undefined && !this.#reconciler.isSettled(servers)) {
      await this.#round.done
    }
    if (!this.#reconciler.isSettled(servers)) await this.#reconciler.settle(servers)
  }

  /** What this turn brings is judged together; the first at once, so that it waits for nothing. */
  #open(cause: PoolCause): Round {
    if (this.#round !== undefined) {
      if (this.#round.cause === 'repair') this.#round.cause = cause
      return this.#round
    }
    let end: Round['end'] = () => {}
    const done = new Promise<void>((resolve) => {
      end = resolve
    })
    const round = { servers: new Set<Server>(), news: new Map(), cause, done, end }
    this.#round = round
    this.#client[BEFORE_CALLS]?.add(this.flush)
    if (this.#isLate) setImmediate(this.flush)
    else {
      this.#isLate = true
      queueMicrotask(this.flush)
      setImmediate(() => {
        this.#isLate = false
      })
    }
    return round
  }

  async #judge({ servers, news, cause }: Round): Promise<void> {
    const moved = this.#policy.judge(this.#reconciler.servers, servers)
    const { withdrawn, quorate, amount, watchesQuorum } = this.#policy
    const turn = ++this.#turn
    this.#schedule()
    this.#judged(cause)
    for (const [server, about] of news) about.after = server.state()
    const names = [...news.keys()].map(({ health }) => health as 'up' | 'down')
    if (withdrawn === this.#withdrawn) await this.#reconciler.flip(moved, cause)
    else {
      this.#withdrawn = withdrawn
      await this.#reconciler.withdraw(withdrawn, cause)
    }
    let at = 0
    for (const [server, about] of news) this.#announcer.health(server, names[at++]!, about)
    if (!watchesQuorum) return
    const of = cause === 'open' || cause === 'reconcile' ? 'repair' : cause
    this.#announcer.quorum({ cause: of, after: quorate, amount, turn, servers: moved })
  }

  /** For what time alone changes: slow start, and servers that wait for their turn. */
  #schedule(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#closed) return
    const delay = this.#policy.next(this.#reconciler.servers)
    if (delay === undefined) return
    this.#timer = setTimeout(() => {
      this.#open('health')
      this.flush()
    }, delay).unref()
  }
}
