// Values in a JSON body, by paths of a small kind.
import { inspect } from 'node:util'
import { rangeError, typeError } from '../../errors.js'
import { readRecord } from './http-rules.js'
import { show } from './show.js'

/** A path: names of properties, and numbers of items of a list from 0 on, with dots between them. */
export type JsonPath = readonly string[]

/**
 * - a text, a number, true, false or null: the value must be the same;
 * - a regular expression: the value must be a text, a number, true or false, and as a text match it;
 * - a function of the value: true if it is right; false, or a text that says what is wrong.
 */
export type HttpJsonRule =
  | string
  | number
  | boolean
  | null
  | RegExp
  | ((value: unknown) => boolean | string)

/** @throws ArgumentError */
export function readJsonPath(path: unknown, option: string): JsonPath {
  if (typeof path !== 'string') throw typeError(option, 'a path such as status.db', path)
  const names = path.split('.')
  if (names.includes('')) throw rangeError(option, 'names with dots between them', path)
  return names
}

/** `undefined` if there is nothing; what is inherited is nothing. */
export function valueAt(json: unknown, path: JsonPath): unknown {
  let at = json
  for (const name of path) {
    const isThere =
      typeof at === 'object' && at !== null && Object.hasOwn(at, name) && !isLength(at, name)
    if (!isThere) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}

function isLength(at: object, name: string): boolean {
  return Array.isArray(at) && name === 'length'
}

/** @throws Error that says what the body is in place of JSON. */
export function parseJson(body: Buffer): unknown {
  try {
    // Without the mark of the byte order, which browsers take too.
    return JSON.parse(new TextDecoder().decode(body)) as unknown
  } catch {
    throw new Error(`body: no JSON: ${body.length === 0 ? 'an empty answer' : show(body)}`)
  }
}

/**
 * Reads rules by their paths, and returns what is wrong with a body, or `undefined`.
 *
 * @throws ArgumentError
 */
export function readExpectedJson(value: unknown): (body: Buffer) => string | undefined {
  const option = 'options.expectJson'
  const rules = Object.entries(readRecord(value, option)).map(([path, rule]) => {
    const isRule =
      rule === null ||
      rule instanceof RegExp ||
      ['string', 'number', 'boolean', 'function'].includes(typeof rule)
    if (!isRule)
      throw typeError(`${option}.${path}`, 'a simple value, a regular expression, a function', rule)
    const names = readJsonPath(path, option)
    return { path, names, rule: rule as HttpJsonRule }
  })
  return (body) => {
    const json = parseJson(body)
    for (const { path, names, rule } of rules) {
      const found = valueAt(json, names)
      if (found === undefined) return `no ${path}`
      const wrong = judge(found, rule)
      if (wrong !== undefined) return `${path} is ${showValue(found)}, ${wrong}`
    }
    return undefined
  }
}

function judge(found: unknown, rule: HttpJsonRule): string | undefined {
  if (typeof rule === 'function') {
    const said = rule(found)
    if (said === true) return undefined
    return typeof said === 'string' ? said : 'not what is expected'
  }
  if (rule instanceof RegExp) {
    // A copy: with flags g or y it remembers where it has been.
    const fine = typeof found !== 'object' && new RegExp(rule).test(String(found))
    return fine ? undefined : `expected ${rule}`
  }
  return found === rule ? undefined : `expected ${JSON.stringify(rule)}`
}

export function showValue(value: unknown): string {
  return show(Buffer.from(typeof value === 'string' ? value : inspect(value, { depth: 1 })))
}
