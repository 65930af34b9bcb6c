// Lines as keepalived's parser sees them: files included, parameters in place, conditions decided, a line for each brace.
import type { Notes, Word } from '../note.js'
import { type FileReader, folderOf, isPattern, matching } from './files.js'
import { type Environment, LONGEST_LINE, Parameters, type RawLine } from './parameters.js'
import { readSequence, type Sequence } from './sequences.js'
import { splitQuoted, splitWords, withoutComment } from './words.js'

/** A line with its words; `{` and `}` have lines of their own. */
export interface Line {
  readonly words: readonly [Word, ...Word[]]
  /** All of it, without comment. */
  readonly text: string
}

export interface LineOptions extends FileReader {
  /** Of the main file, as it was named. */
  readonly file: string
  /**
   * What `@id` is compared with, as of keepalived's `--config-id`. Default: unknown; lines of any id are left out, and noted.
   */
  readonly id?: string | undefined
  /** What `$_INSTANCE` stands for. Default: the id. */
  readonly instance?: string | undefined
  /** Where `${_ENV NAME}` is looked up. Default: nothing is there. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

export interface Text {
  readonly lines: readonly Line[]
  /** Every file that was read, with its lines as they stand. */
  readonly sources: ReadonlyMap<string, readonly string[]>
}

/** Far more than any file has: what goes beyond is a file that unfolds without end. */
const MOST_LINES = 300_000
const DEEPEST = 64

/** Something that lines come from: a file, a value of several lines, a sequence, the rest of a line behind a brace. */
interface Feed {
  /** The next line; `undefined` at the end. */
  next(): RawLine | undefined
  /** Of a file. */
  readonly path?: string
}

export function readLines(text: string, options: LineOptions, notes: Notes): Text {
  const reader = new LineReader(options, notes)
  reader.openText(options.file, text)
  return { lines: reader.run(), sources: reader.sources }
}

class LineReader {
  readonly sources = new Map<string, readonly string[]>()
  readonly #options: LineOptions
  readonly #notes: Notes
  readonly #parameters: Parameters
  readonly #feeds: Feed[] = []
  readonly #lines: Line[] = []
  /** The definition of several lines that is being read. */
  #definition: { readonly name: string; readonly lines: RawLine[] } | undefined
  #depth = 0

  constructor(options: LineOptions, notes: Notes) {
    this.#options = options
    this.#notes = notes
    this.#parameters = new Parameters(notes)
  }

