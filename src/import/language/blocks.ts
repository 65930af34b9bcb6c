// From lines to statements, by the rules of keepalived's parser: also where a file is broken, because that is what runs.
import type { Notes, Word } from '../note.js'
import type { Grammar, Kind } from './grammar.js'
import type { Line } from './lines.js'
import { splitQuoted } from './words.js'

/** A keyword with what stands behind it, and its block. */
export interface Statement {
  readonly keyword: Word
  readonly words: readonly Word[]
  readonly block: readonly Statement[]
  /** Of a block of lines, and of a kept one: its lines, without the outer braces. */
  readonly lines: readonly Line[]
  /** Where its last line stands. */
  readonly end: Word
}

export function readBlocks(lines: readonly Line[], grammar: Grammar, notes: Notes): Statement[] {
  return new BlockReader(lines, notes).block(grammar, undefined)
}

class BlockReader {
  readonly #lines: readonly Line[]
  readonly #notes: Notes
  #at = 0
  /** An unknown word that has a block: what comes later is read in the wrong place because of it. */
  #culprit: Word | undefined

  constructor(lines: readonly Line[], notes: Notes) {
    this.#lines = lines
    this.#notes = notes
  }

  /** The statements up to the brace that ends the block of `owner`; to the end of all for the root. */
  block(grammar: Grammar, owner: Word | undefined): Statement[] {
    const statements: Statement[] = []
    const names = Object.keys(grammar)
    let opened = owner === undefined
    for (let line = this.#lines[this.#at]; line !== undefined; line = this.#lines[this.#at]) {
      const [word] = line.words
      this.#at++
      if (!opened) {
        opened = true
        if (word.text === '{') continue
        this.#notes.add(
          word,
          `the block of ${owner!.text} (line ${owner!.line}) has no {; keepalived takes it to begin here`,
          'Write the brace.',
        )
      } else if (word.text === '{') {
        this.#unexpected(word, owner)
        continue
      }
      if (word.text === '}' && owner !== undefined) return statements
      const kind = Object.hasOwn(grammar, word.text) ? grammar[word.text] : undefined
      if (kind === undefined) {
        this.#unknown(line, owner, names)
        if (this.#lines[this.#at]?.words[0].text === '{') this.#culprit ??= word
        continue
      }
      if (owner === undefined) this.#culprit = undefined
      statements.push(this.#statement(line, kind))
    }
    if (owner !== undefined) {
      this.#notes.add(
        owner,
        'its block is not closed; keepalived takes the end of the file for the end of the block',
        'Write the brace, and see what else belongs outside of it.',
      )
    }
    return statements
  }

  #unexpected(word: Word, owner: Word | undefined): void {
    const culprit = this.#culprit
    if (culprit === undefined) {
      this.#notes.add(
        word,
        'there is nothing here that has a block; keepalived ignores the brace',
        'Remove it, or put it in quotes if it belongs to a text.',
      )
      return
    }
    const inside =
      owner === undefined
        ? 'as if it stood outside of all blocks'
        : `as part of ${owner.text} (line ${owner.line}), which ends at the block's }`
    this.#notes.add(
      word,
      `keepalived ignores this brace, and reads what follows ${inside}, because it does not know ${culprit.text} in line ${culprit.line}`,
      `Mend ${culprit.text}, and import again: what keepalived makes of it was imported.`,
    )
  }

  #unknown(line: Line, owner: Word | undefined, names: readonly string[]): void {
    const [word] = line.words
    const where = owner === undefined ? 'outside of all blocks' : `in ${owner.text}`
    const culprit = this.#culprit
    const behind =
      culprit === undefined ? undefined : `See ${culprit.text} in line ${culprit.line}.`
    if (word.text === '}') {
      this.#notes.add(
        word,
        'there is no block that it could end; keepalived ignores it',
        behind ?? 'See where the block ended before.',
      )
      return
    }
    const guess = this.#notes.guess(word.text, names)
    this.#notes.add(
      word,
      `keepalived knows no such word ${where}${guess}, and ignores the line; so does this`,
      guess === ''
        ? (behind ?? 'Remove it, or see where it belongs.')
        : 'Mend the word, and import again.',
    )
  }

  #statement(line: Line, kind: Kind): Statement {
    const [keyword, ...words] = line.words
    const bare = { keyword, words, block: [], lines: [], end: keyword }
    if (kind === 'words') return bare
    if (kind === 'script') return { ...bare, words: this.#quoted(line) ?? words }
    if (kind === 'lines') return { ...bare, ...this.#valueBlock(keyword) }
    if (kind === 'kept') return { ...bare, ...this.#keptBlock(keyword) }
    const block = this.block(kind, keyword)
    return { ...bare, block, end: this.#lines[this.#at - 1]!.words[0] }
  }

  #quoted(line: Line): readonly Word[] | undefined {
    const [keyword] = line.words
    return splitQuoted(line.text, keyword.text === 'regex' ? 'read' : 'keep')
      ?.slice(1)
      .map((text) => ({ ...keyword, text }))
  }

  /** Lines that are values; braces in them count for nothing but the end. */
  #valueBlock(owner: Word): Pick<Statement, 'lines' | 'end'> {
    const lines: Line[] = []
    const first = this.#lines[this.#at]
    if (first?.words[0].text === '{') this.#at++
    else
      this.#notes.add(
        owner,
        'its block has no {; keepalived takes it to begin in the next line',
        'Write the brace.',
      )
    for (let line = this.#lines[this.#at]; line !== undefined; line = this.#lines[this.#at]) {
      this.#at++
      if (line.words[0].text === '}') return { lines, end: line.words[0] }
      lines.push(line)
    }
    this.#notes.add(
      owner,
      'its block is not closed; keepalived takes the end of the file for the end of the block',
      'Write the brace.',
    )
    return { lines, end: lines.at(-1)?.words[0] ?? owner }
  }

  /** Where a brace follows, up to the one that belongs to it. */
  #keptBlock(owner: Word): Pick<Statement, 'lines' | 'end'> {
    if (this.#lines[this.#at]?.words[0].text !== '{') return { lines: [], end: owner }
    const from = this.#at + 1
    let depth = 0
    for (let line = this.#lines[this.#at]; line !== undefined; line = this.#lines[this.#at]) {
      this.#at++
      const [{ text }] = line.words
      if (text === '{') depth++
      else if (text === '}' && --depth === 0)
        return { lines: this.#lines.slice(from, this.#at - 1), end: line.words[0] }
    }
    this.#notes.add(
      owner,
      'its block is not closed, so that all that follows belongs to it',
      'Write the brace.',
    )
    return { lines: this.#lines.slice(from), end: this.#lines.at(-1)!.words[0] }
  }
}
