// Judges the servers of a pool together, and remembers what the next judgement needs. It alone decides who serves, and
// with how much of the weight. Its clock is monotonic.
import type { PoolRole } from '../api.js'
import type { Rules } from '../config/rules.js'
import {
  type Assignment,
  assign,
  first,
  type ServingState,
  type Standing,
  servingAlone,
} from './assignment.js'
import { Limiter } from './limiter.js'
import type { Server } from './server.js'
import { nextStep, slowStartFactorAt } from './slow-start.js'
import { effectiveWeight } from './weight.js'

/** By key. */
type Servers = ReadonlyMap<string, Server>

export class Policy {
  /** What the caller has said last. */
  role: PoolRole
  readonly #rules: Rules
  readonly #limiter: Limiter
  readonly #limited: boolean
  /** No rule looks at more than one server. */
  #simple: boolean
  #watchesQuorum: boolean
  #standing: Standing
  #first = true
  #turns = 0
  #amount = 0
  #withdrawn = false

  constructor(rules: Rules, adopts: boolean, role: PoolRole) {
    this.role = role
    this.#standing = first(adopts)
    this.#rules = rules
    const { quorum, panic, slowStart, maxChangesPerMinute } = rules
    this.#limiter = new Limiter(maxChangesPerMinute)
    this.#limited = maxChangesPerMinute !== Number.POSITIVE_INFINITY
    this.#simple = !quorum && !panic && !slowStart && !this.#limited
    this.#watchesQuorum = quorum !== undefined
  }

  /** No server depends on another one: each can be judged alone, at once. */
  get isSimple(): boolean {
    return this.#simple && !this.#first
  }

  /** The pool has a quorum to watch: one was asked for, or backups wait for the last server to fail. */
  get watchesQuorum(): boolean {
    return this.#watchesQuorum
  }

  get quorate(): boolean {
    return this.#standing.quorate
  }

  /** Of the last judgement: what the quorum counts. */
  get amount(): number {
    return this.#amount
  }

  /** The pool's services have to leave the kernel: it stands by, or has lost its quorum. */
  get withdrawn(): boolean {
    return this.role === 'standby' || this.#withdrawn
  }

  get panicking(): boolean {
    return this.#standing.panicking
  }

