// Reads a document step by step, and goes on after each mistake.
import { type ArgumentError, isArgumentError } from '../../errors.js'
import { didYouMean, quoted } from '../../validate/spelling.js'
import type { ConfigDocument } from './document.js'
import { type ConfigMistake, type Path, pathText } from './mistakes.js'
import { parseDuration, type Times, type Unit } from './units.js'

export type Fields = Readonly<Record<string, unknown>>

/** More than these nobody reads. */
const MOST = 50
const RULE = { Ms: 1, Seconds: 1000 } as const
const OF = { Ms: 'milliseconds', Seconds: 'seconds' } as const

/** Options in the library's words, and the way back to what was written. */
export interface Translated {
  readonly options: Record<string, unknown>
  /** Where in the file an option of the library's stands: `['slowStart', 'duration']`. */
  placeOf(option: readonly string[]): Path
  /** Its unit, if it is a time. */
  unitOf(option: readonly string[]): Unit | undefined
}

export class Reader {
  readonly #document: ConfigDocument
  readonly #mistakes = new Map<string, ConfigMistake>()

  constructor(document: ConfigDocument) {
    this.#document = document
  }

  get mistakes(): readonly ConfigMistake[] {
    return [...this.#mistakes.values()]
      .toSorted((a, b) => a.line - b.line || a.column - b.column)
      .slice(0, MOST)
  }

  /** `rule`: what it must be. */
  add(path: Path, rule: string): void {
    this.addText(path, `${pathText(path) || 'the file'} ${rule}`)
  }

  addText(path: Path, text: string): void {
    this.#mistakes.set(`${JSON.stringify(path)} ${text}`, this.#document.mistake(path, text))
  }

  /** A map, or nothing and a mistake. */
  map(value: unknown, path: Path, example: string): Fields | undefined {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
    this.add(path, `must be a map such as ${example}; received ${shown(value)}`)
    return undefined
  }

  /** Mistakes for keys that are none of these. */
  known(fields: Fields, path: Path, keys: readonly string[]): void {
    for (const key of Object.keys(fields)) {
      if (keys.includes(key)) continue
      const bare = key.replace(LIBRARY_UNIT, '')
      if (bare !== key && keys.includes(bare)) {
        this.add([...path, key], withUnit(bare))
        continue
      }
      const meant = didYouMean(key, keys)
      const rest = meant === '' ? `, only ${quoted(keys)}` : meant
      this.add([...path, key], `must be left out: there is no such key${rest}`)
    }
  }

  text(value: unknown, path: Path, what: string): string | undefined {
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
    this.add(path, `must be ${what}; received ${shown(value)}`)
    return undefined
  }

  texts(value: unknown, path: Path, what: string): string[] | undefined {
    const isList = Array.isArray(value) && value.length > 0
    if (isList && value.every((one) => typeof one === 'string' && one !== '')) return value
    this.add(path, `must be ${what}, not empty; received ${shown(value)}`)
    return undefined
  }

  oneOf<T extends string>(value: unknown, path: Path, words: readonly T[]): T | undefined {
    const word = words.find((one) => one === value)
    if (word === undefined) {
      const rule = `must be one of ${quoted(words)}${didYouMean(value, words)}`
      this.add(path, `${rule}; received ${shown(value)}`)
    }
    return word
  }

  duration(value: unknown, path: Path, leastMs: number, mostMs: number): number | undefined {
    const ms = parseDuration(value)
    if (ms !== undefined && ms >= leastMs && ms <= mostMs) return ms
    this.add(path, `${TIME}; received ${shown(value)}`)
    return undefined
  }

  /** Times get the library's names and units; whatever else there is stays as it is. */
  translate(fields: Fields, path: Path, times: Times): Translated {
    const names = new Map<
      string,
      { readonly key: string; readonly unit?: Unit; readonly inner?: Translated }
    >()
    const options: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(fields)) {
      const time = Object.hasOwn(times, key) ? times[key] : undefined
      const bare = key.replace(LIBRARY_UNIT, '')
      if (bare !== key && typeof times[bare] === 'string') {
        this.add([...path, key], withUnit(bare))
      } else if (typeof time === 'string') {
        const name = `${key}${time}`
        const read = this.#time(value, [...path, key], time)
        if (read === undefined) continue
        options[name] = read
        names.set(name, { key, unit: time })
      } else if (time !== undefined && isMap(value)) {
        const inner = this.translate(value, [...path, key], time)
        options[key] = inner.options
        names.set(key, { key, inner })
      } else options[key] = value
    }
    return {
      options,
      placeOf([first, ...rest]) {
        if (first === undefined) return []
        const { key = first, inner } = names.get(first) ?? {}
        return [key, ...(inner?.placeOf(rest) ?? rest.map(asIndex))]
      },
      unitOf([first, ...rest]) {
        const { unit, inner } = names.get(first ?? '') ?? {}
        return unit ?? inner?.unitOf(rest)
      },
    }
  }

