// One client's queue: first come, first served; what waits goes out together; bulk calls give one batch at a time and
// only when nothing else waits. The same rules as native/lanes.cc, on the event loop in place of a thread.
import { OUTCOME } from '../kernel/addon.js'
import type { Cut, Failure, Place } from '../kernel/kernel.js'
import { isOneFlip } from '../kernel/records.js'
import type { CheckedChange } from '../validate.js'
import { commandOf, messagesOf, type Outcome } from './memory-commands.js'
import { LaterWrites } from './memory-lanes.js'

// Taken when this file is loaded: a test that fakes the timers has faked setImmediate too, and would wait for ever.
export const afterThisTurn = setImmediate

/** About what one batch of the real client takes where the socket buffers can be raised. */
export const BATCH_MESSAGES = 1000

/** What became of the changes of one batch. */
export interface BatchResult {
  readonly outcomes: readonly Outcome[]
  /** Positions whose answer had not come at the deadline. */
  readonly overdue: ReadonlySet<number>
}

export type RunBatch = (changes: readonly CheckedChange[]) => BatchResult

interface Done {
  readonly failures: readonly Failure[]
  readonly cut: Cut
}

interface Write {
  readonly order: number
  readonly bulk: boolean
  changes: readonly CheckedChange[]
  /** Changes before it are done. */
  next: number
  readonly failures: Failure[]
  cut: Cut
  settle(result: Done): void
  reject(error: unknown): void
}

/** What a read, or a command, is like. */
export interface Kind {
  /** It takes everything away. */
  readonly flushes?: boolean
  /** It gives way to others, and comes after the bulk calls before it. */
  readonly bulk?: boolean
}

interface Read extends Kind {
  readonly order: number
  run(): void
}

interface Slice {
  readonly write: Write
  readonly begin: number
  readonly end: number
}

/** A write that was accepted. */
export interface Ticket {
  readonly result: Promise<Done>
  /** Takes back what is not sent yet. */
  withdraw(why: Cut): void
}

export class MemoryQueue {
  readonly #run: RunBatch
  readonly #normal: (Write | Read)[] = []
  readonly #bulk: (Write | Read)[] = []
  readonly #later = new LaterWrites()
  #orders = 0
  #places = 0
  #running = false
  #scheduled = false

  // The batch that is being put together.
  #batch: CheckedChange[] = []
  #indices: number[] = []
  #slices: Slice[] = []
  #messages = 0

  constructor(run: RunBatch) {
    this.#run = run
  }

  get isBusy(): boolean {
    return this.#running || this.#normal.length > 0 || this.#bulk.length > 0
  }

