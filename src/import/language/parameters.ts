// $NAME=value, and what takes the place of $NAME and ${NAME} in a line.
import type { Notes } from '../note.js'

/** A line of the file, where it was written. */
export interface RawLine {
  readonly file: string
  readonly line: number
  readonly text: string
}

interface Parameter {
  readonly value: string
  /** Of a value of several lines, those after the first. */
  readonly more?: readonly RawLine[]
}

export interface Environment {
  /** Of the file that is being read: `$_PWD`. */
  readonly folder: string
  readonly instance?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** keepalived's line has no room for more. */
export const LONGEST_LINE = 1023
/** Enough for any file that somebody wrote; a value that names itself ends here. */
const MOST_REPLACEMENTS = 200

const DEFINITION = /^\$([A-Za-z_][A-Za-z0-9_]*)=[ \t]*(.*)$/s

export class Parameters {
  readonly #known = new Map<string, Parameter>()
  readonly #notes: Notes

  constructor(notes: Notes) {
    this.#notes = notes
  }

  /** Name and value of a definition, or `undefined`. */
  definition(text: string): { readonly name: string; readonly value: string } | undefined {
    const match = DEFINITION.exec(text)
    return match === null ? undefined : { name: match[1]!, value: match[2]! }
  }

  set(name: string, value: string, more?: readonly RawLine[]): void {
    this.#known.set(name, more === undefined ? { value } : { value, more })
  }

  /** The line with values in place of names, and the lines that follow it where a value has several. */
  replace(
    line: RawLine,
    environment: Environment,
  ): { text: string; changed: boolean; more: readonly RawLine[] } {
    let { text } = line
    let more: readonly RawLine[] = []
    let replacements = 0
    const told = new Set<string>()
    for (let at = text.indexOf('$'); at >= 0 && at < text.length - 1; at = text.indexOf('$', at)) {
      const found = this.#find(text, at, line, environment)
      if (found === undefined) {
        const name = /^\$\{?[A-Za-z_]\w*/.exec(text.slice(at))?.[0]
        if (name !== undefined && !told.has(name) && !insideQuotes(text, at)) {
          told.add(name)
          this.#notes.add(
            { ...line, text: name },
            'there is no such parameter here, so that keepalived takes it as it stands',
            'Define it before this line, or put it in quotes if it belongs to a script.',
          )
        }
        at++
        continue
      }
      const next = text.slice(0, at) + found.value + text.slice(at + found.length)
      if (++replacements > MOST_REPLACEMENTS || next.length > LONGEST_LINE) {
        this.#notes.add(
          { ...line, text: text.slice(at, at + found.length) },
          `with its value the line would have more than the ${LONGEST_LINE} characters that keepalived has room for, so that it stays as it stands`,
          'Make the value shorter, or see whether it names itself.',
        )
        return { text, changed: replacements > 1, more }
      }
      text = next
      if (found.more !== undefined) more = [...found.more, ...more]
      if (/^[ \t]*~/.test(found.value)) break
    }
    return { text, changed: replacements > 0, more }
  }

  #find(
    text: string,
    at: number,
    line: RawLine,
    environment: Environment,
  ): (Parameter & { readonly length: number }) | undefined {
    // Without braces a name ends at white space, a comma, a parenthesis or the line's end, and nowhere else.
    const braces = /^\$\{([A-Za-z_]\w*)((?:[ \t]+\w+)*)\}/.exec(text.slice(at, at + 256))
    const plain = braces ?? /^\$([A-Za-z_]\w*)(?=[ \t,)]|$)/.exec(text.slice(at, at + 256))
    if (plain === null) return undefined
    const [whole, name, parameters] = plain
    const known =
      this.#known.get(name!) ?? this.#predefined(name!, parameters ?? '', line, environment)
    if (known === undefined) return undefined
    if (known.more !== undefined && at + whole!.length < text.length) return undefined
    return { ...known, length: whole!.length }
  }

  #predefined(
    name: string,
    parameters: string,
    line: RawLine,
    environment: Environment,
  ): Parameter | undefined {
    const words = parameters.trim().split(/\s+/)
    switch (name) {
      case '_HASH':
        return { value: '#' }
      case '_BANG':
        return { value: '!' }
      case '_PWD':
        return { value: environment.folder }
      case '_INSTANCE':
        return { value: environment.instance ?? '' }
      case '_ENV':
        return { value: environment.env?.[words[0]!] ?? '' }
      case '_RANDOM': {
        const low = words.length > 1 || words[0] === '' ? Number(words[0]) : 0
        this.#notes.add(
          { file: line.file, line: line.line, text: `$${name}` },
          `keepalived draws a number for it each time it reads the file; here it is ${low}, the least`,
          'Write the number that is wanted.',
        )
        return { value: String(low) }
      }
    }
    return undefined
  }
}

function insideQuotes(text: string, at: number): boolean {
  let quotes = 0
  for (
    let index = text.indexOf('"');
    index >= 0 && index < at;
    index = text.indexOf('"', index + 1)
  )
    quotes++
  return quotes % 2 === 1
}
