// Values of checks that YAML has no word for: regular expressions, bytes, and what stands in a file or in the environment.
import { readFileSync } from 'node:fs'
import type { Path } from './mistakes.js'
import { isMap, type Reader } from './reader.js'

type Read = (text: string, reader: Reader, path: Path, more: unknown) => unknown

const FORMS: Readonly<Record<string, Read>> = {
  regexp(text, reader, path, flags = '') {
    try {
      return new RegExp(text, String(flags))
    } catch (error) {
      reader.add(path, `must be a regular expression: ${(error as Error).message}`)
      return undefined
    }
  },
  hex(text, reader, path) {
    const digits = text.replaceAll(/\s/g, '')
    if (/^([0-9a-f]{2})*$/i.test(digits)) return Buffer.from(digits, 'hex')
    reader.add(path, `must be pairs of hexadecimal digits; received ${JSON.stringify(text)}`)
    return undefined
  },
  base64(text, reader, path) {
    const bytes = Buffer.from(text, 'base64')
    if (bytes.toString('base64') === text.replaceAll(/\s/g, '')) return bytes
    reader.add(path, 'must be base64')
    return undefined
  },
  file(text, reader, path) {
    try {
      return readFileSync(text, 'utf8').replace(/\r?\n$/, '')
    } catch (error) {
      reader.add(path, `must be a file that can be read: ${(error as Error).message}`)
      return undefined
    }
  },
  env(text, reader, path) {
    const value = process.env[text]
    if (value !== undefined) return value
    reader.add(path, `must be a variable of the environment: ${text} is not set`)
    return undefined
  },
}

/** The same, with `{ regexp, flags }`, `{ hex }`, `{ base64 }`, `{ file }` and `{ env }` replaced by what they stand for. */
export function resolveValues(value: unknown, reader: Reader, path: Path): unknown {
  if (Array.isArray(value)) {
    return value.map((one, index) => resolveValues(one, reader, [...path, index]))
  }
  if (!isMap(value)) return value
  const [form, ...rest] = Object.keys(value)
  const read = form === undefined || !Object.hasOwn(FORMS, form) ? undefined : FORMS[form]
  const isForm = rest.length === 0 || (form === 'regexp' && rest.join() === 'flags')
  if (read !== undefined && isForm && typeof value[form!] === 'string') {
    return read(value[form!] as string, reader, [...path, form!], value.flags)
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, resolveValues(one, reader, [...path, key])]),
  )
}

/** Tells two values apart: what JSON has no word for too. */
export function digestOf(value: unknown): string {
  return (
    JSON.stringify(value, (_, one: unknown) => (one instanceof RegExp ? String(one) : one)) ?? ''
  )
}
