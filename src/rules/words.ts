// The words of one rule: popt's rules for options, as ipvsadm uses it.
import { rangeError } from '../errors.js'
import { didYouMean } from '../validate/spelling.js'
import { BY_SPELLING, type Command, OPTIONS, type Option, type OptionName } from './option-table.js'

/** The options of one rule and their values; `undefined` for an option without one. */
export type RuleOptions = ReadonlyMap<OptionName, string | undefined>

/**
 * The words of a line without its comment; none for a line that says nothing. There are no quotes and no
 * backslashes: ipvsadm has none (config_stream.c).
 */
export function splitWords(line: string): string[] {
  const words = line.split(/[ \t\r]+/).filter((word) => word !== '')
  const comment = words.findIndex((word) => word.startsWith('#'))
  if (comment >= 0) words.length = comment
  // As in the lines of a shell script, with or without its folder.
  if (/^(.*\/)?ipvsadm$/.test(words[0] ?? '')) words.shift()
  return words
}

/**
 * Reads the options of one rule, short ones also joined (`-At 192.0.2.1:80`, `-w5`), long ones also with `=`.
 *
 * @throws RangeError if an option is unknown, given twice, not of this command, or lacks its value
 */
export function readOptions(words: readonly string[]): RuleOptions {
  return new OptionReader(words).read()
}

class OptionReader {
  readonly #words: readonly string[]
  readonly #options = new Map<OptionName, string | undefined>()
  /** Which of the options that exclude each other was given. */
  readonly #choices = new Map<string, OptionName>()
  #command: Command | undefined
  #next = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  read(): RuleOptions {
    while (this.#next < this.#words.length) {
      const word = this.#words[this.#next++]!
      if (word.startsWith('--')) this.#long(word)
      else if (/^-./.test(word)) this.#short(word)
      else {
        const rule = 'an option, or the value of the option before it'
        throw rangeError(`"${word}"`, rule, this.#rule())
      }
    }
    return this.#options
  }

  /** `--weight 5`, `--weight=5` */
  #long(word: string): void {
    const equals = word.indexOf('=')
    if (equals < 0) this.#take(this.#known(word), undefined)
    else this.#take(this.#known(word.slice(0, equals)), word.slice(equals + 1))
  }

  /** `-At`, `-w5`, `-w=5`: letters up to one that has a value, which is the rest of the word if there is any. */
  #short(word: string): void {
    for (let i = 1; i < word.length; i++) {
      const name = this.#known(`-${word[i]}`)
      const rest = word.slice(i + 1)
      if (OPTIONS[name].value !== 'none' && rest !== '') {
        this.#take(name, rest.replace(/^=/, ''))
        return
      }
      this.#take(name, undefined)
    }
  }

  #take(name: OptionName, attached: string | undefined): void {
    const option: Option = OPTIONS[name]
    this.#command ??= this.#commandOf(name)
    if (!option.of.includes(this.#command)) {
      const names = { '-A': 'services (-A)', '-a': 'servers (-a)' }
      const rule = `left out: it is for ${names[option.of[0]!]}, not for ${names[this.#command]}`
      throw rangeError(name, rule, this.#rule())
    }
    const choice = option.choice ?? name
    const other = this.#choices.get(choice)
    if (other !== undefined) {
      const rule = other === name ? 'given once' : `left out: ${other} is given already`
      throw rangeError(name, rule, this.#rule())
    }
    this.#choices.set(choice, name)
    this.#options.set(name, this.#value(name, option, attached))
  }

  #value(name: OptionName, option: Option, attached: string | undefined): string | undefined {
    if (attached !== undefined) {
      if (option.value === 'none') throw rangeError(name, 'given without a value', attached)
      return attached
    }
    if (option.value === 'none') return undefined
    const next = this.#words[this.#next]
    if (option.value === 'optional' && (next === undefined || next.startsWith('-'))) {
      return undefined
    }
    // A negative number is a value: ipvsadm-save prints large firewall marks so.
    if (next === undefined || (next.startsWith('-') && !/^-\d+$/.test(next))) {
      throw rangeError(name, 'followed by its value', this.#rule())
    }
    this.#next++
    return next
  }

  /** The command that the first option is. */
  #commandOf(name: OptionName): Command {
    if (name === '-A' || name === '-a') return name
    throw this.#noCommand()
  }

  #known(spelling: string): OptionName {
    const name = BY_SPELLING.get(spelling)
    if (name !== undefined) return name
    // At the start it is a command: -C, -E, --set...
    if (this.#command === undefined) throw this.#noCommand()
    const long = Object.values(OPTIONS).map((option) => option.long)
    const meant = spelling.startsWith('--') ? didYouMean(spelling, long) : ''
    throw rangeError(spelling, `left out: rules have no such option${meant}`, this.#rule())
  }

  #noCommand(): RangeError {
    const rule = 'a rule that begins with -A (add a service) or -a (add a server)'
    return rangeError('each line', rule, this.#rule())
  }

  /** The rule as it was read, for the error. */
  #rule(): string {
    return this.#words.join(' ')
  }
}
