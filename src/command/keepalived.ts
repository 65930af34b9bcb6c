// A keepalived.conf as the command takes it: files that it includes, this machine's name, what could not be carried over.
import { readdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { type Imported, type ImportNote, importKeepalived } from '../import/index.js'
import { reasonOf } from './errors.js'
import type { Paint } from './paint.js'
import { nameOf } from './table/file.js'

/** @param id of which the lines with `@id` are */
export function readKeepalived(text: string, file: string, id: unknown): Imported {
  return importKeepalived(text, {
    file: nameOf(file),
    // As keepalived does without --config-id.
    id: typeof id === 'string' ? id : hostname().split('.')[0],
    env: process.env,
    readFile,
    readFolder: (path) => readdirSync(path),
  })
}

/** By what stands in it: no key of a director's file has such a line. */
export function isKeepalived(text: string): boolean {
  return /^\s*(virtual_server(_group)?\s+\S.*|vrrp_(instance|sync_group|script)\s+\S.*|global_defs\s*)(\{\s*)?$/m.test(
    text,
  )
}

export function noteLine({ file, line, word, message, advice }: ImportNote, paint: Paint): string {
  return `${paint('dim', `${file}:${line}:`)} ${paint('bold', word)}: ${message}. ${advice}`
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error })
  }
}
