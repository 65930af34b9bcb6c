// Short calls of one turn of the event loop share one request to the kernel, and its promise: each one's own would cost a
// wake-up of the addon's thread, a batch, and a handful of promises. The first goes out at once, so that a single flip
// waits for nothing.
import type { IpvsError } from '../errors.js'
import type { Kernel, WriteOptions } from '../kernel/kernel.js'
import type { Change } from '../types.js'
import type { CheckedChange } from '../validate.js'
import { checkAll, type MadeChanges } from './checked.js'
import { NO_ERRORS, settleErrors } from './errors.js'
import { ownChange } from './sent.js'
import { traceChanges } from './trace.js'

/** A longer call has a request of its own. */
const SHORT = 16
/** With so many changes a request is handed over: the kernel begins while others are still being asked for. */
const FULL = 1024

export type Errors = ReadonlyMap<number, IpvsError>

/** Changes that go to the kernel together. */
export class Request {
  readonly changes: CheckedChange[] = []
  readonly deadlineMs: number
  /**
   * Resolves once for all callers, when the kernel has answered. It rejects if nothing is known of any change; nobody has
   * to listen, then.
   */
  readonly answer: Promise<void>
  /** Once there is an answer: by index, only of changes that were not applied. Of lost answers it takes a read. */
  errors: Errors | Promise<Errors> = NO_ERRORS
  resolve: () => void = () => {}
  reject: (error: unknown) => void = () => {}

  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.answer.catch(() => {})
  }
}

/** Where the changes of one call are. */
export interface Slice {
  readonly request: Request
  /** Index of the first. */
  readonly from: number
}

export class RequestBatcher {
  readonly #kernel: Kernel
  /** A call has been made in this turn: others wait for its end. */
  #isOpen = false
  #waiting: Request | undefined

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Sends one change. Rejects with its error. */
  async send(change: CheckedChange, deadlineMs: number): Promise<void> {
    const { request, from } = this.add([change], deadlineMs)
    await request.answer
    if (request.errors === NO_ERRORS) return
    const error = (await request.errors).get(from)
    if (error !== undefined) throw error
  }

  /**
   * Sends a list.
   *
   * @param finish what the call resolves with, from its errors by index
   * @throws TypeError, RangeError a bad change, or rejects with it; nothing is sent then
   */
  apply<T>(list: MadeChanges, options: WriteOptions, finish: (errors: Errors) => T): Promise<T> {
    const { bulk, signal, deadlineMs } = options
    if (list.length > SHORT || list.length === 0 || bulk || signal !== undefined) {
      this.flush()
      return sendAlone(this.#kernel, list, options, finish)
    }
    return finishSlice(this.add([...checkAll(list).changes], deadlineMs), list, finish)
  }

  /** Takes the changes of a call. No boundary between two requests splits them. */
  add(changes: readonly CheckedChange[], deadlineMs: number): Slice {
    let request = this.#waiting
    // Calls of one request have one deadline: they were made in one turn, which is what a timer counts from.
    if (
      request !== undefined &&
      (request.deadlineMs !== deadlineMs || request.changes.length + changes.length > FULL)
    ) {
      this.flush()
      request = undefined
    }
    if (request === undefined) {
      request = new Request(deadlineMs)
      this.#waiting = request
    }
    const from = request.changes.length
    for (let i = 0; i < changes.length; i++) request.changes.push(changes[i]!)
    if (!this.#isOpen) {
      this.#isOpen = true
      queueMicrotask(this.#end)
      this.flush()
    }
    return { request, from }
  }

  /** Hands over what waits: before anything else is, so that calls keep their order. */
  flush(): void {
    const request = this.#waiting
    if (request === undefined) return
    this.#waiting = undefined
    void this.#send(request)
  }

  readonly #end = (): void => {
    this.#isOpen = false
    this.flush()
  }

  async #send(request: Request): Promise<void> {
    const { changes, deadlineMs } = request
    // What was lost is settled by a read: a client that is being closed waits for that too.
    const release = this.#kernel.hold()
    try {
      const options = { bulk: false, deadlineMs, signal: undefined }
      const written = await this.#kernel.write(changes, changes.length, options)
      if (written.failures.length > 0) {
        request.errors = settleErrors(this.#kernel, changes, written)
      }
      request.resolve()
      traceChanges(changes, await request.errors)
    } catch (error) {
      request.reject(error)
    } finally {
      release()
    }
  }
}

/** A call that has a request of its own, because it is long or has something of its own to say. */
export async function sendAlone<T>(
  kernel: Kernel,
  list: MadeChanges,
  options: WriteOptions,
  finish: (errors: Errors) => T,
): Promise<T> {
  const { changes, sent } = checkAll(list)
  const release = kernel.hold()
  try {
    const written = await kernel.write(changes, list.length, options)
    const errors =
      written.failures.length === 0 ? NO_ERRORS : await settleErrors(kernel, sent, written, list)
    traceChanges(sent, errors)
    return finish(errors)
  } finally {
    release()
  }
}

async function finishSlice<T>(
  slice: Slice,
  list: MadeChanges,
  finish: (errors: Errors) => T,
): Promise<T> {
  const { request } = slice
  await request.answer
  if (request.errors === NO_ERRORS) return finish(NO_ERRORS)
  return finish(sliceErrors(await request.errors, slice, list))
}

/** The errors of one call, by its own indices; about its own changes, as long as they say what was sent. */
function sliceErrors(errors: Errors, { request, from }: Slice, given: readonly Change[]): Errors {
  if (errors.size === 0) return NO_ERRORS
  const own = new Map<number, IpvsError>()
  for (const [index, change] of given.entries()) {
    const error = errors.get(from + index)
    if (error === undefined) continue
    const sent = request.changes[from + index]!
    own.set(index, Object.assign(error, { change: ownChange(change, sent, error.change!) }))
  }
  return own
}
