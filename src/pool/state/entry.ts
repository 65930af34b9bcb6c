// What is known of one object of the kernel's: a service or a destination, declared or not. All that changes it are the
// moves below, and nobody else writes it.
import { Backoff } from '../../backoff.js'
import { isExists, isNotFound } from '../../errors.js'
import type { Destination, DestinationId } from '../../types.js'

/** What the kernel holds, as far as the pool knows. */
export type Known<Value> = Value | 'absent' | 'unknown'

/**
 * - `unread`: nothing is known.
 * - `confirmed`: what is known comes from a read or an answer.
 * - `sent`: what is known is what was sent last; its answer has not come.
 * - `refused`: what was sent last has failed; a read has to tell what is there, and that is our own doing.
 * - `contradicted`: the same, but the answer shows that the kernel was not what we had left there: others were.
 * - `owed`: a read has told; what has failed still has to be done, whatever is said about others' changes.
 * - `ignored`: others have changed it; that was told, and it is left so.
 */
export type Phase =
  | 'unread'
  | 'confirmed'
  | 'sent'
  | 'refused'
  | 'contradicted'
  | 'owed'
  | 'ignored'

/**
 * - `submit`: a change is on its way. `accept`, `refuse`, `contradict`: the answer to the last one.
 * - `read`: the kernel was read. `agree`: it is as wanted. `ignore`: the difference is left.
 * - `owe`: something else is wanted of it now.
 */
export type Move =
  | 'submit'
  | 'accept'
  | 'refuse'
  | 'contradict'
  | 'read'
  | 'agree'
  | 'ignore'
  | 'owe'

/** What follows from each move. One that is not listed changes nothing. */
export const TRANSITIONS: Readonly<Record<Phase, Readonly<Partial<Record<Move, Phase>>>>> = {
  unread: { submit: 'sent', read: 'confirmed', owe: 'owed', refuse: 'refused' },
  confirmed: { submit: 'sent', ignore: 'ignored', owe: 'owed', refuse: 'refused' },
  sent: { submit: 'sent', accept: 'confirmed', refuse: 'refused', contradict: 'contradicted' },
  refused: { submit: 'sent', read: 'owed' },
  contradicted: { submit: 'sent', read: 'owed' },
  owed: { submit: 'sent', agree: 'confirmed', refuse: 'refused' },
  ignored: {
    submit: 'sent',
    read: 'confirmed',
    agree: 'confirmed',
    owe: 'owed',
    refuse: 'refused',
  },
}

/** Tries that follow a failure without a pause. */
export const PROMPT_TRIES = 3
const PAUSES = { firstMs: 1000, maxMs: 30_000 }

/** Why the last change has failed, until one succeeds or the kernel is seen to be as wanted. */
export interface Failure {
  readonly error: Error
  /** Failures in a row. */
  readonly tries: number
  /** Monotonic time of the next try. */
  readonly retryAt: number
}

export class Entry<Value extends object> {
  #phase: Phase = 'unread'
  #known: Known<Value> = 'unknown'
  /** What the kernel has confirmed last. */
  #sure: Known<Value> = 'unknown'
  /** What was sent last, or what was wanted when the difference was left. */
  #last: Value | 'absent' | undefined
  #pending = 0
  #pendingBulk = 0
  #version = 0
  #ticket = 0
  #failure: Failure | undefined
  #backoff: Backoff | undefined

  get phase(): Phase {
    return this.#phase
  }

  /** What the kernel holds: changes count from their submission on. */
  get known(): Known<Value> {
    return this.#known
  }

  /** What it holds for sure: changes count when they are confirmed. */
  get sure(): Known<Value> {
    return this.#sure
  }

  /** Changes are under way. */
  get pending(): boolean {
    return this.#pending > 0
  }

  /** Some of them may be overtaken, so that what they assume need not be there yet. */
  get pendingBulk(): boolean {
    return this.#pendingBulk > 0
  }

  get failure(): Failure | undefined {
    return this.#failure
  }

  /** Changed or answered after `clock`: a read that was requested then says nothing about it. */
  changedSince(clock: number): boolean {
    return this.#pending > 0 || this.#version > clock
  }

  /** This was tried, and has failed. */
  hasFailedWith(value: Value | 'absent'): boolean {
    return this.#failure !== undefined && this.#last === value
  }

