// Which losses have to wait: a front that carries traffic keeps somebody who takes it until somebody else does, for sure.
import { blocker, type Patience, type Standing } from '../../planner/hold.js'
import type { Server } from '../policy/server.js'
import type { DestinationEntry } from '../state/entry.js'
import type { Front } from '../state/front.js'
import { loses, type Step } from './steps.js'

/** Who loses: a server, on all of its fronts or on none; or a destination that nobody has declared, by key. */
export type Loser = Server | string

export function loserOf({ server, entry }: Step): Loser | undefined {
  return server ?? entry?.key
}

/** Which losers of some steps have to wait, among all servers of a pool. */
export type FindBlocked = (steps: readonly Step[]) => ReadonlyMap<Loser, DestinationEntry>

/**
 * The losers that have to wait, each with the destination that it waits for.
 *
 * @param steps all that is about to be sent
 * @param servers of the pool
 */
export function findBlocked(
  fronts: readonly Front[],
  servers: Iterable<Server>,
  steps: readonly Step[],
): Map<Loser, DestinationEntry> {
  const blocked = new Map<Loser, DestinationEntry>()
  const losing = steps.filter((step) => step.entry !== undefined && loses(step))
  if (losing.length === 0) return blocked
  const going = new Set(losing.map(({ entry }) => entry!))
  const standings = new Map<Front, Standing<DestinationEntry>>()
  const standing = (front: Front) => {
    let known = standings.get(front)
    if (known === undefined) {
      known = standingOf(front, fronts.indexOf(front), servers, going)
      standings.set(front, known)
    }
    return known
  }
  for (const step of losing) {
    const patience = patienceOf(step)
    if (patience === 'none') continue
    const first = blocker(patience, standing(step.front))
    if (first !== undefined) blocked.set(loserOf(step)!, first)
  }
  return blocked
}

/** Whether a flip of this server may take something away that has to stay for a while. */
export function mayHaveToWait({ leaving, health, serving, admin, weight }: Server): boolean {
  if (leaving) return true
  return health !== 'down' && (serving === 'down' || admin !== 'ready' || weight === 0)
}

function patienceOf({ server, entry }: Step): Patience {
  // Nobody is sent to one that has failed on purpose; and nobody is missed where nobody is sent to.
  if (server !== undefined && !server.leaving && server.health === 'down') return 'none'
  return entry!.sure === 'unknown' || entry!.takesConnections ? 'until-served' : 'none'
}

function standingOf(
  front: Front,
  at: number,
  servers: Iterable<Server>,
  going: ReadonlySet<DestinationEntry>,
): Standing<DestinationEntry> {
  if (front.withdrawn || front.entry.known === 'absent')
    return { missing: undefined, serves: false }
  let missing: DestinationEntry | undefined
  let serves = false
  for (const server of servers) {
    const place = server.places[at]!
    const { entry } = place
    if (server.serving === 'tried') continue
    const wanted = server.wanted(place)
    if (wanted === 'absent' || (wanted !== 'as-is' && wanted.weight === 0)) continue
    if (entry.takesConnections) serves ||= !going.has(entry)
    else if (wanted !== 'as-is' && !entry.isIgnored(wanted)) {
      // One whose answer is still to come, if there is one: it may be all that is waited for.
      if (missing === undefined || (entry.pending && !missing.pending)) missing = entry
    }
    if (serves) return { missing, serves }
  }
  for (const entry of front.destinations.values()) {
    if (entry.owner !== undefined || entry.isAbandoned || entry.known === 'absent') continue
    // It is not declared, and kept.
    serves ||= entry.takesConnections && !going.has(entry)
  }
  return { missing, serves }
}
