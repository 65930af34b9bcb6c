// Keeps the kernel equal to what the members' states say: flips at once, reads and repairs when something was off.
import { IpvsError, isExists, isNotFound } from '../errors.js'
import type { ApplyResult, Change } from '../types.js'
import type { Front } from './front.js'
import type { Known, Member } from './member.js'
import { observe, take } from './observe.js'
import { type Drift, frontHolds, memberSteps, plan, type Step, seatHolds } from './plan.js'
import type { PoolCause, PoolClient } from './types.js'

/** A result of `reconcile`: what was changed, and what became of it. */
export type ReconcileResult = ApplyResult & { readonly changes: readonly Change[] }

/** Whom the mirror tells what happened. */
export interface MirrorListener {
  /** The first read is in; nothing has been changed yet. */
  read(): void
  drift(drift: Drift, repaired: boolean, cause: PoolCause): void
  /** A change went through on some of a member's fronts only. */
  diverged(member: Member, errors: SplitErrors, cause: PoolCause): void
  /** Everything tried at once has failed. More will be tried later. */
  failed(error: unknown, member: Member | undefined): void
  /** The kernel holds everything. */
  converged(): void
}

export type SplitErrors = readonly { readonly service: string; readonly error: Error }[]

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
  /** What is not declared stays. */
  hold = false
  readonly #client: PoolClient
  readonly #fronts: readonly Front[]
  readonly #listener: MirrorListener
  /** Taken out, and not known to be gone from the kernel. */
  readonly #leaving = new Set<Member>()
  /** Counts submissions and answers, so that a read can be told from what happened after it was requested. */
  #clock = 0
  readonly #inFlight = new Set<Promise<unknown>>()
  #reading = false
  #opened = false
  #closed = false
  #running: Promise<unknown> = Promise.resolve()
  #next: Promise<ReconcileResult> | undefined
  #repairing: Promise<void> | undefined
  #attempts = 0
  /** Why the last attempt to repair has failed, where no member is to blame. */
  #failure: unknown
  #retry: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS

  constructor(client: PoolClient, fronts: readonly Front[], listener: MirrorListener) {
    this.#client = client
    this.#fronts = fronts
    this.#listener = listener
  }

  /** Makes the kernel hold the pool for the first time. Rejects if it does not after some attempts. */
  async open(): Promise<void> {
    await this.#pass('open')
    this.#opened = true
    if (this.#holds()) return
    await this.#repair()
    if (!this.#holds()) throw this.#errorOf([...this.members.values()])
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
      // Where another one is leaving, what the kernel will hold cannot be foreseen.
      if (this.#opened && !seats.has(seat.key)) seat.known = undeclared.get(seat.key) ?? 'absent'
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
   * Sends what one member needs, all fronts in one batch. Resolves when the kernel holds what the member says, or
   * a later flip of it has taken over.
   */
  async flip(member: Member, cause: PoolCause): Promise<void> {
    const steps = memberSteps(member, true)
    if (steps.length > 0) this.#send(steps, cause).catch(ignore)
    await member.latest
    if (member.seats.every(seatHolds)) return
    await this.#repair()
    if (!member.seats.every(seatHolds)) throw this.#errorOf([member])
  }

  /** One read and what follows from it. What fails is tried again in the background. */
  async reconcile(cause: PoolCause): Promise<ReconcileResult> {
    const result = await this.#nextPass(cause)
    if (!this.#holds()) void this.#repair()
    return result
  }

  /** The kernel has confirmed everything. */
  get converged(): boolean {
    return this.#inFlight.size === 0 && this.#holds()
  }

  /** Changes nothing any more, and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    await Promise.all([this.#running, this.#repairing, ...this.#inFlight])
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
        this.#failure = error
      }
      if (this.#holds()) break
    }
    this.#attempts = 0
    this.#repairing = undefined
    if (!this.#closed && !this.#holds()) this.#repairLater()
  }

  #repairLater(): void {
    const failed = this.#everyone().filter(({ error }) => error !== undefined)
    for (const member of failed) this.#listener.failed(member.error, member)
    if (failed.length === 0) this.#listener.failed(this.#errorOf([]), undefined)
    // A client that is closed stays closed.
    if (this.#failure instanceof IpvsError && this.#failure.code === 'ERR_IPVS_CLOSED') return
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
    await Promise.all(this.#inFlight)
    this.#forgetGone()
    const since = this.#clock
    this.#reading = true
    const reading = this.#closed ? Promise.reject(closed()) : observe(this.#client, this.#fronts)
    const observed = await reading.finally(() => {
      this.#reading = false
    })
    if (this.#closed) throw closed()

    // From here to the submission nothing can come in between: it would be undone.
    take(observed, since)
    const opening = !this.#opened
    if (opening) this.#listener.read()
    const steps = plan(this.#fronts, this.#everyone(), { opening, hold: this.hold })
    for (const front of this.#fronts) {
      front.doubt = false
      for (const seat of front.seats.values()) seat.doubt = false
    }
    const result = steps.length === 0 ? NOTHING : await this.#send(steps, cause, 'bulk')
    const failed = new Set(result.errors.filter(isFailure).map(({ index }) => index))
    for (const [index, { drift }] of steps.entries()) {
      if (drift !== undefined) this.#listener.drift(drift, !failed.has(index), cause)
    }
    if (this.#holds()) this.#healed()
    const { total, applied, errors } = result
    return {
      total,
      applied,
      failed: result.failed,
      errors,
      changes: steps.map(({ change }) => change),
      get outcomes() {
        return result.outcomes
      },
    }
  }

  #send(steps: readonly Step[], cause: PoolCause, priority?: 'bulk'): Promise<ApplyResult> {
    const ticket = ++this.#clock
    for (const { seat, change } of steps) {
      if (seat === undefined) continue
      seat.known = outcome(change)
      seat.pending++
      seat.version = ticket
      seat.ticket = ticket
    }
    const changes = steps.map(({ change }) => change)
    const sent = this.#client.apply(changes, priority === undefined ? {} : { priority }).then(
      (result) => {
        const errors = new Map(result.errors.map(({ index, error }) => [index, error]))
        this.#settle(steps, ticket, errors, cause)
        return result
      },
      (error: Error) => {
        this.#failure = error
        this.#settle(steps, ticket, new Map(steps.map((_, index) => [index, error])), cause)
        throw error
      },
    )
    const settled = sent.then(ignore, ignore)
    for (const { seat } of steps) if (seat !== undefined) seat.member.latest = settled
    this.#inFlight.add(settled)
    settled.then(() => this.#inFlight.delete(settled))
    return sent
  }

  /** Takes the answers to a submission into what is known. */
  #settle(
    steps: readonly Step[],
    ticket: number,
    errors: ReadonlyMap<number, Error>,
    cause: PoolCause,
  ): void {
    const version = ++this.#clock
    const touched = new Map<Member, Failed[]>()
    for (const [index, step] of steps.entries()) {
      const { seat } = step
      let error = errors.get(index)
      if (seat === undefined) {
        this.#settleFront(step, error)
        continue
      }
      // Somebody was faster: it is gone, as it should be.
      if (codeOf(error) === 'ERR_IPVS_NO_DESTINATION' && outcome(step.change) === 'absent') {
        error = undefined
      }
      seat.pending--
      seat.version = version
      if (seat.ticket === ticket) {
        seat.doubt = error !== undefined && !tellsOfOthers(error)
        if (error !== undefined) seat.known = 'unknown'
      }
      const failed = touched.get(seat.member) ?? []
      touched.set(seat.member, failed)
      if (error !== undefined && isFailure({ error })) failed.push({ step, error })
    }
    for (const [member, failed] of touched) this.#settleMember(member, failed, cause)
    this.#forgetGone()
  }

  #settleFront({ front, change, drift }: Step, error: Error | undefined): void {
    if (error !== undefined && isFailure({ error })) this.#failure = error
    if (change.op === 'ensure-service' || change.op === 'replace-service') {
      front.known = error === undefined ? change.service : 'unknown'
      front.doubt = error !== undefined && !tellsOfOthers(error)
    } else if (error === undefined && drift?.destination !== undefined) {
      front.undeclared.delete(drift.destination)
    }
  }

  #settleMember(member: Member, failed: readonly Failed[], cause: PoolCause): void {
    const first = failed[0]
    if (first === undefined) {
      if (!member.seats.every(seatHolds)) return
      member.error = undefined
      member.diverged = false
      return
    }
    member.error = first.error
    const apart = failed.filter(
      ({ step, error }) => !(outcome(step.change) === 'absent' && isNotFound(error)),
    )
    if (member.diverged || apart.length === 0 || apart.length === member.seats.length) return
    member.diverged = true
    const errors = apart.map(({ step, error }) => ({ service: step.front.key, error }))
    this.#listener.diverged(member, errors, cause)
  }

  /** Reads that are under way may still show those, so that they are not forgotten meanwhile. */
  #forgetGone(): void {
    if (this.#reading) return
    for (const member of this.#leaving) {
      const own = member.seats.filter((seat) => seat.front.seats.get(seat.key) === seat)
      if (!own.every(({ known, pending }) => known === 'absent' && pending === 0)) continue
      for (const { front, key } of own) front.seats.delete(key)
      this.#leaving.delete(member)
    }
  }

  #holds(): boolean {
    return (
      this.#fronts.every(
        (front) => frontHolds(front) && (this.hold || front.undeclared.size === 0),
      ) && this.#everyone().every(({ seats }) => seats.every(seatHolds))
    )
  }

  #healed(): void {
    for (const member of this.#everyone()) {
      member.error = undefined
      member.diverged = false
    }
    this.#failure = undefined
    clearTimeout(this.#retry)
    this.#retryMs = FIRST_RETRY_MS
    this.#listener.converged()
  }

  #everyone(): Member[] {
    return [...this.members.values(), ...this.#leaving]
  }

  #errorOf(members: readonly Member[]): unknown {
    if (this.#closed) return closed()
    const error = members.find((member) => member.error !== undefined)?.error ?? this.#failure
    if (error !== undefined) return error
    const text = 'another writer of this client keeps changing what the pool owns'
    return new IpvsError('ERR_IPVS_SUPERSEDED', text)
  }
}

interface Failed {
  readonly step: Step
  readonly error: Error
}

/** What the kernel holds of a destination after a change. */
function outcome(change: Change): Known {
  switch (change.op) {
    case 'add-destination':
    case 'replace-destination':
    case 'ensure-destination':
      return change.destination
    default:
      return 'absent'
  }
}

function codeOf(error: Error | undefined): string | undefined {
  return error instanceof IpvsError ? error.code : undefined
}

/** A bulk change that a later one has made superfluous has not failed. */
function isFailure({ error }: { readonly error: Error }): boolean {
  return codeOf(error) !== 'ERR_IPVS_SUPERSEDED'
}

/** The failure shows that the kernel was not what the pool had left there. */
function tellsOfOthers(error: Error): boolean {
  return isNotFound(error) || isExists(error)
}

function closed(): IpvsError {
  return new IpvsError('ERR_IPVS_CLOSED', 'this pool has been closed; open another one')
}

function ignore(): void {}
