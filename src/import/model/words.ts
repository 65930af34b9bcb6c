// The words behind a keyword, read one by one: what nobody has taken in the end is noted.
import { AF_INET, parseAddress } from '../../address.js'
import type { Statement } from '../language/blocks.js'
import { splitCommand } from '../language/words.js'
import type { Notes, Word } from '../note.js'
import type { Endpoint, Script } from './model.js'

export const HIGHEST = 4294967295

export class Words {
  readonly keyword: Word
  readonly notes: Notes
  readonly #words: readonly Word[]
  #taken = 0

  constructor({ keyword, words }: Statement, notes: Notes) {
    this.keyword = keyword
    this.notes = notes
    this.#words = words
  }

  next(): Word | undefined {
    return this.#words[this.#taken++]
  }

  peek(): Word | undefined {
    return this.#words[this.#taken]
  }

  rest(): readonly Word[] {
    const rest = this.#words.slice(this.#taken)
    this.#taken = this.#words.length
    return rest
  }

  /** What is left over. */
  done(): void {
    for (const word of this.rest()) {
      this.notes.add(
        word,
        `keepalived does not look at what stands behind ${this.keyword.text} here`,
        'Remove it; if it is a setting, it belongs on a line of its own.',
      )
    }
  }

  /** keepalived does not take it, and goes on without the line. */
  refuse(word: Word | undefined, rule: string): undefined {
    const { text } = this.keyword
    if (word === undefined)
      this.notes.add(
        this.keyword,
        `behind ${text} ${rule} is missing; keepalived does not start with such a file`,
        'Write it, or remove the line.',
      )
    else
      this.notes.add(
        word,
        `${text} takes ${rule}; keepalived ignores the line`,
        'Mend it, or remove the line.',
      )
    return undefined
  }

  text(what: string): Word | undefined {
    return this.next() ?? this.refuse(undefined, what)
  }

  number(least: number, most = HIGHEST): number | undefined {
    const word = this.next()
    const value =
      word !== undefined && /^\d{1,12}$/.test(word.text) ? Number(word.text) : Number.NaN
    return value >= least && value <= most
      ? value
      : this.refuse(word, `a whole number from ${least} to ${most}`)
  }

  /** Milliseconds, of seconds that may have a fraction. */
  time(least: number): number | undefined {
    const word = this.next()
    const value =
      word !== undefined && /^\d{1,10}(\.\d*)?$|^\.\d+$/.test(word.text)
        ? Number(word.text)
        : Number.NaN
    if (!(value >= 0) || (least > 0 && value <= 0))
      return this.refuse(word, `seconds${least > 0 ? ' above 0' : ''}, such as 5 or 0.5`)
    return Math.floor(value * 1000 + 1e-6)
  }

  /** Alone it means true. */
  flag(): boolean | undefined {
    const word = this.next()
    if (word === undefined || ['true', 'on', 'yes'].includes(word.text)) return true
    if (['false', 'off', 'no'].includes(word.text)) return false
    return this.refuse(word, 'on, off, true, false, yes, no, or nothing')
  }

  address(): string | undefined {
    const word = this.next()
    return readAddress(word?.text)?.address ?? this.refuse(word, 'an address')
  }

  /** `1.2.3.4 80`, `2001:db8::1 80`; a port of zeros is none. What is wrong with it is noted as of what it is for. */
  endpoint(consequence: string): Endpoint | undefined {
    const word = this.next()
    const address = readAddress(word?.text)
    const port = this.next()
    const number = port === undefined || /^0+$/.test(port.text) ? 0 : readPort(port.text)
    if (address !== undefined && number !== undefined) return { ...address, port: number }
    const what =
      word === undefined
        ? 'an address is missing: keepalived does not start with such a file'
        : address === undefined
          ? `"${word.text}" is no address, and ${consequence}`
          : `"${port!.text}" is no port, and ${consequence}`
    this.notes.add(
      (address === undefined ? word : port) ?? this.keyword,
      what,
      'Write an address and a port, separated by a space, and import again.',
    )
    return undefined
  }

  script(): Script | undefined {
    const word = this.next()
    if (word === undefined || word.text.trim() === '') return this.refuse(word, 'a script')
    const users = this.rest()
    const [user] = users
    if (user !== undefined) {
      this.notes.add(
        { ...user, text: textOf(users) },
        `keepalived runs ${this.keyword.text} as user ${user.text}; the director runs it as the user that it runs as itself`,
        `Put "runuser -u ${user.text} --" before the command, if it has to be that user.`,
      )
    }
    return { word, text: word.text, command: splitCommand(word.text) }
  }
}

/** Words as they stand in a line. */
export function textOf(words: readonly Word[]): string {
  return words.map(({ text }) => text).join(' ')
}

/** In its canonical spelling. */
export function readAddress(
  text: string | undefined,
): Pick<Endpoint, 'address' | 'family'> | undefined {
  try {
    const { af, text: address } = parseAddress(text, 'address')
    return { address, family: af === AF_INET ? 'ipv4' : 'ipv6' }
  } catch {
    return undefined
  }
}

export function readPort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  return port >= 1 && port <= 65535 ? port : undefined
}
