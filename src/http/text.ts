// Texts that are secret or change: given as they are, or by the file that has them.
import { readFile } from 'node:fs/promises'
import { rangeError, typeError } from '../errors.js'
import { checkObject } from '../validate/options.js'

/** A text, or the file that has it. A file is read again for each request, so that one that is replaced counts at once. */
export type TextOrFile = string | { readonly file: string }

/**
 * @param what in words: `a token`
 * @throws TypeError, RangeError. The text itself is in no error.
 */
export function readTextOrFile(value: unknown, option: string, what: string): TextOrFile {
  const rule = `${what}, or { file: PATH }`
  if (typeof value === 'string') {
    if (value === '') throw rangeError(option, rule, value)
    return value
  }
  const { file, ...more } = checkObject(value, option, "{ file: '/etc/ipvs/secret' }")
  if (typeof file !== 'string' || Object.keys(more).length > 0) throw typeError(option, rule, value)
  if (file === '' || file.includes('\0')) {
    throw rangeError(`${option}.file`, 'the path of a file', file)
  }
  return { file }
}

/**
 * Without the line end that editors put behind it.
 *
 * @throws Error (rejects) the file cannot be read, or is empty
 */
export async function textOf(given: TextOrFile): Promise<string> {
  if (typeof given === 'string') return given
  const text = (await readFile(given.file, 'utf8')).replace(/\r?\n$/, '')
  if (text === '') throw new Error(`${given.file} is empty`)
  return text
}
