// What the importer has to tell: a word that could not be carried over, or that keepalived itself does not take.
import { didYouMean } from '../validate/spelling.js'

/** Something that a person has to look at. */
export interface ImportNote {
  readonly file: string
  /** From 1 on. */
  readonly line: number
  /** The word of the file that it is about. */
  readonly word: string
  /** What is the matter, with what keepalived makes of it. */
  readonly message: string
  /** What to do. */
  readonly advice: string
}

/** Where something stands. */
export interface Place {
  readonly file: string
  readonly line: number
}

export interface Word extends Place {
  readonly text: string
}

/** Looking for what was meant takes its time; nobody reads more of it. */
const MOST_GUESSES = 1000

export class Notes {
  readonly all: ImportNote[] = []
  /** What is repeated is read several times, and told once. */
  readonly #told = new Set<string>()
  readonly #topics = new Set<string>()
  readonly #guesses = new Map<string, string>()

  add({ file, line, text }: Word, message: string, advice: string): void {
    const key = `${file}\0${line}\0${text}\0${message}`
    if (this.#told.has(key)) return
    this.#told.add(key)
    this.all.push({ file, line, word: text, message, advice })
  }

  /** Of what is the same in many places, the first one. */
  addOnce(topic: string, word: Word, message: string, advice: string): void {
    if (this.#topics.has(topic)) return
    this.#topics.add(topic)
    this.add(word, message, advice)
  }

  /** ` (did you mean "weight"?)`, or nothing. */
  guess(word: string, names: readonly string[]): string {
    const key = `${word}\0${names[0]}`
    const known = this.#guesses.get(key)
    if (known !== undefined) return known
    if (this.#guesses.size >= MOST_GUESSES) return ''
    const guess = didYouMean(word, names)
    this.#guesses.set(key, guess)
    return guess
  }

  /** In the order of the file, those of the main file first. */
  sorted(files: readonly string[]): ImportNote[] {
    const rank = new Map(files.map((file, index) => [file, index]))
    const of = ({ file }: ImportNote) => rank.get(file) ?? files.length
    return this.all.toSorted((a, b) => of(a) - of(b) || a.line - b.line)
  }
}