  /** For the status: where no rule needs it, servers are not judged together all the time. */
  isQuorate(servers: Servers): boolean {
    if (!this.#simple) return this.quorate
    return assign(servers.values(), this.#rules, first(false), new Map()).quorate
  }

  /** From now on backups are looked at. */
  expectBackups(): void {
    this.#simple = false
    this.#watchesQuorum = true
  }

  /** Judges servers of which each stands for itself, and gives them back in order. */
  judgeAlone(servers: readonly Server[]): readonly Server[] {
    for (const server of servers) {
      server.assigned.serving = servingAlone(server)
      server.assigned.judged = server.health
    }
    return servers.length > 1 ? inOrder(servers) : servers
  }

  /**
   * Judges all anew, after some have changed, or time has passed.
   *
   * @returns the servers that are to be programmed: these, and those whose serving state or weight has changed with it
   */
  judge(servers: Servers, named: Iterable<Server>): Server[] {
    const now = performance.now()
    const all = [...servers.values()]
    const news = all.filter((server) => server.health !== server.assigned.judged)
    for (const server of all) this.#queue(server, now)
    const released = new Set<Server>()
    this.#release(all, now, released)
    const served = new Map(all.map(({ key, serving }) => [key, serving]))
    let assignment = assign(all, this.#rules, this.#standing, served)
    // Nobody waits where there are too few without him.
    while (!assignment.quorate && this.#release(all, now, released, true)) {
      assignment = assign(all, this.#rules, this.#standing, served)
    }
    const some = new Set(named)
    const changed = all.filter((server) => this.#take(server, assignment, now) || some.has(server))
    const fresh = news.filter((server) => !released.has(server))
    this.#count(fresh, served, now)
    for (const one of some) {
      if (!one.leaving) continue
      one.assigned.serving = 'down'
      changed.push(one)
    }
    this.#standing = assignment
    this.#amount = assignment.amount
    this.#withdrawn = assignment.withdrawn
    this.#first = false
    return inOrder(changed)
  }

  /** Milliseconds until time alone changes something; `undefined`: never. */
  next(servers: Servers): number | undefined {
    const { slowStart } = this.#rules
    if (slowStart === undefined && !this.#limited) return undefined
    const now = performance.now()
    let soonest = Number.POSITIVE_INFINITY
    for (const { waiting, assigned } of servers.values()) {
      if (waiting) soonest = Math.min(soonest, this.#limiter.wait(now))
      if (assigned.slowStartAt === undefined) continue
      const elapsed = now - assigned.slowStartAt
      soonest = Math.min(soonest, nextStep(slowStart!, elapsed) - elapsed)
    }
    return soonest === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil(soonest))
  }

  /** One that has come up may have to wait, unless that moves no traffic or there are too few without it. */
  #queue(server: Server, now: number): void {
    const { assigned, health, urgent } = server
    if (health !== 'up' || urgent) assigned.turn = undefined
    else if (health !== assigned.judged && this.#limited && assigned.turn === undefined) {
      const must = this.quorate && !this.panicking && !server.backup && takesNew(server)
      if (must && this.#limiter.wait(now) > 0) assigned.turn = ++this.#turns
    }
    assigned.judged = health
  }

  /** Who has waited longest comes up first. True if somebody has. */
  #release(all: readonly Server[], now: number, released: Set<Server>, needed = false): boolean {
    if (!this.#limited) return false
    const waiting = all.filter(({ waiting }) => waiting)
    let some = false
    for (const server of waiting.sort((a, b) => a.assigned.turn! - b.assigned.turn!)) {
      if (needed ? some : this.#limiter.wait(now) > 0) break
      server.assigned.turn = undefined
      released.add(server)
      this.#limiter.note(now)
      some = true
    }
    return some
  }

  /** Counts the verdicts that have moved traffic. */
  #count(news: readonly Server[], served: ReadonlyMap<string, ServingState>, now: number): void {
    if (!this.#limited) return
    for (const server of news) {
      if (server.urgent || !takesNew(server)) continue
      if ((served.get(server.key) === 'serves') !== (server.serving === 'serves')) {
        this.#limiter.note(now)
      }
    }
  }

  /** True if the server's serving state or its part of the weight has changed. */
  #take(server: Server, { serving: states, panicking }: Assignment<Server>, now: number): boolean {
    const { assigned } = server
    const { serving: before, slowStartFactor } = assigned
    const serving = states.get(server)!
    assigned.serving = serving
    const slow = this.#rules.slowStart
    // A server that has been drained is not cold.
    const takes = serving === 'serves' && server.admin !== 'maintenance'
    if (!takes || server.backup || panicking) assigned.slowStartAt = undefined
    else if (slow !== undefined && !assigned.took && !this.#first) assigned.slowStartAt = now
    assigned.took = takes
    assigned.slowStartFactor = 1
    if (assigned.slowStartAt !== undefined) {
      assigned.slowStartFactor = slowStartFactorAt(slow!, now - assigned.slowStartAt)
      if (assigned.slowStartFactor === 1) assigned.slowStartAt = undefined
    }
    return serving !== before || assigned.slowStartFactor !== slowStartFactor
  }
}

/** The administrator, the weight and the kernel let new connections go to it. */
function takesNew({ admin, weight, refused }: Server): boolean {
  return admin === 'ready' && weight > 0 && !refused
}

/** Who takes connections comes first, so that in a batch nothing leaves before what replaces it is there. */
function inOrder(servers: readonly Server[]): Server[] {
  const takes = (server: Server) => !server.leaving && effectiveWeight(server) > 0
  return [...servers.filter(takes), ...servers.filter((server) => !takes(server))]
}
