// The flips of one turn of the event loop, each of one server or of some that change together. The first is sent at
// once, so that it waits for nothing, and the others together when the turn ends: a thousand callers then cost about
// what one batch does. The client shares requests too, but not what follows an answer: each is followed by a look at all that
// has failed or is late, and of a batch there is one.
import { BEFORE_CALLS, type TableClient } from '../../table-client.js'
import type { Destination } from '../../types.js'
import type { PoolCause } from '../api.js'
import type { Server } from '../policy/server.js'
import type { DestinationEntry } from '../state/entry.js'
import type { StateCache } from '../state/state-cache.js'
import { isPlaceInSync, type Step, serverSteps } from './steps.js'

/** Takes in the answers to a batch. */
export type FlipAnswered = (
  steps: readonly Step[],
  errors: ReadonlyMap<number, Error>,
  cause: PoolCause,
) => void

export class FlipBatcher {
  readonly #client: TableClient
  readonly #state: StateCache
  readonly #answered: FlipAnswered
  readonly #before: () => void
  /** What waits, for one cause. */
  #steps: Step[] = []
  #cause: PoolCause = 'call'
  #ticket = 0
  /** To what waits; all of its callers share it. */
  #answer: Promise<unknown> | undefined
  #resolve: (answer: Promise<unknown>) => void = () => {}
  /** A flip has been made in this turn. */
  #isOpen = false

  /** @param before what has been asked for and is not judged yet: to be called before anything is sent */
  constructor(client: TableClient, state: StateCache, answered: FlipAnswered, before: () => void) {
    this.#client = client
    this.#state = state
    this.#answered = answered
    this.#before = before
  }

  /** Resolves when the last submissions that concern these servers have been answered. */
  flip(servers: readonly Server[], cause: PoolCause): Promise<unknown> {
    // A second flip of a server is another one, which may be in another batch.
    if (cause !== this.#cause || this.#waits(servers)) this.flush()
    const steps = this.#steps
    const from = steps.length
    // A check that repeats its verdict does not repeat what was refused: that has a clock of its own.
    const skip = cause === 'health' ? hasFailed : undefined
    for (const server of servers) {
      serverSteps(server, true, steps, skip)
      takeOver(server)
    }
    if (steps.length > from) {
      if (from === 0) this.#begin(cause)
      this.#state.recordSubmitted(steps, this.#ticket, from)
      for (let i = from; i < steps.length; i++) steps[i]!.server!.latest = this.#answer!
      if (!this.#isOpen) {
        this.#isOpen = true
        queueMicrotask(this.#end)
        this.flush()
      } else if (from === 0) this.#client[BEFORE_CALLS]?.add(this.flush)
    }
    return servers.length === 1
      ? servers[0]!.latest
      : Promise.all(servers.map(({ latest }) => latest))
  }

  /** Sends what waits. */
  readonly flush = (): void => {
    // The client would have it go out in the middle of this, and so before it.
    this.#before()
    const steps = this.#steps
    if (steps.length === 0) return
    const cause = this.#cause
    this.#client[BEFORE_CALLS]?.delete(this.flush)
    this.#steps = []
    this.#answer = undefined
    const answered = (sent: readonly Step[], errors: ReadonlyMap<number, Error>) =>
      this.#answered(sent, errors, cause)
    this.#resolve(this.#state.send(steps, this.#ticket, answered))
  }

  #begin(cause: PoolCause): void {
    this.#cause = cause
    this.#ticket = this.#state.ticket()
    this.#answer = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  #waits(servers: readonly Server[]): boolean {
    for (const { latest } of servers) if (latest === this.#answer) return true
    return false
  }

  readonly #end = (): void => {
    this.#isOpen = false
    this.flush()
  }
}

/** What others have made, and was left, may be just what is wanted by now: then it is the pool's own. */
function takeOver(server: Server): void {
  for (const place of server.places) {
    const { entry, front } = place
    if (entry.phase !== 'ignored' && entry.phase !== 'owed') continue
    // What has failed has a clock of its own.
    if (entry.failure !== undefined || front.withdrawn) continue
    const wanted = server.wanted(place)
    if (wanted === 'as-is' || entry.isIgnored(wanted)) continue
    if (isPlaceInSync(server, place)) entry.agree()
  }
}

function hasFailed(entry: DestinationEntry, wanted: Destination | 'absent'): boolean {
  return entry.hasFailedWith(wanted)
}
