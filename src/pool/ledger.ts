// What is known of the kernel from what was sent to it: every change and its answer pass through here.
import { IpvsError, isExists, isNotFound } from '../errors.js'
import type { ApplyResult, Change } from '../types.js'
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
  /** Batches without an answer yet. They never reject. */
  readonly inFlight = new Set<Promise<unknown>>()
  /** The last failure that belongs to no service and no server of the pool. */
  failure: unknown
  readonly #client: PoolClient
  readonly #listener: LedgerListener

  constructor(client: PoolClient, listener: LedgerListener) {
    this.#client = client
    this.#listener = listener
  }

  /** Sends changes in one batch. What they say counts as known at once; what the answers say, later. */
  send(steps: readonly Step[], cause: PoolCause, priority?: 'bulk'): Promise<ApplyResult> {
    const ticket = ++this.clock
    for (const { seat, change } of steps) {
      if (seat === undefined) continue
      seat.known = outcome(change)
      seat.pending++
      if (priority === 'bulk') seat.overtakable++
      seat.version = ticket
      seat.ticket = ticket
    }
    const changes = steps.map(({ change }) => change)
    const sent = this.#client.apply(changes, priority === undefined ? {} : { priority }).then(
      (result) => {
        const errors = new Map(result.errors.map(({ index, error }) => [index, error]))
        this.#settle(steps, ticket, errors, cause, priority)
        return result
      },
      (error: Error) => {
        this.failure = error
        const errors = new Map(steps.map((_, index) => [index, error]))
        this.#settle(steps, ticket, errors, cause, priority)
        throw error
      },
    )
    const settled = sent.then(ignore, ignore)
    for (const { seat } of steps) if (seat !== undefined) seat.member.latest = settled
    this.inFlight.add(settled)
    settled.then(() => this.inFlight.delete(settled))
    return sent
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
    const touched = new Map<Member, Settled>()
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
      if (priority === 'bulk') seat.overtakable--
      seat.version = version
      if (seat.ticket === ticket) {
        seat.doubt = error !== undefined && !tellsOfOthers(error)
        if (error !== undefined) seat.known = 'unknown'
      }
      const settled = touched.get(seat.member) ?? { steps: [], failed: [] }
      touched.set(seat.member, settled)
      settled.steps.push(step)
      if (error !== undefined && isFailure({ error })) settled.failed.push({ step, error })
    }
    for (const [member, settled] of touched) this.#settleMember(member, settled, cause)
    this.#listener.settled()
  }

  #settleFront({ front, change, drift }: Step, error: Error | undefined): void {
    if (change.op === 'ensure-service' || change.op === 'replace-service') {
      front.known = error === undefined ? change.service : 'unknown'
      front.doubt = error !== undefined && !tellsOfOthers(error)
      front.error = error
    } else if (error !== undefined) {
      if (isFailure({ error })) this.failure = error
    } else if (drift?.destination !== undefined) {
      front.undeclared.delete(drift.destination)
    }
  }

  #settleMember(member: Member, { steps, failed }: Settled, cause: PoolCause): void {
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
    const before = new Map(member.seats.map(({ front, known }) => [front.key, held(known)]))
    const after = new Map(before)
    for (const { front, was } of steps) before.set(front.key, held(was ?? 'unknown'))
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

/** What became of the changes of one member. */
interface Settled {
  readonly steps: Step[]
  readonly failed: { readonly step: Step; readonly error: Error }[]
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

function ignore(): void {}
