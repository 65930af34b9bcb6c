// Keeps the kernel equal to what the members' states say: flips at once, reads and repairs when something was off.
import { IpvsError, isNotFound } from '../errors.js'
import type { ApplyResult, Change } from '../types.js'
import type { Front } from './front.js'
import { type DriftPolicy, Leave } from './leave.js'
import { codeOf, isFailure, Ledger, type Split } from './ledger.js'
import type { Member, Seat } from './member.js'
import { observe, take } from './observe.js'
import { type Drift, frontHolds, plan, type Step, seatHolds, withdrawalSteps } from './plan.js'
import { Turn } from './turn.js'
import type { PoolCause, PoolClient } from './types.js'

/** A result of `reconcile`: what was changed, and what became of it. */
export type ReconcileResult = ApplyResult & { readonly changes: readonly Change[] }

/** Whom the mirror tells what happened. */
export interface MirrorListener {
  /** The first read is in; nothing has been changed yet. */
  read(): void
  drift(drift: Drift, repaired: boolean, cause: PoolCause): void
  /** A change went through on some of a member's fronts only. */
  diverged(member: Member, split: Split): void
  /** Everything tried at once has failed. More will be tried later. */
  failed(error: unknown, member: Member | undefined): void
  /** The kernel holds everything. */
  converged(): void
  /** After each read: keys of what another owner fights for. */
  contested(keys: readonly string[]): void
}

const ATTEMPTS = 3
const FIRST_RETRY_MS = 1000
const LAST_RETRY_MS = 30_000

const NOTHING: ReconcileResult = {
  total: 0,
  applied: 0,
  failed: 0,
  errors: [],
  outcomes: [],
  changes: [],
}

export class Mirror {
  readonly members = new Map<string, Member>()
  #hold = false
  /** What is found is put right in any case: at the opening, and when the hold has ended. */
  #taking = true
  readonly #client: PoolClient
  readonly #fronts: readonly Front[]
  readonly #listener: MirrorListener
  readonly #ledger: Ledger
  /** Taken out, and not known to be gone from the kernel. */
  readonly #leaving = new Set<Member>()
  readonly #turn: Turn
  readonly #leave: Leave
  #reading = false
  #opened = false
  #closed = false
  #running: Promise<unknown> = Promise.resolve()
  #next: Promise<ReconcileResult> | undefined
  #repairing: Promise<void> | undefined
  #attempts = 0
  #retry: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS

