// What is known of the kernel from what was sent to it: every change and its answer pass through here, whoever declared
// its object.
import { CHECKED, type MadeChanges } from '../../apply/checked.js'
import { IpvsError } from '../../errors.js'
import type { TableClient } from '../../table-client.js'
import type { ApplyResult, Change, Destination, Service } from '../../types.js'
import type { CheckedChange } from '../../validate.js'
import type { DestinationEntry } from './entry.js'
import type { Front } from './front.js'

/** A change of the pool's, and what it is about: a destination, or else a service. */
export interface Submission {
  readonly change: Change
  /** It was made from checked parts. */
  readonly checked?: CheckedChange
  readonly front: Front
  readonly entry?: DestinationEntry
}

/** The answers to a batch are known: errors by index. */
export type Answered<S> = (steps: readonly S[], errors: ReadonlyMap<number, Error>) => void

export class StateCache {
  /** Counts submissions and answers: what happened after a read was requested can be told from what did before. */
  #clock = 0
  /** Submissions without an answer yet, by their ticket. They never reject. */
  readonly inFlight = new Map<number, Promise<unknown>>()
  readonly #client: TableClient

  constructor(client: TableClient) {
    this.#client = client
  }

  get clock(): number {
    return this.#clock
  }

  /** Of a submission to come. */
  ticket(): number {
    return ++this.#clock
  }

  /** Takes in what changes are about to say, of a submission that follows: it counts as known from now on. */
  recordSubmitted(steps: readonly Submission[], ticket: number, from = 0, priority?: 'bulk'): void {
    const version = ++this.#clock
    const bulk = priority === 'bulk'
    for (let i = from; i < steps.length; i++) {
      const { front, entry, change } = steps[i]!
      if (entry !== undefined) {
        entry.submit(destinationAfter(change), ticket, version, bulk)
        continue
      }
      const after = serviceAfter(change)
      front.entry.submit(after, ticket, version, bulk)
      // What is below a service goes with it.
      if (after !== 'absent') continue
      for (const below of front.destinations.values()) below.vanish(ticket, version)
    }
  }

  /** Sends changes that were recorded, in one batch. Never rejects: it may resolve with why nothing was sent. */
  send<S extends Submission>(
    steps: readonly S[],
    ticket: number,
    answered: Answered<S>,
    priority?: 'bulk',
  ): Promise<ApplyResult | Error> {
    const answer = this.#exchange(steps, ticket, answered, priority)
    this.inFlight.set(ticket, answer)
    void answer.then(() => this.inFlight.delete(ticket))
    return answer
  }

  async #exchange<S extends Submission>(
    steps: readonly S[],
    ticket: number,
    answered: Answered<S>,
    priority: 'bulk' | undefined,
  ): Promise<ApplyResult | Error> {
    const errors = new Map<number, Error>()
    let answer: ApplyResult | Error
    try {
      answer = await this.#client.apply(changesOf(steps), priority && { priority })
      for (const { index, error } of answer.errors) errors.set(index, error)
    } catch (error) {
      answer = error as Error
      for (const index of steps.keys()) errors.set(index, answer)
    }
    this.#recordAnswers(steps, ticket, errors, priority)
    this.inFlight.delete(ticket)
    answered(steps, errors)
    return answer
  }

  #recordAnswers(
    steps: readonly Submission[],
    ticket: number,
    errors: Map<number, Error>,
    priority: 'bulk' | undefined,
  ): void {
    const version = ++this.#clock
    const bulk = priority === 'bulk'
    for (let index = 0; index < steps.length; index++) {
      const { front, entry, change } = steps[index]!
      const error = errors.get(index)
      if (entry !== undefined) {
        // Somebody was faster: it is gone, as it should be.
        const gone =
          codeOf(error) === 'ERR_IPVS_NO_DESTINATION' && destinationAfter(change) === 'absent'
        if (gone) errors.delete(index)
        const counts = error !== undefined && isFailure({ error })
        entry.answer(ticket, version, bulk, gone ? undefined : error, counts)
        continue
      }
      const counts = error !== undefined && isFailure({ error })
      front.entry.answer(ticket, version, bulk, error, counts)
      if (error === undefined || serviceAfter(change) !== 'absent') continue
      for (const below of front.destinations.values()) below.reappear(ticket, version)
    }
  }
}

/** The changes of steps; those of flips, which are made from checked parts, are not checked once more. */
function changesOf(steps: readonly Submission[]): MadeChanges {
  const changes: Change[] & { [CHECKED]?: CheckedChange[] } = []
  const checked: CheckedChange[] = []
  for (const step of steps) {
    changes.push(step.change)
    if (step.checked !== undefined) checked.push(step.checked)
  }
  if (checked.length === changes.length) changes[CHECKED] = checked
  return changes
}

/** What the kernel holds of a service after a change. */
function serviceAfter(change: Change): Service | 'absent' {
  return change.op === 'ensure-service' || change.op === 'replace-service'
    ? change.service
    : 'absent'
}

/** What the kernel holds of a destination after a change. */
export function destinationAfter(change: Change): Destination | 'absent' {
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
