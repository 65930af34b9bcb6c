// What a file does not say itself, but where it stands: certificates, tokens, passwords. It is read when it is used, so that it
// may be replaced.
import { accessSync, constants } from 'node:fs'
import type { TextOrFile } from '../../http/text.js'
import type { Path } from './mistakes.js'
import { type Fields, isMap, type Reader, shown } from './reader.js'

const PEM = ['ca', 'cert', 'key']
const SECRETS = ['token', 'password']

/** The same, with paths of certificates, `{ file: PATH }` and `{ env: NAME }` as the library takes them. */
export function readFiles(fields: Fields, path: Path, reader: Reader): Fields {
  const read = (name: string, value: unknown): unknown => {
    const at = [...path, name]
    if (PEM.includes(name)) return readPem(value, at, reader)
    return SECRETS.includes(name) ? readSecret(value, at, reader) : value
  }
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, read(name, value)]),
  )
}

function readPem(value: unknown, path: Path, reader: Reader): TextOrFile {
  const given = isMap(value) && Object.keys(value).join() === 'file' ? value.file : value
  const file = reader.text(given, path, 'the path of a file in PEM')
  return file === undefined ? NOWHERE : readable(file, path, reader)
}

function readSecret(value: unknown, path: Path, reader: Reader): TextOrFile {
  if (typeof value === 'string' && value !== '') return value
  const [[form, text] = [], ...more] = isMap(value) ? Object.entries(value) : []
  if (typeof text === 'string' && text !== '' && more.length === 0) {
    if (form === 'file') return readable(text, [...path, form], reader)
    if (form === 'env') {
      const found = process.env[text]
      if (found) return found
      reader.add([...path, form], `must be a variable of the environment: ${text} is not set`)
      return NOWHERE
    }
  }
  reader.add(path, `must be a text, { file: PATH } or { env: NAME }; received ${shown(value)}`)
  return NOWHERE
}

function readable(file: string, path: Path, reader: Reader): TextOrFile {
  try {
    accessSync(file, constants.R_OK)
  } catch (error) {
    reader.add(path, `must be a file that can be read: ${(error as Error).message}`)
  }
  return { file }
}

/** In place of a mistake, so that the library does not find it once more. */
const NOWHERE: TextOrFile = { file: '/nonexistent' }