  constructor(
    client: PoolClient,
    fronts: readonly Front[],
    drift: DriftPolicy,
    listener: MirrorListener,
  ) {
    this.#client = client
    this.#fronts = fronts
    this.#listener = listener
    this.#ledger = new Ledger(client, {
      diverged: (member, split) => listener.diverged(member, split),
      settled: () => this.#forgetGone(),
    })
    this.#turn = new Turn(client, this.#ledger)
    this.#leave = new Leave(drift)
  }

  /** Makes the kernel hold the pool for the first time. Rejects if it does not after some attempts. */
  async open(): Promise<void> {
    await this.#pass('open')
    this.#opened = true
    if (this.holds) return
    await this.#repair()
    if (!this.holds) throw this.#errorOf([...this.members.values()])
  }

  /** What is not declared stays. */
  get hold(): boolean {
    return this.#hold
  }

  set hold(hold: boolean) {
    if (this.#hold && !hold) this.#taking = true
    this.#hold = hold
  }

  /** Who has the place of a member that is about to join, unless it is only being left. */
  occupant(member: Member): Member | undefined {
    const taken = member.seats.map((seat) => seat.front.seats.get(seat.key)?.member)
    return taken.find((other) => other !== undefined && !other.leaving)
  }

  join(member: Member): void {
    this.members.set(member.key, member)
    for (const seat of member.seats) {
      const { seats, undeclared } = seat.front
      const leaver = seats.get(seat.key)
      // Where another one is leaving, what the kernel will hold cannot be foreseen.
      if (leaver !== undefined) leaver.taken = true
      else if (this.#opened) seat.known = undeclared.get(seat.key) ?? 'absent'
      seats.set(seat.key, seat)
      undeclared.delete(seat.key)
    }
  }

  leave(member: Member): void {
    member.leaving = true
    this.members.delete(member.key)
    this.#leaving.add(member)
  }

  /**
   * Sends what some members need, all fronts in one batch. Resolves when the kernel has answered, to all who flip in
   * this batch; {@link mend} sees to what has not come of it.
   */
  flip(members: readonly Member[], cause: PoolCause): Promise<unknown> {
    return this.#turn.flip(members, cause)
  }

  /**
   * The kernel holds what the members say, or a later flip of them has taken over. After a flip that has failed, a
   * later one has to be answered first: it may fail as well.
   */
  mirrors(members: readonly Member[]): boolean {
    for (const member of members) {
      if (!holds(member) || (member.error !== undefined && member.seats.some(isPending)))
        return false
    }
    return true
  }

  /** Reads and repairs. Rejects if the kernel does not hold what the members say then. */
  async mend(members: readonly Member[]): Promise<void> {
    await this.#repair()
    if (!members.every(holds)) throw this.#errorOf(members)
  }

  /** The pool's services have to be absent. */
  set withdrawn(withdrawn: boolean) {
    for (const front of this.#fronts) {
      // That it is not there then, or still is, is the pool's own doing.
      front.doubt ||= front.withdrawn !== withdrawn
      front.withdrawn = withdrawn
    }
  }

  /** Takes the pool's services out of the kernel, or puts them back with their servers. */
  async withdraw(withdrawn: boolean, cause: PoolCause): Promise<void> {
    this.handOver()
    this.withdrawn = withdrawn
    const ticket = this.#ledger.ticket()
    const steps = withdrawalSteps(this.#fronts, this.members.values())
    this.#ledger.note(steps, ticket)
    const answer = this.#ledger.send(steps, ticket, cause)
    // Flips that come meanwhile wait for it.
    for (const member of this.members.values()) member.latest = answer
    await answer
    if (!this.holds) await this.#repair()
    if (!this.holds) throw this.#errorOf([...this.members.values()])
  }

  /** Sends the flips that wait for the end of the turn. */
  handOver(): void {
    this.#turn.handOver()
  }

  /** One read and what follows from it. What fails is tried again in the background. */
  async reconcile(cause: PoolCause): Promise<ReconcileResult> {
    try {
      return await this.#nextPass(cause)
    } finally {
      if (!this.holds) void this.#repair()
    }
  }

  /** The kernel has confirmed everything. */
  get converged(): boolean {
    return this.#ledger.inFlight.size === 0 && this.holds
  }

  /** Changes nothing any more, and waits for what is under way. */
  async close(): Promise<void> {
    this.handOver()
    this.#closed = true
    clearTimeout(this.#retry)
    await Promise.all([this.#running, this.#repairing, ...this.#ledger.inFlight.values()])
  }

  /** Reads and repairs until the kernel holds everything, some times at once and then ever less often. */
  #repair(attempts = ATTEMPTS): Promise<void> {
    this.#attempts = Math.max(this.#attempts, attempts)
    this.#repairing ??= this.#repairNow()
    return this.#repairing
  }

  async #repairNow(): Promise<void> {
    while (this.#attempts > 0 && !this.#closed) {
      this.#attempts--
      try {
        await this.#nextPass('repair')
      } catch (error) {
        this.#ledger.failure = error
      }
      if (this.holds) break
    }
    this.#attempts = 0
    this.#repairing = undefined
    if (!this.#closed && !this.holds) this.#repairLater()
  }

  #repairLater(): void {
    const services = this.#fronts.filter(({ error }) => error !== undefined)
    for (const { error } of services) this.#listener.failed(error, undefined)
    const servers = this.#everyone().filter(
      // Those of a service that cannot be made are no news.
      ({ error }) => error !== undefined && !(services.length > 0 && isNotFound(error)),
    )
    for (const member of servers) this.#listener.failed(member.error, member)
    if (services.length + servers.length === 0) this.#listener.failed(this.#errorOf([]), undefined)
    // A client that is closed stays closed.
    if (codeOf(this.#ledger.failure) === 'ERR_IPVS_CLOSED') return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => this.#repair(1), this.#retryMs).unref()
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS)
  }

  /** Passes never overlap; one that has not begun serves everyone who asks before it does. */
  #nextPass(cause: PoolCause): Promise<ReconcileResult> {
    if (this.#next === undefined) {
      const next = this.#running.then(() => {
        this.#next = undefined
        return this.#pass(cause)
      })
      this.#next = next
      this.#running = next.catch(ignore)
    }
    return this.#next
  }

  async #pass(cause: PoolCause): Promise<ReconcileResult> {
    // A read says nothing about seats where something is under way.
    this.handOver()
    await Promise.all(this.#ledger.inFlight.values())
    this.#forgetGone()
    const since = this.#ledger.clock
    this.#reading = true
    const reading = this.#closed ? Promise.reject(closed()) : observe(this.#client, this.#fronts)
    const observed = await reading.finally(() => {
      this.#reading = false
    })
    if (this.#closed) throw closed()

    this.handOver()
    // From here to the submission nothing can come in between: it would be undone.
    take(observed, since)
    const opening = !this.#opened
    if (opening) this.#listener.read()
    const steps = plan(this.#fronts, this.#everyone(), { opening, hold: this.hold })
    for (const front of this.#fronts) trust(front)
    const { send, news } = this.#taking ? { send: steps, news: [] } : this.#leave.sort(steps)
    this.#taking = false
    const result = send.length === 0 ? NOTHING : await this.#sendBulk(send, cause)
    const failed = new Set(result.errors.filter(isFailure).map(({ index }) => index))
    for (const [index, { drift }] of send.entries()) {
      if (drift === undefined) continue
      if (failed.has(index)) this.#leave.failed(drift)
      this.#listener.drift(drift, !failed.has(index), cause)
    }
    for (const drift of news) this.#listener.drift(drift, false, cause)
    this.#listener.contested(this.#leave.contested)
    if (this.holds) this.#healed()
    const { total, applied, errors } = result
    return {
      total,
      applied,
      failed: result.failed,
      errors,
      changes: send.map(({ change }) => change),
      get outcomes() {
        return result.outcomes
      },
    }
  }

  async #sendBulk(steps: readonly Step[], cause: PoolCause): Promise<ApplyResult> {
    const ticket = this.#ledger.ticket()
    this.#ledger.note(steps, ticket, 0, 'bulk')
    const sent = this.#ledger.send(steps, ticket, cause, 'bulk')
    for (const { seat } of steps) if (seat !== undefined) seat.member.latest = sent
    const answer = await sent
    if (answer instanceof Error) throw answer
    return answer
  }

  /** Reads that are under way may still show those, so that they are not forgotten meanwhile. */
  #forgetGone(): void {
    if (this.#reading) return
    for (const member of this.#leaving) {
      const own = member.seats.filter(({ taken }) => !taken)
      if (!own.every(({ known, pending }) => known === 'absent' && pending === 0)) continue
      for (const { front, key } of own) front.seats.delete(key)
      this.#leaving.delete(member)
    }
  }

  /** Everything is as it should be, or under way to it. */
  get holds(): boolean {
    return (
      this.#fronts.every(
        (front) => frontHolds(front) && (this.hold || front.withdrawn || isSwept(front)),
      ) && this.#everyone().every(holds)
    )
  }

  #healed(): void {
    for (const front of this.#fronts) front.error = undefined
    for (const member of this.#everyone()) {
      member.error = undefined
      member.diverged = false
    }
    this.#ledger.failure = undefined
    clearTimeout(this.#retry)
    this.#retryMs = FIRST_RETRY_MS
    this.#listener.converged()
  }

  #everyone(): Member[] {
    return [...this.members.values(), ...this.#leaving]
  }

  #errorOf(members: readonly Member[]): unknown {
    if (this.#closed) return closed()
    const failed = [...this.#fronts, ...members].find((it) => it.error !== undefined)
    const error = failed?.error ?? this.#ledger.failure
    if (error !== undefined) return error
    const text = 'another writer of this client keeps changing what the pool owns'
    return new IpvsError('ERR_IPVS_SUPERSEDED', text)
  }
}

function holds({ seats }: Member): boolean {
  for (const seat of seats) if (!seatHolds(seat)) return false
  return true
}

function isPending({ pending }: Seat): boolean {
  return pending > 0
}

/** Nothing is there that is not declared, or it is left alone. */
function isSwept({ undeclared, spared }: Front): boolean {
  for (const key of undeclared.keys()) if (!spared.has(key)) return false
  return true
}

/** A read has shown how things are: doubts about them, and what was left alone, are of the past. */
function trust(front: Front): void {
  front.doubt = false
  front.left = undefined
  front.spared.clear()
  for (const seat of front.seats.values()) {
    seat.doubt = false
    seat.left = undefined
  }
}

function closed(): IpvsError {
  return new IpvsError('ERR_IPVS_CLOSED', 'this pool has been closed; open another one')
}

function ignore(): void {}
