// Checked changes to what the addon takes: a short list in one go, a long one a chunk at a time.
import { rangeError } from '../errors.js'
import type { CheckedChange } from '../validate.js'
import type { Layout } from './addon.js'
import { ChangeWriter } from './records.js'

/** Changes that are encoded between two calls of the addon. */
export const CHUNK = 1024
/** Changes of a long list between two pauses (slices.ts). */
const PAUSE_EVERY = 32

export class Encoder {
  readonly #layout: Layout
  readonly #writer: ChangeWriter
  /** Of a long list that has been encoded, for the next one: its memory is not for nothing. */
  #spare: ChangeWriter | undefined

  constructor(layout: Layout) {
    this.#layout = layout
    this.#writer = new ChangeWriter(layout, CHUNK)
  }

  /** At most {@link CHUNK} changes; what it returns is good until the next call. */
  atOnce(changes: Iterable<CheckedChange>): Uint8Array {
    this.#writer.reset()
    for (const change of changes) this.#writer.add(change)
    return this.#writer.take()
  }

  /**
   * Pauses every now and then, and hands over each chunk when it is sure that another change, or the end, is right.
   *
   * @throws RangeError there are not `count` changes: the list has been changed meanwhile
   */
  *inChunks(
    changes: Iterable<CheckedChange>,
    count: number,
    take: (records: Uint8Array) => void,
  ): Generator<void, void, void> {
    const writer = this.#spare ?? new ChangeWriter(this.#layout, CHUNK)
    this.#spare = undefined
    let done = 0
    for (const change of changes) {
      if (done === count) throw changedError(count, 'more')
      if (writer.room === 0) {
        take(writer.take())
        writer.reuse()
      }
      writer.add(change)
      if (++done % PAUSE_EVERY === 0) yield
    }
    if (done < count) throw changedError(count, done)
    take(writer.take())
    writer.reset()
    this.#spare = writer
  }
}

function changedError(count: number, found: number | 'more'): RangeError {
  const rule = `left alone until the call settles: it had ${count} changes when the call was made`
  return rangeError('changes', rule, `a list of ${found}`)
}
