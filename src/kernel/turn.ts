// Short calls of one turn of the event loop share one request: each one's own would cost a wake-up of the addon's
// thread, and a batch. The first goes out at once, so that a single flip waits for nothing.
import type { CheckedChange } from '../validate.js'
import type { Failure, WriteResult } from './kernel.js'
import type { ChangeWriter } from './records.js'

/** A longer call has a request of its own. This many fit into a batch many times over. */
export const SHORT = 16

/** Hands a request of so many changes to the addon. */
type Post = (
  records: Uint8Array,
  count: number,
  deadlineMs: number,
  done: (result: WriteResult) => void,
) => void

interface Caller {
  /** Of its changes in the request. */
  readonly count: number
  readonly resolve: (result: WriteResult) => void
}

export class Turn {
  readonly #writer: ChangeWriter
  readonly #post: Post
  readonly #end = (): void => {
    this.#isOpen = false
    this.flush()
  }
  #isOpen = false
  #callers: Caller[] = []
  #count = 0
  /** Calls of one request have one deadline: they were made in one turn, which is what a timer counts from. */
  #deadlineMs = 0

  constructor(writer: ChangeWriter, post: Post) {
    this.#writer = writer
    this.#post = post
  }

  /** Accepts a call of 1 to {@link SHORT} changes. */
  write(changes: readonly CheckedChange[], deadlineMs: number): Promise<WriteResult> {
    return new Promise((resolve) => {
      if (deadlineMs !== this.#deadlineMs || this.#writer.room < changes.length) this.flush()
      this.#deadlineMs = deadlineMs
      // All of a call are joined: a batch ends between two calls, and so never inside a flip.
      for (let i = 0; i < changes.length; i++) this.#writer.add(changes[i]!, i > 0)
      this.#count += changes.length
      this.#callers.push({ count: changes.length, resolve })
      if (this.#isOpen) return
      this.#isOpen = true
      queueMicrotask(this.#end)
      this.flush()
    })
  }

  /** Hands over what was accepted: before anything else is, so that calls keep their order. */
  flush(): void {
    if (this.#count === 0) return
    const count = this.#count
    const callers = this.#callers
    this.#count = 0
    this.#callers = []
    this.#post(this.#writer.take(), count, this.#deadlineMs, (result) => deliver(callers, result))
    this.#writer.reset()
  }
}

/** Gives each caller its own part of the failures, which are in the order of their index. */
function deliver(callers: readonly Caller[], result: WriteResult): void {
  const { failures, cut, until } = result
  let from = 0
  let at = 0
  for (const { count, resolve } of callers) {
    const own: Failure[] = []
    for (; at < failures.length && failures[at]!.index < from + count; at++) {
      const { index, code, command } = failures[at]!
      own.push({ index: index - from, code, command })
    }
    resolve(failures.length === 0 ? result : { failures: own, cut, until })
    from += count
  }
}
