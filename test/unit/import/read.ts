// The configurations of this folder, and what the importer makes of them.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Imported, type ImportOptions, importKeepalived } from '../../../src/import/index.js'

export const folder = fileURLToPath(new URL('./configs/', import.meta.url))

export const names = readdirSync(folder)
  .filter((name) => name.endsWith('.conf'))
  .map((name) => name.slice(0, -'.conf'.length))

export const textOf = (name: string) => readFileSync(path.join(folder, `${name}.conf`), 'utf8')

/** Files are read from this folder, wherever it is. A first line `! options: {…}` has the importer's. */
export function imported(name: string): Imported {
  const text = textOf(name)
  const [, options = '{}'] = /^! options: (.*)$/m.exec(text) ?? []
  return importKeepalived(text, { file: `${name}.conf`, ...reader, ...JSON.parse(options) })
}

export const reader: Pick<ImportOptions, 'readFile' | 'readFolder' | 'env'> = {
  readFile: (file) => {
    try {
      return readFileSync(path.join(folder, file), 'utf8')
    } catch {
      throw new Error('it is not there')
    }
  },
  readFolder: (name) => readdirSync(path.join(folder, name)),
  env: { SITE: 'east' },
}

/** A line for each note, as the command tells them. */
export const told = ({ notes }: Imported) =>
  notes.map(
    ({ file, line, word, message, advice }) => `${file}:${line}: ${word}: ${message}. ${advice}`,
  )
