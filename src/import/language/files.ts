// The files that include names: paths and patterns, read by functions that the caller gives.
import type { Place } from '../note.js'

/** How files are read. The importer opens none by itself. */
export interface FileReader {
  /** The text of a file. Throws if it cannot be read. Default: no file can. */
  readonly readFile?: ((path: string) => string) | undefined
  /** Names in a folder, for patterns such as `conf.d/*.conf`. Throws if it cannot be read. Default: no folder can. */
  readonly readFolder?: ((path: string) => readonly string[]) | undefined
}

/** A pattern may name a folder of thousands. */
const MOST_FILES = 4096

export function folderOf(file: string): string {
  const slash = file.lastIndexOf('/')
  return slash < 0 ? '' : file.slice(0, slash) || '/'
}

export function isPattern(name: string): boolean {
  return /[*?[{]/.test(name)
}

/** `a/./b/../c` is `a/c`. */
function plain(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else parts.push(part)
  }
  return `${path.startsWith('/') ? '/' : ''}${parts.join('/')}`
}

/** Paths of the files that an include means, seen from the file that it stands in. */
export function matching(name: string, from: Place, reader: FileReader): string[] {
  const found = braces(name).flatMap((one) => {
    const absolute = one.startsWith('/')
    const base = absolute ? '/' : folderOf(from.file)
    let paths = [base]
    for (const part of one.split('/').filter((part) => part !== '' && part !== '.')) {
      paths = paths.flatMap((path) => step(path, part, reader)).slice(0, MOST_FILES)
    }
    return paths
  })
  return [...new Set(found.map(plain))]
}

function step(folder: string, part: string, { readFolder }: FileReader): string[] {
  const below = (name: string) => (folder === '' ? name : `${folder.replace(/\/$/, '')}/${name}`)
  if (!isPattern(part)) return [below(part)]
  try {
    const names = readFolder?.(folder === '' ? '.' : folder) ?? []
    // As of a shell, what begins with a dot is matched by a dot only.
    return names
      .filter((name) => (part.startsWith('.') || !name.startsWith('.')) && fits(name, part))
      .toSorted()
      .map(below)
  } catch {
    return []
  }
}

/** Shell's pattern, without going back more than to the last star: linear in all that is typed. */
function fits(name: string, pattern: string): boolean {
  let [at, in_, star, retry] = [0, 0, -1, 0]
  while (at < name.length) {
    const one = in_ < pattern.length ? takes(pattern, in_, name[at]!) : 0
    if (pattern[in_] === '*') {
      star = in_++
      retry = at
    } else if (one > 0) {
      in_ += one
      at++
    } else if (star >= 0) {
      in_ = star + 1
      at = ++retry
    } else return false
  }
  while (pattern[in_] === '*') in_++
  return in_ >= pattern.length
}

/** How much of the pattern stands for this character; 0: it does not. */
function takes(pattern: string, at: number, char: string): number {
  if (pattern[at] === '?') return 1
  const set = pattern[at] === '[' ? /^\[([!^]?)(.[^\]]*)\]/.exec(pattern.slice(at)) : null
  if (set === null) return pattern[at] === char ? 1 : 0
  const [whole, not, members] = set
  let inside = false
  for (let index = 0; index < members!.length; index++) {
    const range = members![index + 1] === '-' && index + 2 < members!.length
    if (range ? char >= members![index]! && char <= members![index + 2]! : char === members![index])
      inside = true
    if (range) index += 2
  }
  return inside !== (not !== '') ? whole.length : 0
}

/** `{a,b}c` is `ac` and `bc`; nested ones are left as they are. */
function braces(name: string): string[] {
  let names = ['']
  for (const part of name.split(/(\{[^{}]*,[^{}]*\})/)) {
    const choices =
      part.startsWith('{') && part.includes(',') ? part.slice(1, -1).split(',') : [part]
    names = names.flatMap((before) => choices.map((choice) => before + choice)).slice(0, MOST_FILES)
  }
  return names
}
