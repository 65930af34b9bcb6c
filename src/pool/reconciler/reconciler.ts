// Keeps the kernel equal to what the servers' states say: flips at once, reads and repairs when something was off.
import { Applied } from '../../apply/result.js'
import { IpvsError } from '../../errors.js'
import type { TableClient } from '../../table-client.js'
import type { ApplyResult, Change } from '../../types.js'
import type { PoolCause } from '../api.js'
import type { DriftPolicy } from '../config/options.js'
import type { Server } from '../policy/server.js'
import type { DestinationEntry } from '../state/entry.js'
import type { Front } from '../state/front.js'
import { isFailure, StateCache } from '../state/state-cache.js'
import { type Divergence, Divergences } from './divergences.js'
import { DriftFilter } from './drift-filter.js'
import { Failures, isRefused } from './failures.js'
import { FlipBatcher } from './flip-batcher.js'
import { HeldFlips } from './held-flips.js'
import { findBlocked, type Loser, loserOf } from './hold-back.js'
import { Passes } from './passes.js'
import { takeRead } from './read.js'
import { Reader } from './reader.js'
import { RetryClock } from './retry-clock.js'
import {
  type Drift,
  isFrontInSync,
  isGone,
  isInSync,
  isIts,
  isUnread,
  plan,
  type Step,
  withdrawalSteps,
} from './steps.js'

/** A result of `reconcile`: what was changed, and what became of it. */
export type ReconcileResult = ApplyResult & { readonly changes: readonly Change[] }

/** Whom the reconciler tells what happened. */
export interface ReconcilerListener {
  /** The first read is in; nothing has been changed yet. */
  read(): void
  /** Something is about to be sent: what has been asked for comes first. */
  flush(): void
  drift(drift: Drift, repaired: boolean, cause: PoolCause): void
  diverged(server: Server, divergence: Divergence): void
  /** Everything tried at once has failed. More will be tried later. */
  failed(error: unknown, server: Server | undefined): void
  /** Answers have come, or a read. */
  progress(): void
  /** The kernel refuses others than before. */
  refusalsChanged(): void
  /** After each read: keys of what another owner fights for. */
  contested(keys: readonly string[]): void
}

/** A timer may be early by so much. */
const EARLY_MS = 5

