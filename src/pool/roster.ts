// Who serves, from what is known of all servers of a pool. Pure: the same state gives the same answer, and what was
// decided before comes in as an argument.
import type { HealthState } from '../health/types.js'
import type { Rules } from './rules.js'
import type { AdminState } from './types.js'

/** What the roster reads of a server. */
export interface Candidate {
  readonly admin: AdminState
  readonly health: HealthState
  /** Has had a verdict: before that, a server that is down is one that waits. */
  readonly decided: boolean
  /** Healthy, but it has to wait: too many changes in this minute. */
  readonly waiting: boolean
  /** As configured. */
  readonly weight: number
  readonly backup: boolean
}

/** `as-is`: nothing has been decided about it, so that it stays as it was found. */
export type Duty = 'serves' | 'down' | 'as-is'

/** What has to be remembered of the last time. */
export interface Standing<C> {
  /** The servers are enough; without a quorum, there is one. */
  readonly quorate: boolean
  /** So few are healthy that the checks are not believed. */
  readonly panicking: boolean
  /** Who served when the panic began. */
  readonly frozen: ReadonlySet<C>
}

export interface Roster<C> extends Standing<C> {
  readonly duties: ReadonlyMap<C, Duty>
  /** What the quorum counts: servers, or their weights. */
  readonly amount: number
  /** The pool's services have to leave the kernel. */
  readonly withdrawn: boolean
}

/**
 * Nobody has decided anything.
 *
 * @param adopts what is found goes on: it is enough until it is fewer than what loses the quorum
 */
export function first(adopts: boolean): Standing<never> {
  return { quorate: adopts, panicking: false, frozen: new Set() }
}

/** What a server does if nobody else is looked at. */
export function dutyOf({ health, waiting }: Pick<Candidate, 'health' | 'waiting'>): Duty {
  if (health === 'unknown') return 'as-is'
  return health === 'up' && !waiting ? 'serves' : 'down'
}

/**
 * Who serves.
 *
 * A healthy backup comes before fail-open: where one can serve beside those that are left, nobody has to believe in
 * servers that fail their checks.
 *
 * @param present duties of the last time
 */
export function assign<C extends Candidate>(
  candidates: Iterable<C>,
  rules: Pick<Rules, 'quorum' | 'panic'>,
  last: Standing<C>,
  present: ReadonlyMap<C, Duty>,
): Roster<C> {
  const all = [...candidates]
  const primaries = all.filter(({ backup }) => !backup)
  const backups = all.filter(({ backup }) => backup)
  const ready = backups.filter((one) => takesNew(one) && dutyOf(one) === 'serves')

  const few = isPanic(primaries, rules)
  const panicking = few && ready.length === 0
  let { frozen } = last
  if (!panicking) frozen = new Set()
  else if (!last.panicking) {
    frozen = new Set(primaries.filter((one) => present.get(one) === 'serves'))
  }
  const failsOpen = (one: C) =>
    panicking &&
    isJudged(one) &&
    (one.health === 'down' || one.waiting) &&
    (one.waiting || rules.panic!.action === 'all-up' || frozen.has(one))

  const duties = new Map<C, Duty>()
  for (const one of primaries) duties.set(one, failsOpen(one) ? 'serves' : dutyOf(one))

  const { up = 1, down = 1, unit = 'servers', onLost = 'keep' } = rules.quorum ?? {}
  let amount = 0
  for (const one of primaries) {
    if (duties.get(one) !== 'serves' || !takesNew(one)) continue
    amount += unit === 'weight' ? one.weight : 1
  }
  const quorate = amount >= (last.quorate ? down : up)

  const replaced = (!quorate || few) && ready.length > 0
  for (const one of backups) {
    const duty = dutyOf(one)
    duties.set(one, duty === 'serves' && !replaced ? 'down' : duty)
  }
  if (!quorate && onLost !== 'keep') {
    for (const one of primaries) if (duties.get(one) === 'serves') duties.set(one, 'down')
  }
  const withdrawn = !quorate && onLost === 'withdraw' && !replaced
  return { duties, amount, quorate, panicking, frozen, withdrawn }
}

/** New connections go to it, as far as the administrator is concerned. */
function takesNew({ admin, weight }: Candidate): boolean {
  return admin === 'ready' && weight > 0
}

/** Its health says something: it has been checked, and is not out of the pool by the administrator's word. */
function isJudged({ admin, decided, health }: Candidate): boolean {
  return admin !== 'maintenance' && (decided || health === 'up')
}

function isPanic(primaries: readonly Candidate[], { panic }: Pick<Rules, 'panic'>): boolean {
  if (panic === undefined) return false
  const judged = primaries.filter(isJudged)
  const healthy = judged.filter(({ health }) => health === 'up').length
  return judged.length > 0 && healthy * 100 < panic.minHealthyPercent * judged.length
}