  /** It is left as others have made it, and nothing else has been wanted since. */
  isIgnored(wanted: Value | 'absent'): boolean {
    return this.#phase === 'ignored' && this.#last === wanted
  }

  submit(value: Value | 'absent', ticket: number, version: number, bulk: boolean): void {
    this.#known = value
    this.#last = value
    this.#pending++
    if (bulk) this.#pendingBulk++
    this.#version = version
    this.#ticket = ticket
    this.#move('submit')
  }

  /** @param counts false: that it was not done says nothing against it */
  answer(
    ticket: number,
    version: number,
    bulk: boolean,
    error: Error | undefined,
    counts: boolean,
  ): void {
    this.#pending--
    if (bulk) this.#pendingBulk--
    this.#version = version
    const isLast = this.#ticket === ticket
    if (error !== undefined && counts) this.#fail(error, isLast)
    // Only the answer to the last one tells what is there.
    if (!isLast) return
    if (error === undefined) {
      this.#sure = this.#known
      this.forgive()
      this.#move('accept')
      return
    }
    this.#known = 'unknown'
    if (isNotFound(error)) this.#sure = 'absent'
    this.#move(isNotFound(error) || isExists(error) ? 'contradict' : 'refuse')
  }

  /** @returns whether a difference can be others' doing */
  read(known: Value | 'absent'): boolean {
    const ours = this.#phase === 'refused' || this.#phase === 'owed'
    this.#known = known
    this.#sure = known
    this.#move('read')
    return !ours
  }

  /** It is as wanted. */
  agree(): void {
    this.forgive()
    this.#move('agree')
  }

  ignore(wanted: Value | 'absent'): void {
    this.#last = wanted
    this.#move('ignore')
  }

  /** What is wanted of it has changed, by a call. */
  owe(): void {
    this.#move('owe')
  }

  /** What it is part of has been taken away. */
  vanish(ticket: number, version: number): void {
    this.#known = 'absent'
    this.#sure = 'absent'
    this.#ticket = ticket
    this.#version = version
    this.#move('read')
  }

  /** What it is part of could not be taken away after all. */
  reappear(ticket: number, version: number): void {
    if (this.#ticket !== ticket) return
    this.#known = 'unknown'
    this.#sure = 'unknown'
    this.#version = version
    this.#move('refuse')
  }

  #fail(error: Error, isTry: boolean): void {
    const tries = (this.#failure?.tries ?? 0) + (isTry ? 1 : 0)
    if (!isTry && this.#failure !== undefined) return
    this.#backoff ??= new Backoff(PAUSES)
    const pause = tries <= PROMPT_TRIES ? 0 : this.#backoff.next()
    this.#failure = { error, tries, retryAt: performance.now() + pause }
  }

  /** The next try is made elsewhere: this one counts as made. */
  postpone(): void {
    if (this.#failure === undefined) return
    this.#backoff ??= new Backoff(PAUSES)
    this.#failure = { ...this.#failure, retryAt: performance.now() + this.#backoff.next() }
  }

  /** Failures so far do not count any more. */
  forgive(): void {
    this.#failure = undefined
    this.#backoff = undefined
  }

  #move(move: Move): void {
    this.#phase = TRANSITIONS[this.#phase][move] ?? this.#phase
  }
}

/** Owner of what a server has left behind: it has to go. */
const NOBODY = Symbol('nobody')

/** A destination of one service. */
export class DestinationEntry extends Entry<Destination> {
  readonly key: string
  readonly id: DestinationId
  #owner: symbol | undefined

  constructor(key: string, id: DestinationId) {
    super()
    this.key = key
    this.id = id
  }

  /** The server whose it is; `undefined`: nobody has declared it, or nobody does any more. */
  get owner(): symbol | undefined {
    return this.#owner === NOBODY ? undefined : this.#owner
  }

  /** Its server has left it: it has to go, whatever is done about what others have made. */
  get isAbandoned(): boolean {
    return this.#owner === NOBODY
  }

  /** A server has it from now on, and what failed before is not its fault. */
  claim(owner: symbol): void {
    this.#owner = owner
    this.forgive()
  }

  /** Its server has left. Says nothing if another one has taken it over meanwhile. */
  release(owner: symbol): void {
    if (this.#owner === owner) this.#owner = NOBODY
  }

  /** Connections go there, for sure. */
  get takesConnections(): boolean {
    return typeof this.sure === 'object' && this.sure.weight !== 0
  }
}
