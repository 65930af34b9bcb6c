// The digest of a table that was read over netlink: a listing lacks too much to have one.
import { tableDigest } from '../../rules/digest.js'
import type { ServiceTree } from '../../types.js'
import { CommandError } from '../errors.js'
import type { Call } from '../spec.js'
import { KERNEL, type SeenTable } from './seen.js'

/** @throws CommandError if it is not the one of `--if` */
export function digestOf({ source, services }: SeenTable, call: Call): string | undefined {
  const digest = source === KERNEL ? tableDigest(services as readonly ServiceTree[]) : undefined
  const wanted = call.options.if
  if (wanted === undefined || wanted === digest) return digest
  const now = digest === undefined ? 'that of this one cannot be told' : `this one has ${digest}`
  throw anotherTable(`the table is not the one with digest ${wanted}: ${now}`, call)
}

export function anotherTable(text: string, call: Call): CommandError {
  return new CommandError(
    `${text}. Nothing was changed. "ipvs diff ${call.words[0]}" shows what would change now, and its digest.`,
  )
}