  takePlace(): Place {
    this.#places++
    const leave = (): void => {
      this.#places--
      this.#forgetWrites()
    }
    return { order: ++this.#orders, leave }
  }

  /** A write at once, of one who has found the queue empty. */
  noteNow(changes: readonly CheckedChange[], outcomes: readonly Outcome[]): void {
    const order = ++this.#orders
    for (const [i, change] of changes.entries()) this.#note(change, outcomes[i]!.code, false, order)
  }

  write(changes: readonly CheckedChange[], bulk: boolean, place?: Place): Ticket {
    let write: Write | undefined
    const result = new Promise<Done>((settle, reject) => {
      const order = place?.order ?? ++this.#orders
      write = { order, bulk, changes, next: 0, failures: [], cut: 'answered', settle, reject }
    })
    const accepted = write!
    ;(bulk ? this.#bulk : this.#normal).push(accepted)
    this.#schedule()
    return { result, withdraw: (why) => this.#withdraw(accepted, why) }
  }

  /** Returns a function that takes the read, or the command, back: false if it has run. */
  read(run: () => void, kind: Kind): () => boolean {
    const read = { ...kind, order: ++this.#orders, run }
    const lane = kind.bulk ? this.#bulk : this.#normal
    lane.push(read)
    this.#schedule()
    return () => take(lane, read)
  }

  #schedule(): void {
    if (this.#scheduled || !this.isBusy) return
    this.#scheduled = true
    afterThisTurn(() => {
      this.#scheduled = false
      const waited = this.#normal.length > 0
      this.#turn()
      // While an answer is on its way to the caller, the thread of the real client goes on with bulk calls: a caller
      // who asks again and again does not keep them waiting for ever.
      if (waited && this.#normal.length === 0 && this.#bulk.length > 0) this.#turn()
      this.#schedule()
    })
  }

  #turn(): void {
    const lane = this.#normal.length > 0 ? this.#normal : this.#bulk
    const first = lane[0]
    if (first !== undefined && 'run' in first) {
      lane.shift()
      first.run()
      if (first.flushes) this.#later.noteFlush(first.order)
      this.#forgetWrites()
      return
    }
    this.#takeBatch()
    this.#running = true
    try {
      this.#finish(this.#batch.length > 0 ? this.#run(this.#batch) : undefined)
    } catch (error) {
      // The interference of a test has thrown: its calls tell.
      for (const { write } of this.#slices) {
        take(this.#normal, write)
        take(this.#bulk, write)
        write.reject(error)
      }
    } finally {
      this.#running = false
    }
  }

  #takeBatch(): void {
    this.#batch = []
    this.#indices = []
    this.#slices = []
    this.#messages = 0
    for (;;) {
      const first = this.#normal[0]
      if (first === undefined || 'run' in first || !this.#takeFrom(first)) break
      this.#normal.shift()
    }
    const bulk = this.#bulk[0]
    const isNext = this.#slices.length === 0 && bulk !== undefined && !('run' in bulk)
    if (isNext && this.#takeFrom(bulk)) this.#bulk.shift()
    this.#forgetWrites()
  }

  #forgetWrites(): void {
    if (this.#bulk.length === 0 && this.#places === 0) this.#later.clear()
  }

  #note(change: CheckedChange, code: number, bulk: boolean, order: number): void {
    if (this.#places > 0 || (!bulk && this.#bulk.length > 0)) this.#later.note(change, code, order)
  }

  /** Adds as much of a write as fits. True if all of it went in, so that the next one may join. */
  #takeFrom(write: Write): boolean {
    const end = this.#fits(write)
    const some = end > write.next
    const whole = some && end === write.changes.length
    // A call that would fit into a batch of its own is not torn apart to fill this one.
    if (!whole && (!some || this.#messages > 0)) return false
    const begin = this.#batch.length
    for (let index = write.next; index < end; index++) {
      const change = write.changes[index]!
      if (write.bulk && this.#later.supersedes(change, write.order)) {
        const command = commandOf(change)
        write.failures.push({ index, code: OUTCOME.superseded, command })
        continue
      }
      this.#batch.push(change)
      this.#indices.push(index)
      this.#messages += messagesOf(change)
    }
    write.next = end
    this.#slices.push({ write, begin, end: this.#batch.length })
    return whole
  }

  /** The end of what fits into the rest of the batch, cut where no flip is split. */
  #fits({ changes, next }: Write): number {
    let room = BATCH_MESSAGES - this.#messages
    let cut = next
    let at = next
    while (at < changes.length) {
      const messages = messagesOf(changes[at]!)
      if (messages > room) break
      room -= messages
      at++
      if (at === changes.length || !isOneFlip(changes[at - 1], changes[at]!)) cut = at
    }
    // A flip larger than a whole batch.
    return cut === next && this.#messages === 0 ? at : cut
  }

  #finish(result: BatchResult | undefined): void {
    for (const { write, begin, end } of this.#slices) {
      for (let i = begin; i < end; i++) {
        const { code, command } = result!.outcomes[i]!
        if (code !== 0) write.failures.push({ index: this.#indices[i]!, code, command })
        if (result!.overdue.has(i)) write.cut = 'deadline'
        this.#note(this.#batch[i]!, code, write.bulk, write.order)
      }
      if (write.next === write.changes.length) settle(write)
    }
  }

  #withdraw(write: Write, why: Cut): void {
    if (!take(this.#normal, write) && !take(this.#bulk, write)) return
    for (let index = write.next; index < write.changes.length; index++) {
      const command = commandOf(write.changes[index]!)
      write.failures.push({ index, code: OUTCOME.notSent, command })
    }
    write.changes = write.changes.slice(0, write.next)
    write.cut = why
    // In the middle of its batch, it settles with it.
    if (!this.#running || !this.#slices.some((slice) => slice.write === write)) settle(write)
  }
}

function settle({ failures, cut, settle }: Write): void {
  settle({ failures: failures.sort((a, b) => a.index - b.index), cut })
}

function take<T>(list: T[], entry: T): boolean {
  const at = list.indexOf(entry)
  if (at < 0) return false
  list.splice(at, 1)
  return true
}
