// ipvs state --fleet: every director's word on every server.
import type { FleetRow, FleetState, FleetWord } from '../../director/index.js'
import { CommandError } from '../errors.js'
import { print, printJson } from '../output.js'
import { type Paint, painter } from '../paint.js'
import { type Call, exitStatuses } from '../spec.js'
import { columns } from './columns.js'
import { ask } from './control.js'

export async function showFleet(call: Call): Promise<number> {
  const seen = pick((await ask(call, { do: 'fleet' })) as FleetState, call.words[0])
  if (call.options.json) printJson(seen)
  else print(`${fleetLines(seen, painter(call)).join('\n')}\n`)
  return exitStatuses.done
}

/** @throws CommandError nobody has such a pool or server */
function pick(seen: FleetState, word: string | undefined): FleetState {
  if (word === undefined) return seen
  const [pool, ...rest] = word.split('/')
  const server = rest.join('/')
  const isMeant = (row: FleetRow) =>
    row.pool === pool &&
    (server === '' || row.server === server || row.server.replace(/:\d+$/, '') === server)
  const rows = seen.rows.filter(isMeant)
  if (rows.length > 0) return { ...seen, rows }
  throw new CommandError(`no director that answers has "${word}".`)
}

/** A line for each director, then a table with a column for each. */
export function fleetLines({ directors, rows }: FleetState, paint: Paint): string[] {
  const answers = directors.map(({ error }) => error === undefined)
  const heads = directors.map(({ name, url, role, ready, error }) => {
    const where = url === undefined ? '(this one)' : url
    const words = [role ?? '', ready === false ? 'not ready yet' : ''].filter(Boolean).join(', ')
    const line = [name, where, error === undefined ? words : `does not answer: ${error}`]
    return { line, error }
  })
  const active = directors.filter(({ role }) => role === 'active').length
  const differ = rows.filter(({ differs }) => differs).length
  const shown = directors.map(({ name }, index) => (answers[index] ? name : `${name}?`))
  const body = rows.map(({ pool, server, words, differs }) => [
    differs ? '≠' : '',
    `${pool}/${server}`,
    ...words.map((word, index) => (answers[index] ? wordText(word) : '?')),
  ])
  const [head, ...lines] = columns([['', 'POOL/SERVER', ...shown], ...body])
  const count = `${rows.length} servers, ${differ === 0 ? 'all answers alike' : `${differ} on which directors differ`}`
  return [
    ...columns(heads.map(({ line }) => line)).map((line, index) =>
      heads[index]!.error === undefined ? line : paint('red', line),
    ),
    ...(active > 1 ? [paint('red', `${active} directors are active`)] : []),
    paint(differ === 0 ? 'dim' : 'yellow', count),
    ...(rows.length === 0 ? [] : ['', paint('dim', head!)]),
    ...lines.map((line, index) => coloured(rows[index]!, line, paint)),
  ]
}

/** `up 3`, `up 0 drain`, `down`, `up 1 (backup, not serving)`. */
function wordText(word: FleetWord | null): string {
  if (word === null) return 'absent'
  const { health, admin, weight, serves } = word
  const more = [admin === 'ready' ? '' : admin, health === 'up' && !serves ? 'not serving' : '']
  return [health, health === 'up' ? String(weight) : '', ...more].filter(Boolean).join(' ')
}

function coloured({ differs, words }: FleetRow, line: string, paint: Paint): string {
  if (differs) return paint('yellow', line)
  return words.some((word) => word?.health === 'down') ? paint('red', line) : line
}