  /** A time, or a map of some (`{ min: 50ms, max: 500ms }`). */
  #time(value: unknown, path: Path, unit: Unit): unknown {
    if (isMap(value)) {
      const read: Record<string, unknown> = {}
      for (const [key, one] of Object.entries(value)) {
        read[key] = this.#time(one, [...path, key], unit)
        if (read[key] === undefined) return undefined
      }
      return read
    }
    const ms = parseDuration(value)
    if (ms !== undefined) return ms / RULE[unit]
    this.add(path, `${TIME}; received ${shown(value)}`)
    return undefined
  }

  /**
   * Lets the library look at options, again and again, each time without what it has found to be wrong: every mistake is told.
   *
   * @param root what the library calls the whole: `options`
   * @param placed where in the file an option stands
   * @param required what to go on with in place of a wrong option that has no default
   * @returns what `look` does, if nothing is wrong
   */
  check<T>(
    translated: Translated,
    root: string,
    placed: (place: Path) => Path,
    look: (options: Record<string, unknown>) => T,
    required: Fields = {},
  ): T | undefined {
    const options = { ...translated.options }
    /** Where the elements that are left of a list were at first. */
    const indices = new Map<string, number[]>()
    for (let found = 0; ; found++) {
      try {
        const result = look(options)
        return found === 0 ? result : undefined
      } catch (error) {
        if (!isArgumentError(error)) throw error
        const parts = partsOf(error.option, root)
        const [name, index] = parts
        const list = name === undefined ? undefined : options[name]
        if (
          name !== undefined &&
          Array.isArray(list) &&
          index !== undefined &&
          /^\d+$/.test(index)
        ) {
          const left = indices.get(name) ?? list.map((_, at) => at)
          indices.set(name, left)
          parts[1] = String(left[Number(index)])
          options[name] = list.toSpliced(Number(index), 1)
          left.splice(Number(index), 1)
        } else if (name !== undefined && name in options && options[name] !== required[name]) {
          if (name in required) options[name] = required[name]
          else delete options[name]
        } else found = MOST
        const path = placed(translated.placeOf(parts))
        this.addText(path, inWordsOfTheFile(error, path, translated.unitOf(parts)))
        if (found >= MOST) return undefined
      }
    }
  }
}

const LIBRARY_UNIT = /(Ms|Seconds)$/

function withUnit(key: string): string {
  return `must be left out: write "${key}", with a unit (500ms, 30s, 2m)`
}

const TIME = 'must be a time with a unit, such as 500ms, 30s, 2m or 1h'

/** `options.servers[1].weight`: `servers`, `1`, `weight`. */
function partsOf(option: string, root: string): string[] {
  const rest = option.startsWith(root) ? option.slice(root.length) : `.${option}`
  return rest.match(/[^.[\]]+/g) ?? []
}

function asIndex(part: string): string | number {
  return /^\d+$/.test(part) ? Number(part) : part
}

/** The library speaks of its options. */
function inWordsOfTheFile(error: ArgumentError, path: Path, unit: Unit | undefined): string {
  const rest = error.message.startsWith(error.option)
    ? error.message.slice(error.option.length)
    : ` ${error.message}`
  const text = rest.replaceAll(/"(\w+?)(?:Ms|Seconds)"/g, '"$1"').replaceAll(/\boptions\./g, '')
  const inUnit = unit === undefined ? text : text.replace('; received', ` (${OF[unit]}); received`)
  return `${pathText(path)}${inUnit}`
}

export function isMap(value: unknown): value is Fields {
  return Object.prototype.toString.call(value) === '[object Object]'
}

export function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a map'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