export class Reconciler {
  readonly servers = new Map<string, Server>()
  readonly #fronts: readonly Front[]
  readonly #listener: ReconcilerListener
  readonly #state: StateCache
  readonly #reader: Reader
  readonly #flips: FlipBatcher
  readonly #held: HeldFlips
  readonly #passes: Passes<PoolCause, ReconcileResult>
  readonly #filter: DriftFilter
  readonly #failures = new Failures()
  readonly #divergences = new Divergences()
  readonly #clock = new RetryClock(() => this.#ring())
  /** Taken out, and not known to be gone from the kernel. */
  readonly #leaving = new Set<Server>()
  #waiting: { readonly server: Server; readonly resolve: () => void }[] = []
  #keepUndeclared = false
  /** What is found is put right in any case: at the opening, and when undeclared ones are not kept any more. */
  #enforceAll = true
  /** Of the last pass: removals of what is not declared that wait for what replaces it. */
  #heldUndeclared: Step[] = []
  #someRefused = false
  #opened = false
  #closed = false
  constructor(
    client: TableClient,
    fronts: readonly Front[],
    drift: DriftPolicy,
    listener: ReconcilerListener,
  ) {
    this.#fronts = fronts
    this.#listener = listener
    this.#state = new StateCache(client)
    this.#flips = new FlipBatcher(
      client,
      this.#state,
      (...answered) => this.#answered(...answered),
      () => listener.flush(),
    )
    this.#reader = new Reader(client, fronts, {
      isNeeded: () => this.#failures.size > 0 || this.#owesPass,
      failed: (error) => listener.failed(error, undefined),
    })
    this.#held = new HeldFlips((steps) => this.#blockedOf(steps))
    this.#passes = new Passes(
      async (cause, force) => {
        const result = await this.#pass(cause, force)
        if (result.applied > 0) this.#clock.refund()
        return result
      },
      () => this.#schedule(),
    )
    this.#filter = new DriftFilter(drift)
  }

  /** Makes the kernel hold what it takes of the pool. Rejects if nothing of it could be made. */
  async open(): Promise<void> {
    await this.#pass('open', true)
    this.#opened = true
    this.#schedule()
    while (this.#passes.areBusy) await this.#passes.idle
    const made = ({ withdrawn, entry }: Front) => withdrawn || typeof entry.sure === 'object'
    if (!this.#fronts.some(made)) throw this.#errorOf([])
  }

  /** What is not declared stays. */
  get keepUndeclared(): boolean {
    return this.#keepUndeclared
  }

  set keepUndeclared(keep: boolean) {
    if (this.#keepUndeclared && !keep) this.#enforceAll = true
    this.#keepUndeclared = keep
  }

  /** Who has a place of a server that is about to join. */
  occupant({ places }: Server): Server | undefined {
    const owners = new Set(
      places.map(({ front, key }) => front.destinations.get(key)?.owner).filter(Boolean),
    )
    if (owners.size === 0) return undefined
    return [...this.servers.values()].find(({ instance }) => owners.has(instance))
  }

  join(server: Server): void {
    this.servers.set(server.key, server)
    for (const place of server.places) {
      const isNew = !place.front.destinations.has(place.key)
      place.entry = place.front.destination(place.key, place.id)
      // A read shows all that is there.
      if (isNew && this.#opened) place.entry.read('absent')
      place.entry.claim(server.instance)
    }
  }

  leave(server: Server): void {
    server.leave()
    this.servers.delete(server.key)
    this.#leaving.add(server)
    for (const { entry } of server.places) entry.release(server.instance)
  }

  /**
   * Sends what some servers need, all fronts in one batch, but for what has to wait. Resolves when the kernel has
   * answered; {@link settle} sees to what has not come of it.
   */
  flip(servers: readonly Server[], cause: PoolCause): Promise<unknown> {
    const now = this.#held.sort(servers, cause)
    const answer = this.#flips.flip(now, cause)
    if (now === servers) return answer
    return this.#released(
      answer,
      servers.filter((server) => !now.includes(server)),
    )
  }

  /** Resolves when those that were held back have been answered, or go on waiting for what is refused. */
  async #released(answer: Promise<unknown>, servers: readonly Server[]): Promise<void> {
    await answer
    while (this.#held.waitForAnswer(servers)) await Promise.all(this.#state.inFlight.values())
    await Promise.all(servers.map(({ latest }) => latest))
  }

  /** The kernel holds what the servers say, or a later flip of them has taken over. */
  isSettled(servers: readonly Server[]): boolean {
    for (const server of servers) if (!isInSync(server) || hasFailedAndWaits(server)) return false
    return true
  }

  /** Waits for what is under way about servers and its repair. Rejects if the kernel does not hold what they say then. */
  async settle(servers: readonly Server[]): Promise<void> {
    while (!this.isSettled(servers) && !this.#closed) {
      this.#release()
      const busy = servers.filter((server) => hasFailedAndWaits(server) || !isInSync(server))
      const pending = busy.filter(isPending)
      // What a server has left behind may be taken away by a pass, which is nobody's latest.
      if (pending.length > 0) {
        await Promise.all([
          ...pending.map(({ latest }) => latest),
          ...this.#state.inFlight.values(),
        ])
      } else if (this.#passes.areBusy) await this.#passes.idle
      else if (this.#held.waitForAnswer(busy)) await Promise.all(this.#state.inFlight.values())
      else break
    }
    if (!this.isSettled(servers)) throw this.#errorOf(servers)
  }

  /** Resolves when the kernel holds what the server says, or it has left. */
  whenSettled(server: Server): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ server, resolve }))
  }

  /** Takes the pool's services out of the kernel, or puts them back with their servers. */
  async withdraw(withdrawn: boolean, cause: PoolCause): Promise<void> {
    this.flush()
    this.setWithdrawn(withdrawn)
    const ticket = this.#state.ticket()
    const steps = withdrawalSteps(this.#fronts, this.servers.values())
    this.#state.recordSubmitted(steps, ticket)
    const answer = this.#state.send(steps, ticket, (sent, errors) =>
      this.#answered(sent, errors, cause),
    )
    // Flips that come meanwhile wait for it.
    for (const server of this.servers.values()) server.latest = answer
    await answer
    while (!this.#isAsWanted && this.#passes.areBusy) await this.#passes.idle
  }

  /** The pool's services have to be absent. */
  setWithdrawn(withdrawn: boolean): void {
    for (const front of this.#fronts) front.withdraw(withdrawn)
  }

  /** Sends the flips that wait for the end of the turn. */
  flush(): void {
    this.#flips.flush()
  }

  /**
   * One read and what follows from it. What fails is tried again in the background.
   *
   * @param force also what has been refused, and is not due
   */
  reconcile(cause: PoolCause, force: boolean): Promise<ReconcileResult> {
    return this.#passes.next(cause, force)
  }

  /** The kernel has confirmed everything. */
  get isConfirmed(): boolean {
    return this.#state.inFlight.size === 0 && this.#isAsWanted
  }

  /** The service as a whole: keys of those that the kernel does not hold and should. */
  get missing(): string[] {
    return this.#fronts
      .filter(({ withdrawn, entry }) => !withdrawn && typeof entry.known !== 'object')
      .map(({ key }) => key)
  }

  /** Changes nothing any more, and waits for what is under way. */
  async close(): Promise<void> {
    this.flush()
    this.#closed = true
    this.#clock.stop()
    await Promise.all([this.#passes.idle, ...this.#state.inFlight.values()])
  }

  /** Sends what waited for an answer that has come. */
  #release(): void {
    if (this.#closed) return
    for (const [server, cause] of this.#held.takeFree()) void this.#flips.flip([server], cause)
  }

  #answered(steps: readonly Step[], errors: ReadonlyMap<number, Error>, cause: PoolCause): void {
    this.#note(steps, errors, cause)
    if (this.#leaving.size > 0) this.#forgetGone()
    this.#release()
    this.#schedule()
    this.#tellProgress()
  }

  #tellProgress(): void {
    this.#listener.progress()
    if (this.#waiting.length === 0) return
    const done = this.#waiting.filter(({ server }) => this.isSettled([server]))
    this.#waiting = this.#waiting.filter((it) => !done.includes(it))
    for (const { resolve } of done) resolve()
  }

  #note(steps: readonly Step[], errors: ReadonlyMap<number, Error>, cause: PoolCause): void {
    for (const index of errors.keys()) this.#failures.add(steps[index]!)
    this.#divergences.review(steps, errors, cause, (server, divergence) =>
      this.#listener.diverged(server, divergence),
    )
  }

  /** Sees to it that what has failed is tried again, and tells whom the kernel refuses. */
  #schedule(): void {
    if (!this.#opened || this.#closed) return
    const due = this.#failures.review() ?? (this.#owesPass ? 0 : undefined)
    for (const { error, server } of this.#failures.news()) this.#listener.failed(error, server)
    const news = this.#noteRefusals()
    if (this.#failures.isClientClosed) this.#clock.stop()
    // A pass that is to come sees to all of it.
    if (!this.#passes.isAwaited) this.#clock.set(this.#reader.retryAt ?? due)
    if (news) this.#listener.refusalsChanged()
  }

  /** Something has to be done that only a pass does, and nothing that it waits for is refused. */
  get #owesPass(): boolean {
    if (this.#enforceAll) return true
    for (const server of this.#leaving) if (isUnread(server)) return true
    const held = this.#heldUndeclared
    return held.length > 0 && held.some((step) => !this.#blockedOf(held).has(loserOf(step)!))
  }

  /** True if the kernel refuses others than before. */
  #noteRefusals(): boolean {
    if (this.#failures.size === 0 && !this.#someRefused) return false
    let news = false
    this.#someRefused = false
    for (const server of this.servers.values()) {
      const refused = isRefused(server)
      if (server.setRefused(refused)) news = true
      if (refused) this.#someRefused = true
    }
    return news
  }

  /** Something is due. */
  #ring(): void {
    const again = this.#failures.dueWhileWithdrawn(performance.now())
    for (const server of again) server.setRefused(false)
    if (again.length > 0) this.#listener.refusalsChanged()
    void this.#passes.next('repair', false).catch(ignore)
  }

  async #pass(cause: PoolCause, force: boolean): Promise<ReconcileResult> {
    // A read says nothing about what has something under way.
    this.flush()
    await Promise.all(this.#state.inFlight.values())
    this.#forgetGone()
    const since = this.#state.clock
    if (this.#closed) throw closed()
    const observed = await this.#reader.read()
    if (this.#closed) throw closed()

    this.flush()
    // From here to the submission nothing can come in between: it would be undone.
    const ours = takeRead(observed, since)
    const opening = !this.#opened
    if (opening) this.#listener.read()
    this.#failures.review()
    const context = { opening, keepUndeclared: this.#keepUndeclared, ours }
    const steps = plan(this.#fronts, this.servers.values(), context)
    const sorted = this.#enforceAll ? { send: steps, news: [] } : this.#filter.sort(steps)
    this.#enforceAll = false
    this.#heldUndeclared = []
    const now = performance.now()
    const due = sorted.send.filter(({ entry, front }) => {
      const { failure } = entry ?? front.entry
      return force || failure === undefined || failure.retryAt <= now + EARLY_MS
    })
    const result = await this.#sendInOrder(due, cause)
    for (const drift of sorted.news) this.#listener.drift(drift, false, cause)
    this.#listener.contested(this.#filter.contested)
    this.#tellProgress()
    return result
  }

  /** Sends steps, and then those that have to wait for others' success. */
  async #sendInOrder(steps: readonly Step[], cause: PoolCause): Promise<ReconcileResult> {
    const changes = steps.map(({ change }) => change)
    const errors = new Map<number, IpvsError>()
    if (steps.length > 0) {
      const blocked = this.#blockedOf(steps)
      const waits = (i: number) => blocked.has(loserOf(steps[i]!)!)
      const indices = [...steps.keys()]
      const first = indices.filter((i) => !waits(i))
      await this.#sendBulk(steps, first, errors, cause)
      const later = indices.filter(waits)
      const blockedNow = () => {
        this.flush()
        return this.#blockedOf(later.map((i) => steps[i]!))
      }
      let still = blockedNow()
      while ([...still.values()].some(({ pending }) => pending)) {
        await Promise.all(this.#state.inFlight.values())
        still = blockedNow()
      }
      // What a flip has seen to meanwhile is done.
      const free = (i: number) => !still.has(loserOf(steps[i]!)!) && isOpen(steps[i]!)
      await this.#sendBulk(steps, later.filter(free), errors, cause)
      for (const i of later) {
        const missing = still.get(loserOf(steps[i]!)!)
        if (missing === undefined) continue
        errors.set(i, heldBack(steps[i]!, missing.key, missing.failure?.error))
        // It goes later, though the pass to come may only report what others have made.
        steps[i]!.entry?.owe()
        if (steps[i]!.server === undefined) this.#heldUndeclared.push(steps[i]!)
      }
    }
    const ordered = new Map([...errors].sort(([a], [b]) => a - b))
    return Object.assign(new Applied(changes, ordered), { changes })
  }

  #blockedOf(steps: readonly Step[]): ReadonlyMap<Loser, DestinationEntry> {
    return findBlocked(this.#fronts, [...this.servers.values()], steps)
  }

  async #sendBulk(
    all: readonly Step[],
    indices: readonly number[],
    errors: Map<number, IpvsError>,
    cause: PoolCause,
  ): Promise<void> {
    if (indices.length === 0) return
    const steps = indices.map((index) => all[index]!)
    const ticket = this.#state.ticket()
    this.#state.recordSubmitted(steps, ticket, 0, 'bulk')
    const sent = this.#state.send(
      steps,
      ticket,
      (_, failed) => this.#note(steps, failed, cause),
      'bulk',
    )
    for (const { server } of steps) if (server !== undefined) server.latest = sent
    const answer = await sent
    if (answer instanceof Error) throw answer
    const failed = new Set<number>()
    for (const { index, error } of answer.errors) {
      errors.set(indices[index]!, error as IpvsError)
      if (isFailure({ error })) failed.add(index)
    }
    for (const [index, { drift }] of steps.entries()) {
      if (drift === undefined) continue
      if (failed.has(index)) this.#filter.repairFailed(drift)
      this.#listener.drift(drift, !failed.has(index), cause)
    }
  }

  /** Reads that are under way may still show what has gone, so that it is not forgotten meanwhile. */
  #forgetGone(): void {
    if (this.#reader.isReading) return
    for (const server of this.#leaving) if (isGone(server)) this.#leaving.delete(server)
    for (const front of this.#fronts) front.forgetGone()
  }

  /** Everything is as it should be, or under way to it. */
  get #isAsWanted(): boolean {
    return (
      this.#fronts.every(
        (front) => isFrontInSync(front) && (front.withdrawn || this.#isSwept(front)),
      ) && [...this.servers.values()].every(isInSync)
    )
  }

  /** Nothing is there that is not declared, or it is left alone. */
  #isSwept({ destinations }: Front): boolean {
    for (const entry of destinations.values()) {
      if (entry.owner !== undefined || entry.known === 'absent') continue
      if (entry.isAbandoned || !(this.#keepUndeclared || entry.isIgnored('absent'))) return false
    }
    return true
  }

  #errorOf(servers: readonly Server[]): unknown {
    if (this.#closed) return closed()
    const error = this.#failures.errorOf(servers) ?? this.#reader.failure
    if (error !== undefined) return error
    const text = 'another writer of this client keeps changing what the pool owns'
    return new IpvsError('ERR_IPVS_SUPERSEDED', text)
  }
}

/** Something of it has failed, and a later change of it has not been answered: that may fail as well. */
function hasFailedAndWaits(server: Server): boolean {
  for (const { entry } of server.places) {
    if (entry.pending && entry.failure !== undefined && isIts(server, entry)) return true
  }
  return false
}

function isPending(server: Server): boolean {
  return server.places.some(({ entry }) => entry.pending && isIts(server, entry))
}

/** A step is still to be done. */
function isOpen({ entry }: Step): boolean {
  return entry !== undefined && !entry.pending && entry.known !== 'absent'
}

function heldBack({ change }: Step, first: string, cause: Error | undefined): IpvsError {
  const text = `${change.op} was held back: ${first}, which replaces it, could not be made. The pool tries again`
  return new IpvsError('ERR_IPVS_NOT_SENT', text, { change, cause })
}

function closed(): IpvsError {
  return new IpvsError('ERR_IPVS_CLOSED', 'this pool has been closed; open another one')
}

function ignore(): void {}
