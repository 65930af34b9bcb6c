// Who serves, from what is known of all servers of a pool. Pure: the same state gives the same answer, and what was
// decided before comes in as an argument.
import type { HealthState } from '../../health/types.js'
import type { AdminState } from '../../servers.js'
import type { Rules } from '../config/rules.js'

/** What the assignment reads of a server. */
export interface Candidate {
  /** Its name: another one of its name takes its part over. */
  readonly key: string
  readonly admin: AdminState
  readonly health: HealthState
  /** Has had a verdict: before that, a server that is down is one that waits. */
  readonly decided: boolean
  /** Healthy, but it has to wait: too many changes in this minute. */
  readonly waiting: boolean
  /** As configured. */
  readonly weight: number
  readonly backup: boolean
  /** The kernel does not take it: it serves nobody, whatever is wanted of it. */
  readonly refused: boolean
}

/**
 * `as-is`: nothing has been decided about it, so that it stays as it was found. `tried`: nobody serves, and the kernel has refused
 * it, so that only trying shows whether it is what was missing; meanwhile it replaces nobody.
 */
export type ServingState = 'serves' | 'tried' | 'down' | 'as-is'

/** What has to be remembered of the last time. */
export interface Standing {
  /** The servers are enough; without a quorum, there is one. */
  readonly quorate: boolean
  /** So few are healthy that the checks are not believed. */
  readonly panicking: boolean
  /** Who served when the panic began, by key. */
  readonly frozen: ReadonlySet<string>
}

export interface Assignment<C> extends Standing {
  readonly serving: ReadonlyMap<C, ServingState>
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
export function first(adopts: boolean): Standing {
  return { quorate: adopts, panicking: false, frozen: new Set() }
}

/** What a server does if nobody else is looked at. */
export function servingAlone({
  health,
  waiting,
}: Pick<Candidate, 'health' | 'waiting'>): ServingState {
  if (health === 'unknown') return 'as-is'
  return health === 'up' && !waiting ? 'serves' : 'down'
}

/**
 * Who serves.
 *
 * A healthy backup comes before fail-open: where one can serve beside those that are left, nobody has to believe in
 * servers that fail their checks.
 *
 * @param served by key: serving states of the last time
 */
export function assign<C extends Candidate>(
  candidates: Iterable<C>,
  rules: Pick<Rules, 'quorum' | 'panic'>,
  last: Standing,
  served: ReadonlyMap<string, ServingState>,
): Assignment<C> {
  const all = [...candidates]
  const primaries = all.filter(({ backup }) => !backup)
  const backups = all.filter(({ backup }) => backup)
  const ready = backups.filter((one) => counts(one) && servingAlone(one) === 'serves')

  const few = isPanic(primaries, rules)
  const panicking = few && ready.length === 0
  let { frozen } = last
  if (!panicking) frozen = new Set()
  else if (!last.panicking) {
    const some = primaries.filter(({ key }) => served.get(key) === 'serves')
    frozen = new Set(some.map(({ key }) => key))
  }
  const failsOpen = (one: C) =>
    panicking &&
    isJudged(one) &&
    (one.health === 'down' || one.waiting) &&
    (one.waiting || rules.panic!.action === 'all-up' || frozen.has(one.key))

  const serving = new Map<C, ServingState>()
  for (const one of primaries) serving.set(one, failsOpen(one) ? 'serves' : servingAlone(one))

  const { up = 1, down = 1, unit = 'servers', onLost = 'keep' } = rules.quorum ?? {}
  let amount = 0
  for (const one of primaries) {
    if (serving.get(one) !== 'serves' || !counts(one)) continue
    amount += unit === 'weight' ? one.weight : 1
  }
  const quorate = amount >= (last.quorate ? down : up)

  const needed = !quorate || few
  const replaced = needed && ready.length > 0
  for (const one of backups) {
    const alone = servingAlone(one)
    // One that is refused replaces nobody, and is tried while it is needed.
    const called = replaced || (needed && one.refused)
    serving.set(one, alone === 'serves' && !called ? 'down' : alone)
  }
  if (!quorate && onLost !== 'keep') {
    for (const one of primaries) {
      if (serving.get(one) === 'serves') serving.set(one, one.refused ? 'tried' : 'down')
    }
  }
  const withdrawn = !quorate && onLost === 'withdraw' && !replaced
  return { serving, amount, quorate, panicking, frozen, withdrawn }
}

/** New connections go to it, as far as the administrator and the kernel are concerned. */
function counts({ admin, weight, refused }: Candidate): boolean {
  return admin === 'ready' && weight > 0 && !refused
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
