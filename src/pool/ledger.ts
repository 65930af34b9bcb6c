// What is known of the kernel from what was sent to it: every change and its answer pass through here.
import { CHECKED, type MadeChanges } from '../apply/checked.js'
import { IpvsError, isExists, isNotFound } from '../errors.js'
import type { ApplyResult, Change, Service } from '../types.js'
import type { CheckedChange } from '../validate.js'
import type { Front } from './front.js'
import { held, type Known, type Member } from './member.js'
import { type Step, seatHolds } from './plan.js'
import type { PoolCause, PoolClient, PoolDivergedEvent } from './types.js'

export type Split = Pick<PoolDivergedEvent, 'errors' | 'before' | 'after' | 'cause'>

export interface LedgerListener {
  /** A change went through on some of a member's fronts only. */
  diverged(member: Member, split: Split): void
  /** The answers of a batch have been taken in. */
  settled(): void
}

export class Ledger {
  /** Counts submissions and answers: what happened after a read was requested can be told from what did before. */
  clock = 0
  /** Submissions without an answer yet, by their ticket. They never reject. */
  readonly inFlight = new Map<number, Promise<unknown>>()
  /** The last failure that belongs to no service and no server of the pool. */
  failure: unknown
  readonly #client: PoolClient
  readonly #listener: LedgerListener

  constructor(client: PoolClient, listener: LedgerListener) {
    this.#client = client
    this.#listener = listener
  }

  /** Of a submission to come. */
  ticket(): number {
    return ++this.clock
  }

  /** Takes in what changes are about to say, of a submission that follows: it counts as known from now on. */
  note(steps: readonly Step[], ticket: number, from = 0, priority?: 'bulk'): void {
    const version = ++this.clock
    for (let i = from; i < steps.length; i++) {
      const { front, seat, change } = steps[i]!
      if (seat === undefined) {
        const known = serviceOutcome(change)
        if (known === undefined) continue
        front.known = known
        front.version = version
        front.ticket = ticket
        if (known === 'absent') setBelow(front, known, ticket, version)
        continue
      }
      seat.known = outcome(change)
      seat.pending++
      if (priority === 'bulk') seat.overtakable++
      seat.version = version
      seat.ticket = ticket
    }
  }

  /** Sends changes that were noted, in one batch. Never rejects: it may resolve with why nothing was sent. */
  send(
    steps: readonly Step[],
    ticket: number,
    cause: PoolCause,
    priority?: 'bulk',
  ): Promise<ApplyResult | Error> {
    const answer = this.#exchange(steps, ticket, cause, priority)
    this.inFlight.set(ticket, answer)
    void answer.then(() => this.inFlight.delete(ticket))
    return answer
  }