  openText(path: string, text: string): void {
    const lines = text.split(/\r\n|\n|\r(?=\n)/)
    this.sources.set(path, lines)
    let at = 0
    this.#feeds.push({
      path,
      next: () => {
        if (at >= lines.length) return undefined
        const line = lines[at++]!
        // An empty line ends a definition of several lines.
        return this.#uncommented({ file: path, line: at, text: line.replace(/\r+$/, '') })
      },
    })
  }

  run(): Line[] {
    for (let steps = 0; this.#feeds.length > 0; steps++) {
      const feed = this.#feeds.at(-1)!
      const line = feed.next()
      if (line === undefined) {
        this.#feeds.pop()
        continue
      }
      if (steps >= MOST_LINES) {
        this.#notes.add(
          { ...line, text: line.text.slice(0, 80) },
          `with all that is included and repeated there are more than ${MOST_LINES} lines; nothing from here on was read`,
          'Look for a file that includes itself, or a ~SEQ of many values; import the parts one by one.',
        )
        break
      }
      this.#take(line)
    }
    this.#endDefinition()
    return this.#lines
  }

  #uncommented(raw: RawLine): RawLine {
    if (raw.text.length > LONGEST_LINE) {
      this.#notes.add(
        { ...raw, text: `${raw.text.slice(0, 40)}…` },
        `the line has more than the ${LONGEST_LINE} characters that keepalived has room for, so that it ignores all of it`,
        'Make it shorter, by parameters for instance.',
      )
      return { ...raw, text: '' }
    }
    if (/^\s*@!/.test(raw.text)) {
      this.#notes.add(
        { ...raw, text: raw.text.trim().split(/\s/)[0]! },
        'an exclamation mark begins a comment, so that keepalived ignores the whole line',
        'Write @^ for "any other id", if that was meant.',
      )
      return { ...raw, text: '' }
    }
    const text = withoutComment(raw.text)
    return { ...raw, text }
  }

  #take(raw: RawLine): void {
    if (this.#definition !== undefined) {
      this.#continueDefinition(raw)
      return
    }
    const line = this.#prepared(raw)
    if (line !== undefined && line.text !== '' && !this.#include(line)) this.#split(line)
  }

  /** The line with its condition decided and values in place; `undefined` if it was no more than that. */
  #prepared(raw: RawLine): RawLine | undefined {
    let line = raw
    // A value may make a line what it was not before: conditional, or a repetition.
    for (let round = 0; round < 8 && line.text !== ''; round++) {
      if (line.text.startsWith('@')) {
        const rest = this.#condition(line)
        if (rest === undefined) return undefined
        line = { ...line, text: rest }
      }
      const definition = this.#parameters.definition(line.text)
      if (definition !== undefined) {
        this.#define(definition.name, definition.value, line)
        return undefined
      }
      if (line.text.startsWith('~SEQ') || line.text.startsWith('~LST')) {
        this.#repeat(line)
        return undefined
      }
      if (line.text.startsWith('~') || !line.text.includes('$')) return line
      const { text, changed, more } = this.#parameters.replace(line, this.#environment())
      if (more.length > 0) this.#pushLines(more, line)
      line = { ...line, text: changed ? withoutComment(text) : text }
      if (!changed || !/^[@~]/.test(line.text)) return line
    }
    return line
  }

  #environment(): Environment {
    const { id, instance = id, env } = this.#options
    return { folder: folderOf(this.#file()) || '.', instance, env }
  }

  #file(): string {
    return this.#feeds.findLast(({ path }) => path !== undefined)?.path ?? this.#options.file
  }

  /** What is behind `@id`; `undefined` if the line is for others. */
  #condition(line: RawLine): string | undefined {
    const match = /^@(\^?)([^ \t]*)[ \t]+(.*)$/s.exec(line.text)
    if (match === null) {
      this.#notes.add(
        { ...line, text: line.text },
        'behind the condition there is nothing',
        'Remove the line.',
      )
      return undefined
    }
    const [, not, id, rest] = match
    const { id: own } = this.#options
    if (own === undefined) {
      this.#notes.add(
        { ...line, text: `@${not}${id}` },
        not === ''
          ? 'the line is for one machine only, and was left out'
          : 'the line is for all machines but one, and was taken',
        'Say whose configuration it is to be: the option id, or "ipvs import --id NAME", as of keepalived --config-id.',
      )
    }
    return (own === id) !== (not === '^') ? rest : undefined
  }

  #define(name: string, value: string, line: RawLine): void {
    if (!value.endsWith('\\')) {
      this.#parameters.set(name, value)
      return
    }
    this.#definition = { name, lines: [] }
    this.#continueDefinition({ ...line, text: value })
  }

  #continueDefinition(line: RawLine): void {
    const goesOn = line.text.endsWith('\\')
    const text = goesOn ? line.text.slice(0, -1).trimEnd() : line.text
    if (text !== '') this.#definition!.lines.push({ ...line, text })
    if (!goesOn) this.#endDefinition()
  }

  #endDefinition(): void {
    if (this.#definition === undefined) return
    const { name, lines } = this.#definition
    this.#definition = undefined
    const [first, ...more] = lines
    // The first line takes the name's place; it and the others keep the place where they were written.
    if (first === undefined) this.#parameters.set(name, '')
    else this.#parameters.set(name, first.text, more)
  }

  #repeat(line: RawLine): void {
    const replace = (text: string) =>
      this.#parameters.replace({ ...line, text }, this.#environment()).text
    const sequence: Sequence | undefined = readSequence(line.text, replace)
    if (sequence === undefined) {
      this.#notes.add(
        { ...line, text: line.text },
        'this repetition cannot be understood, and keepalived ignores the line',
        'Write ~SEQ(NAME,start,step,end) or ~LST(NAME,value,value), with the rest of the line behind it.',
      )
      return
    }
    if (!this.#deeper(line)) return
    const settings = sequence.settings[Symbol.iterator]()
    this.#feeds.push({
      next: () => {
        const { value, done } = settings.next()
        if (done) return undefined
        for (const [name, text] of value) this.#parameters.set(name, text)
        return { ...line, text: sequence.rest }
      },
    })
  }

  #pushLines(lines: readonly RawLine[], from: RawLine): void {
    if (!this.#deeper(from)) return
    let at = 0
    this.#feeds.push({ next: () => lines[at++] })
  }

  #deeper(line: RawLine): boolean {
    if (this.#feeds.length < DEEPEST) return true
    if (this.#depth++ === 0) {
      this.#notes.add(
        { ...line, text: line.text.slice(0, 80) },
        `it unfolds into itself, or more than ${DEEPEST} deep; nothing more of it was read`,
        'Look for a parameter or a file that contains itself.',
      )
    }
    return false
  }

  /** Whether the line was an include. */
  #include(line: RawLine): boolean {
    const match = /^include([rmwba]?)[ \t]+(.*)$/s.exec(line.text)
    if (match === null) return false
    const [, kind, rest] = match
    const name = rest!.trim().replace(/^"(.*)"$/, '$1')
    const word = { ...line, text: `include${kind} ${name}` }
    const from = { file: this.#file(), line: line.line }
    const paths = matching(name, from, this.#options)
    let opened = 0
    if (!this.#deeper(word)) return true
    this.#feeds.push({
      next: () => {
        for (let path = paths.shift(); path !== undefined; path = paths.shift()) {
          if (!this.#mayOpen(path, word) || !this.#open(path, isPattern(name), word)) continue
          opened++
          return { ...line, text: '' }
        }
        if (opened === 0 && isPattern(name)) {
          this.#notes.add(
            word,
            'no file matches, and keepalived goes on without',
            'If there should be some, import where they can be read.',
          )
        }
        return undefined
      },
    })
    return true
  }

  #mayOpen(path: string, word: Word): boolean {
    if (!this.#feeds.some((feed) => feed.path === path)) return this.#deeper(word)
    this.#notes.add(
      word,
      `${path} includes itself, and was not read again`,
      'Take the include out.',
    )
    return false
  }

  #open(path: string, quietly: boolean, word: Word): boolean {
    try {
      const { readFile } = this.#options
      if (readFile === undefined) throw new Error('nobody has said how files are read')
      this.openText(path, readFile(path))
      return true
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (!quietly) {
        this.#notes.add(
          word,
          `${path} could not be read: ${why}. keepalived goes on without it`,
          'Import where the file can be read; what stands in it is missing here.',
        )
      }
      return false
    }
  }

  /** Up to the first brace outside of "…", the brace, and what is behind it as a line that is still to be read. */
  #split(line: RawLine): void {
    let rest = line.text
    for (;;) {
      const at = braceIn(rest)
      const before = at < 0 ? rest : rest.slice(0, at)
      if (before.trim() !== '') this.#emit({ ...line, text: before.trim() })
      if (at < 0) return
      this.#emit({ ...line, text: rest[at]! })
      rest = rest.slice(at + 1).trim()
      // What is behind a brace is a line of its own, with all that a line can be.
      if (rest !== '' && /^[@$~]|^include/.test(rest) && this.#deeper(line)) {
        const text = rest
        let given = false
        this.#feeds.push({
          next: () => {
            if (given) return undefined
            given = true
            return { ...line, text }
          },
        })
        return
      }
      if (rest === '') return
    }
  }

  #emit({ file, line, text }: RawLine): void {
    const { words, lost } = splitWords(text)
    // Where scripts stand, \" is no quote.
    if (lost !== undefined && splitQuoted(text, 'keep') === undefined) {
      this.#notes.add(
        { file, line, text: lost },
        'a quote is not closed: keepalived ignores what is behind it',
        'Close it.',
      )
    }
    const [first, ...others] = words.map((word) => ({ file, line, text: word }))
    if (first !== undefined) this.#lines.push({ words: [first, ...others], text })
  }
}

/** A line that begins with a brace has it there; elsewhere those in "…" do not count. */
function braceIn(text: string): number {
  if (text[0] === '{' || text[0] === '}') return 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '{' || text[at] === '}') return at
    if (text[at] !== '"') continue
    at = text.indexOf('"', at + 1)
    if (at < 0) return -1
  }
  return -1
}
