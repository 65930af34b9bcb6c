// ipvs state: what a director knows.
import type {
  AnnounceState,
  DirectorState,
  PoolState,
  RoleState,
  ServerState,
} from '../../director/index.js'
import { CommandError } from '../errors.js'
import { print, printJson } from '../output.js'
import { type Paint, painter } from '../paint.js'
import { exitStatuses, type Run } from '../spec.js'
import { ago, columns } from './columns.js'
import { ask } from './control.js'
import { showFleet } from './fleet.js'

export const state: Run = async (call) => {
  if (call.options.fleet) return showFleet(call)
  const [word] = call.words
  const seen = pick((await ask(call, { do: 'state' })) as DirectorState, word)
  if (call.options.json) printJson(seen)
  else print(showState(seen, painter(call)))
  return exitStatuses.done
}

/** @throws CommandError there is no such pool or server */
function pick(seen: DirectorState, word: string | undefined): DirectorState {
  if (word === undefined) return seen
  const slash = word.indexOf('/')
  const name = slash === -1 ? word : word.slice(0, slash)
  const pool = seen.pools.find((one) => one.pool === name)
  if (pool === undefined) {
    const names = seen.pools.map((one) => one.pool).join(', ')
    throw new CommandError(`the director has no pool "${name}"; it has ${names || 'none'}.`)
  }
  if (slash === -1) return { ...seen, pools: [pool] }
  const wanted = word.slice(slash + 1)
  const servers = pool.servers.filter(
    ({ server }) =>
      server === wanted ||
      server.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') === wanted.replace(/^\[|\]$/g, ''),
  )
  if (servers.length === 0) {
    const all = pool.servers.map(({ server }) => server).join(', ')
    throw new CommandError(`pool ${name} has no server ${wanted}; it has ${all || 'none'}.`)
  }
  return { ...seen, pools: [{ ...pool, servers }] }
}

function showState(seen: DirectorState, paint: Paint): string {
  const { pid, name, file, startedAt, time, ready, troubles, reload, role, pools } = seen
  const head = [
    `director ${name} (${pid}) of ${file}, up ${ago(time - startedAt)}${ready ? '' : paint('yellow', ', not ready yet')}`,
    ...(reload === undefined ? [] : [`${ago(time - reload.time)} ago: ${reload.text}`]),
    ...(role === undefined ? [] : [roleLine(role, time, paint)]),
    ...troubles.map((text) => paint('red', text)),
  ]
  const parts = pools.map((pool) => showPool(pool, time, paint))
  return `${[...head, ...parts.flatMap((lines) => ['', ...lines])].join('\n')}\n`
}

function roleLine(role: RoleState, now: number, paint: Paint): string {
  const { reached, since, from, trouble } = role
  const line = `${role.role} for ${ago(now - since)}, ${from}`
  if (trouble !== undefined) return paint('red', `${line}: ${trouble}`)
  return reached ? line : paint('yellow', `${line}, not complete yet`)
}

function showPool(pool: PoolState, now: number, paint: Paint): string[] {
  const words = [
    pool.open ? undefined : paint('red', 'not open'),
    pool.open && !pool.quorum ? paint('red', 'quorum lost') : undefined,
    pool.open && !pool.converged ? paint('yellow', 'not all in the kernel yet') : undefined,
    pool.source === undefined ? undefined : `servers from ${pool.source}`,
    pool.announce === undefined ? undefined : announced(pool.announce, now, paint),
  ].filter((word) => word !== undefined)
  const rows = pool.servers.map((server) => serverRow(server, now))
  const [heads, ...lines] = columns([
    ['  SERVER', 'HEALTH', 'ADMIN', 'WEIGHT', 'SINCE', 'WHY'],
    ...rows,
  ])
  return [
    [paint('bold', pool.pool), pool.services.join(', '), ...words].join('  '),
    ...(pool.trouble === undefined ? [] : [paint('red', `  ${pool.trouble}`)]),
    ...(pool.announce?.trouble === undefined ? [] : [paint('red', `  ${pool.announce.trouble}`)]),
    ...pool.warnings.map(({ message }) => paint('yellow', `  ${message}`)),
    ...(lines.length === 0 ? [] : [paint('dim', heads!)]),
    ...lines.map((line, index) => coloured(pool.servers[index]!, line, paint)),
    ...Object.entries(pool.absent).map(([server, { admin, weight }]) => {
      const said = [admin?.word, weight && `weight ${weight.word}`].filter(Boolean)
      return paint('dim', `  ${server} is not in the pool now; by hand: ${said.join(', ')}`)
    }),
  ]
}

function announced({ wanted, done, heldUntil }: AnnounceState, now: number, paint: Paint): string {
  if (wanted === undefined) return paint('dim', 'not known yet whether to announce it')
  if (heldUntil !== undefined)
    return paint('yellow', `not announced for ${ago(heldUntil - now)} more`)
  if (done !== wanted) return paint('yellow', `about to ${wanted} it`)
  return done === 'announce' ? paint('green', 'announced') : paint('yellow', 'withdrawn')
}

function serverRow(one: ServerState, now: number): string[] {
  const { file, hand, effective } = one.weight
  const weights = [
    file === effective ? undefined : `file ${file}`,
    hand === undefined ? undefined : `by hand ${hand}${leftOf(one.hand?.weight, now)}`,
  ].filter(Boolean)
  const weight = weights.length === 0 ? String(effective) : `${effective} (${weights.join(', ')})`
  const why =
    one.error ?? (one.reason === '' && one.check === 'none' ? 'nobody checks it' : one.reason)
  return [
    `  ${one.server}${one.backup ? ' (backup)' : ''}`,
    one.health,
    `${one.admin}${leftOf(one.hand?.admin, now)}`,
    weight,
    ago(now - one.since),
    why,
  ]
}

function leftOf(said: { readonly until?: number | undefined } | undefined, now: number): string {
  return said?.until === undefined ? '' : ` for ${ago(said.until - now)}`
}

function coloured({ health, admin, error }: ServerState, line: string, paint: Paint): string {
  if (health === 'down' || error !== undefined) return paint('red', line)
  return health === 'unknown' || admin !== 'ready' ? paint('yellow', line) : line
}