  async #exchange(
    steps: readonly Step[],
    ticket: number,
    cause: PoolCause,
    priority: 'bulk' | undefined,
  ): Promise<ApplyResult | Error> {
    const options = priority && { priority }
    const errors = new Map<number, Error>()
    let answer: ApplyResult | Error
    try {
      answer = await this.#client.apply(changesOf(steps), options)
      for (const { index, error } of answer.errors) errors.set(index, error)
    } catch (error) {
      this.failure = error
      answer = error as Error
      for (const index of steps.keys()) errors.set(index, answer)
    }
    this.#settle(steps, ticket, errors, cause, priority)
    return answer
  }

  /** Takes the answers to a submission into what is known. */
  #settle(
    steps: readonly Step[],
    ticket: number,
    errors: ReadonlyMap<number, Error>,
    cause: PoolCause,
    priority: 'bulk' | undefined,
  ): void {
    const version = ++this.clock
    const failed = new Map<Member, Failed[]>()
    for (let index = 0; index < steps.length; index++) {
      const step = steps[index]!
      const { seat } = step
      let error = errors.get(index)
      if (seat === undefined) {
        this.#settleFront(step, error, ticket, version)
        continue
      }
      // Somebody was faster: it is gone, as it should be.
      if (codeOf(error) === 'ERR_IPVS_NO_DESTINATION' && outcome(step.change) === 'absent') {
        error = undefined
      }
      seat.pending--
      if (priority === 'bulk') seat.overtakable--
      seat.version = version
      if (seat.ticket === ticket) {
        seat.doubt = error !== undefined && !tellsOfOthers(error)
        if (priority === undefined) seat.due = error !== undefined
        else if (error === undefined) seat.due = false
        if (error !== undefined) seat.known = 'unknown'
      }
      if (error === undefined || !isFailure({ error })) continue
      const others = failed.get(seat.member)
      if (others === undefined) failed.set(seat.member, [{ step, error }])
      else others.push({ step, error })
    }
    let last: Member | undefined
    for (const { seat } of steps) {
      // The steps of one member are next to each other.
      if (seat === undefined || seat.member === last) continue
      last = seat.member
      this.#settleMember(last, failed.get(last), steps, cause)
    }
    this.#listener.settled()
  }

  #settleFront(
    { front, change, drift }: Step,
    error: Error | undefined,
    ticket: number,
    version: number,
  ): void {
    const outcome = serviceOutcome(change)
    if (outcome === undefined) {
      if (error !== undefined && isFailure({ error })) this.failure = error
      if (error === undefined && drift?.destination !== undefined) {
        front.undeclared.delete(drift.destination)
      }
      return
    }
    front.version = version
    if (front.ticket !== ticket) return
    front.known = error === undefined ? outcome : 'unknown'
    front.doubt = error !== undefined && !tellsOfOthers(error)
    front.error = error
    if (outcome === 'absent' && error !== undefined) setBelow(front, 'unknown', ticket, version)
  }

  #settleMember(
    member: Member,
    failed: readonly Failed[] | undefined,
    steps: readonly Step[],
    cause: PoolCause,
  ): void {
    if (failed === undefined) {
      if (member.error === undefined && !member.diverged) return
      if (!member.seats.every(seatHolds)) return
      member.error = undefined
      member.diverged = false
      return
    }
    member.error = failed[0]!.error
    const apart = failed.filter(
      ({ step, error }) => !(outcome(step.change) === 'absent' && isNotFound(error)),
    )
    if (member.diverged || apart.length === 0 || apart.length === member.seats.length) return
    member.diverged = true
    const before = new Map(member.seats.map(({ front, known }) => [front.key, held(known)]))
    const after = new Map(before)
    for (const { front, seat, was } of steps) {
      if (seat?.member === member) before.set(front.key, held(was ?? 'unknown'))
    }
    for (const { step, error } of failed) {
      after.set(step.front.key, isNotFound(error) ? 'absent' : 'unknown')
    }
    this.#listener.diverged(member, {
      errors: apart.map(({ step, error }) => ({ service: step.front.key, error })),
      before: Object.fromEntries(before),
      after: Object.fromEntries(after),
      cause,
    })
  }
}

interface Failed {
  readonly step: Step
  readonly error: Error
}

/** The changes of steps; those of flips, which are made from checked parts, are not checked once more. */
function changesOf(steps: readonly Step[]): MadeChanges {
  const changes: Change[] & { [CHECKED]?: CheckedChange[] } = []
  const checked: CheckedChange[] = []
  for (const step of steps) {
    changes.push(step.change)
    if (step.checked !== undefined) checked.push(step.checked)
  }
  if (checked.length === changes.length) changes[CHECKED] = checked
  return changes
}

/** What is below a service goes with it. */
function setBelow(
  { seats }: Front,
  known: 'absent' | 'unknown',
  ticket: number,
  version: number,
): void {
  for (const seat of seats.values()) {
    if (known === 'unknown' && seat.ticket !== ticket) continue
    seat.known = known
    seat.ticket = ticket
    seat.version = version
  }
}

/** What the kernel holds of a service after a change; `undefined`: the change is about a destination. */
function serviceOutcome(change: Change): Service | 'absent' | undefined {
  if (change.op === 'ensure-service' || change.op === 'replace-service') return change.service
  return change.op === 'ensure-no-service' ? 'absent' : undefined
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

export function codeOf(error: unknown): string | undefined {
  return error instanceof IpvsError ? error.code : undefined
}

/** A bulk change that a later one has made superfluous has not failed. */
export function isFailure({ error }: { readonly error: Error }): boolean {
  return codeOf(error) !== 'ERR_IPVS_SUPERSEDED'
}

/** The failure shows that the kernel was not what the pool had left there. */
function tellsOfOthers(error: Error): boolean {
  return isNotFound(error) || isExists(error)
}
