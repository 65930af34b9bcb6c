// ipvs import: a director's configuration from a keepalived.conf, and what could not be carried over.
import { readdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { importKeepalived } from '../import/index.js'
import { reasonOf } from './errors.js'
import { print, printJson, tell } from './output.js'
import { painter } from './paint.js'
import { exitStatuses, type Run } from './spec.js'
import { nameOf, readText } from './table/file.js'

export const importFile: Run = async (call) => {
  const { words, options } = call
  const file = words[0]!
  const { document, text, notes } = importKeepalived(await readText(file), {
    file: nameOf(file),
    // As keepalived does without --config-id.
    id: typeof options.id === 'string' ? options.id : hostname().split('.')[0],
    env: process.env,
    readFile,
    readFolder: (path) => readdirSync(path),
  })
  if (options.json) printJson({ document, notes })
  else {
    print(text)
    const paint = painter(call)
    for (const { file, line, word, message, advice } of notes) {
      tell(`${paint('dim', `${file}:${line}:`)} ${paint('bold', word)}: ${message}. ${advice}`)
    }
  }
  return notes.length === 0 ? exitStatuses.done : exitStatuses.failed
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error })
  }
}
