// What is wrong with a file: all of it at once, each with its place.
import { CommandError } from '../errors.js'
import { exitStatuses } from '../spec.js'
import { nameOf } from './file.js'

/** More than these nobody reads. */
export const MOST = 20

export interface Mistake {
  readonly line: number
  readonly column?: number
  readonly text: string
}

/** `FILE:LINE:COLUMN: what is wrong`, a line each. */
export function mistakes(file: string, found: readonly Mistake[]): CommandError {
  const name = nameOf(file)
  const lines = found
    .toSorted((a, b) => a.line - b.line || (a.column ?? 0) - (b.column ?? 0))
    .slice(0, MOST)
    .map(({ line, column, text }) =>
      [name, line, ...(column === undefined ? [] : [column])].join(':').concat(`: ${text}`),
    )
  const rest = found.length > MOST ? [`… and ${found.length - MOST} more`] : []
  const count = found.length === 1 ? 'a mistake' : `${found.length} mistakes`
  return new CommandError(
    [`${name} has ${count}, so nothing was done:`, ...lines, ...rest].join('\n'),
    exitStatuses.usage,
  )
}
