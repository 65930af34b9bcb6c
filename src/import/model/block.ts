// A block of statements to a value: each keyword of its table has a reader, and the compiler sees that none is forgotten.
import type { Statement } from '../language/blocks.js'
import type { Notes } from '../note.js'
import { textOf, Words } from './words.js'

export type Reader<Target> = (words: Words, target: Target, statement: Statement) => void
export type Readers<Table, Target> = { readonly [keyword in keyof Table]: Reader<Target> }

export function readBlock<Target>(
  statements: readonly Statement[],
  readers: Readonly<Record<string, Reader<Target>>>,
  target: Target,
  notes: Notes,
): Target {
  for (const statement of statements) {
    const words = new Words(statement, notes)
    readers[statement.keyword.text]!(words, target, statement)
    words.done()
  }
  return target
}

/** A word that has no counterpart here. */
export function noted<Target>(message: string, advice: string): Reader<Target> {
  return (words) => {
    const { keyword, notes } = words
    notes.add({ ...keyword, text: textOf([keyword, ...words.rest()]) }, message, advice)
  }
}
