// The rules for every object and every simple value that comes from a caller.
import { rangeError, typeError } from '../errors.js'
import { didYouMean, quoted } from './spelling.js'

/** A day. No interval that a caller gives is longer. */
export const DAY_MS = 86_400_000

/**
 * Copies a caller's properties into `fields`, whose own keys are the known ones. Each is read once; `undefined`
 * means absent. What is inherited is never read, so that a polluted prototype cannot change what is programmed.
 * (Changes, services and destinations come by the ten thousand: they have this loop with a `switch`, which takes a
 * fifth of the time.)
 *
 * @param example what such an object looks like, for the error
 * @throws TypeError if `value` is no object, or has an unknown or an enumerable inherited key
 */
export function readFields<F extends Record<string, unknown>>(
  value: unknown,
  option: string,
  fields: F,
  example: string,
): F {
  const from = checkObject(value, option, example)
  const into: Record<string, unknown> = fields
  for (const key in from) {
    if (!Object.hasOwn(from, key)) throw inheritedKey(from, key, option)
    if (!Object.hasOwn(into, key)) throw unknownKey(from, key, option, Object.keys(into))
    into[key] = from[key]
  }
  return fields
}

/** @throws TypeError if `value` is no object */
export function checkObject(value: unknown, option: string, example: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw typeError(option, `an object such as ${example}`, value)
}

/** An object of a caller's, its properties by name. */
export type Fields = Readonly<Record<string, unknown>>

export function inheritedKey(from: Fields, key: string, option: string): TypeError {
  const rule = 'a property of its own: inherited options are never read'
  return typeError(pathOf(option, key), rule, from[key])
}

export function unknownKey(
  from: Fields,
  key: string,
  option: string,
  known: readonly string[],
): TypeError {
  const meant = didYouMean(key, known)
  const rule = `left out: there is no such option${meant === '' ? `, only ${quoted(known)}` : meant}`
  return typeError(pathOf(option, key), rule, from[key])
}

/**
 * Checks a bag of options of which all may be absent, the bag too, and returns its values, still unchecked.
 *
 * @throws TypeError if `value` is no plain object, or has an unknown or an enumerable inherited key
 */
export function checkOptions<K extends string>(
  value: unknown,
  option: string,
  keys: readonly K[],
): Record<K, unknown> {
  const fields = Object.fromEntries(keys.map((key) => [key, undefined])) as Record<K, unknown>
  if (value === undefined) return fields
  // A Map or a promise has no keys: it would pass as an empty bag.
  if (Object.prototype.toString.call(value) !== '[object Object]') {
    throw typeError(option, `an object with any of ${quoted(keys)}`, value)
  }
  return readFields(value, option, fields, `{ ${keys.join(', ')} }`)
}

/**
 * Checks an integer.
 *
 * @throws TypeError if `value` is not a number
 * @throws RangeError if it is not an integer from `min` to `max`
 */
export function checkInteger(value: unknown, option: string, min: number, max: number): number {
  if (typeof value !== 'number') {
    const digits = typeof value === 'bigint' || (typeof value === 'string' && /^\d+$/.test(value))
    const rule = digits ? 'a number, not a string or bigint:' : 'a number:'
    throw typeError(option, `${rule} an integer from ${min} to ${max}`, value)
  }
  if (!Number.isInteger(value) || value < min || value > max) {
    throw rangeError(option, `an integer from ${min} to ${max}`, value)
  }
  return value
}

/** @throws TypeError if `value` is neither `true` nor `false` */
export function checkBoolean(value: unknown, option: string): boolean {
  if (typeof value !== 'boolean') throw typeError(option, 'true or false', value)
  return value
}

/** @throws TypeError if `value` is neither absent nor a signal */
export function checkSignal(value: unknown, option: string): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value
  const rule =
    value instanceof AbortController
      ? 'an AbortSignal: the `signal` of the controller, not the controller'
      : 'an AbortSignal'
  throw typeError(option, rule, value)
}

/**
 * Checks a value that has a name, and returns what the name stands for.
 *
 * @throws TypeError if `value` is not a string
 * @throws RangeError if it is none of the names
 */
export function checkName<T>(value: unknown, option: string, names: ReadonlyMap<string, T>): T {
  const found = names.get(value as string)
  if (found !== undefined) return found
  const all = [...names.keys()]
  const rule = `one of ${quoted(all)}${didYouMean(value, all)}`
  throw typeof value === 'string' ? rangeError(option, rule, value) : typeError(option, rule, value)
}

/** The number in a name that was made from it, because nothing else is known of it: `method-5`. */
export function unknownNumber(prefix: string, value: unknown, max: number): number | undefined {
  if (typeof value !== 'string' || !value.startsWith(prefix)) return undefined
  const digits = value.slice(prefix.length)
  if (!/^(?:0|[1-9]\d{0,9})$/.test(digits)) return undefined
  const number = Number(digits)
  return number <= max ? number : undefined
}

/**
 * Checks the name of a kernel module part, such as a scheduler: 1 to 15 bytes, without NUL, `/` or white space
 * (ip_vs.h: IP_VS_SCHEDNAME_MAXLEN and IP_VS_PENAME_MAXLEN are 16, NUL included).
 *
 * @throws TypeError if `value` is not a string
 * @throws RangeError if it is no such name
 */
export function checkModuleName(value: unknown, option: string, example: string): string {
  const rule = `a name of 1 to 15 bytes such as "${example}", ASCII without "/" and white space`
  if (typeof value !== 'string') throw typeError(option, rule, value)
  // Printable ASCII without "/": the records hold one byte per character.
  if (!/^[\x21-\x2e\x30-\x7e]{1,15}$/.test(value)) throw rangeError(option, rule, value)
  return value
}

/** Path of a property: `destination.weight`. The path of what has no name, `''`, adds nothing. */
export function pathOf(option: string, key: string): string {
  return option === '' ? key : `${option}.${key}`
}
