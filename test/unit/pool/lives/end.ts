// How a life has to end: each function throws what is wrong.
import type { DrainResult, PoolStatus } from '../../../../src/pool/api.js'
import type { AdminState } from '../../../../src/servers.js'
import type { AnyEvent } from '../watch.js'
import { type LifeOptions, REFUSED } from './life.js'

/** What a server should be, by what was said of it. */
export interface Said {
  health: string
  factor: number
  weight: number
  /** What it is known to be for whoever hears the events after this one. */
  readonly told: string
  readonly since: number
  /** The administrator's words, and drains, in order. */
  readonly words: (AdminState | Drained)[]
}

export interface Drained {
  outcome?: DrainResult['outcome'] | 'rejected'
  /** Another drain has begun before its end, and says what comes of both. */
  isFollowed?: boolean
}

/** Weights by server; absent: there is no such service. */
type Rows = Readonly<Record<string, number>> | undefined

const REFUSED_KEY = `${REFUSED}:53`

/** Each server is what was said of it, and serves accordingly. */
export function checkServers(
  { servers, quorum: quorate }: PoolStatus,
  said: ReadonlyMap<string, Said>,
  { quorum, backup, panic }: LifeOptions,
): void {
  const keeps = quorum === undefined || quorum.onLost === undefined || quorum.onLost === 'keep'
  for (const row of servers) {
    const { server, health, weight, admin, effectiveWeight, serves } = row
    const { words, factor, ...should } = said.get(server)!
    if (health !== should.health) throw new Error(`${server} is ${health}`)
    if (weight !== should.weight) throw new Error(`${server} has weight ${weight}`)
    const word = lastWord(words)
    if (word !== undefined && admin !== word) throw new Error(`${server}: ${admin}, not ${word}`)
    const full = weight === 0 ? 0 : Math.max(1, Math.round(weight * factor))
    const part = admin === 'ready' && serves ? full : 0
    // One that the kernel does not take serves nobody.
    const isTaken = row.error === undefined && server !== REFUSED_KEY
    if (isTaken && effectiveWeight !== part) {
      throw new Error(`${server} has ${effectiveWeight} of ${weight}, and should have ${part}`)
    }
    if (keeps && health === 'up' && admin === 'ready' && !serves && !row.backup && isTaken) {
      throw new Error(`${server} waits for ever`)
    }
  }
  const all = servers.filter((row) => !row.backup && row.admin === 'ready' && row.weight > 0)
  if (quorum === undefined && backup === undefined) {
    const ready = all.some(({ serves }) => serves)
    if (ready !== quorate) throw new Error(`quorum ${quorate}`)
  }
  if (quorum === undefined || !keeps || panic !== undefined) return
  const { length } = all.filter(({ serves }) => serves)
  if (length >= quorum.up ? !quorate : length < (quorum.down ?? quorum.up) && quorate) {
    throw new Error(`quorum ${quorate} with ${length} servers`)
  }
}

/** What the administrator's words, and drains, have come to; `undefined`: the kernel has had a say. */
function lastWord(words: Said['words']): string | undefined {
  let last: string = 'ready'
  for (const word of words) {
    if (typeof word === 'string') last = word
    else if (word.outcome === undefined) throw new Error('a drain has not ended')
    else if (word.outcome === 'rejected') return undefined
    else if (word.isFollowed) continue
    else if (word.outcome !== 'cancelled') last = 'maintenance'
  }
  return last
}

/** The table is what the servers are, but for what others have done and is only reported. */
export function checkTable(
  { servers, converged, quorum: quorate, missing }: PoolStatus,
  tables: Readonly<Record<string, Rows>>,
  events: readonly AnyEvent[],
  { drift, quorum }: LifeOptions,
): void {
  const reports = drift === 'report'
  const refused = servers.find(({ server }) => server === REFUSED_KEY)
  // Where a service is gone, and is left so, nobody has tried it.
  if (refused?.serves && refused.admin !== 'maintenance' && missing.length === 0) {
    throw new Error('a server that is refused serves')
  }
  const isReplaced = servers.some((row) => row.backup && row.serves && row.effectiveWeight > 0)
  const withdrawn = quorum?.onLost === 'withdraw' && !quorate && !isReplaced
  const wanted = Object.fromEntries(
    servers.flatMap(({ server, serves, admin, effectiveWeight }) =>
      serves && admin !== 'maintenance' ? [[server, effectiveWeight]] : [],
    ),
  )
  // While every server that would replace them in a service is refused, those that were there stay in all of them.
  const takes = (found: Rows) =>
    Object.entries(wanted).some(([key, weight]) => weight > 0 && (found?.[key] ?? 0) > 0)
  const isHeldBack =
    refused?.error !== undefined &&
    !(quorum?.onLost === 'refuse' && !quorate) &&
    !Object.values(tables).every(takes)
  if (!reports) {
    if (refused?.error === undefined && !converged) throw new Error('not converged')
    for (const { server, error } of servers) {
      if (server !== REFUSED_KEY && error !== undefined && !isHeldBack)
        throw new Error(`${server}: ${error}`)
    }
  }
  for (const [service, found] of Object.entries(tables)) {
    if (found === undefined) {
      if (withdrawn && missing.length === 0) continue
      if (reports && missing.includes(service) && isLeft(events, service, undefined)) continue
      throw new Error(`no ${service}`)
    }
    if (missing.includes(service)) throw new Error(`${service} is not missing`)
    if (withdrawn) {
      if (reports && isLeft(events, service, undefined)) continue
      throw new Error(`${service} is there`)
    }
    for (const key of new Set([...Object.keys(found), ...Object.keys(wanted)])) {
      const [is, should] = [found[key], wanted[key]]
      if (is === should) continue
      if (isHeldBack && !should) continue
      // Where one service is gone, its servers count as refused, and are in the other one all the same.
      if (reports && servers.some((row) => row.server === key && row.error !== undefined)) continue
      if (reports && isLeft(events, service, key, is)) continue
      throw new Error(`${service}: ${key} has ${is}, and should have ${should}`)
    }
  }
}

/** That it is so has been told, and that it is left so. */
function isLeft(
  events: readonly AnyEvent[],
  service: string,
  destination: string | undefined,
  weight?: number,
): boolean {
  const last = events.findLast(
    (event) =>
      event.name === 'drift' && event.service === service && event.destination === destination,
  )
  if (last?.name !== 'drift' || last.repaired) return false
  if (destination === undefined) return true
  if (last.found === 'missing') return weight === undefined
  return last.before !== undefined && 'weight' in last.before && last.before.weight === weight
}

/**
 * Events ascend, tell nothing twice, and have told how it ends.
 *
 * @param quorumAtFirst `undefined`: nobody watches it
 */
export function checkEvents(
  { servers, quorum, missing }: PoolStatus,
  events: readonly AnyEvent[],
  said: ReadonlyMap<string, Said>,
  quorumAtFirst: boolean | undefined,
): void {
  const told = new Map([...said].map(([server, { told }]) => [server, told]))
  const errors = new Map<string, number>()
  let toldQuorum = quorumAtFirst
  for (const [index, event] of events.entries()) {
    if (index > 0 && event.sequence !== events[index - 1]!.sequence + 1) {
      throw new Error('events do not ascend')
    }
    const { name, server = '' } = event
    if (name === 'quorum') {
      if (event.after === toldQuorum) throw new Error(`quorum ${toldQuorum} twice`)
      toldQuorum = event.after
    }
    if (name === 'error' && !event.reason?.startsWith('a listener')) {
      errors.set(server, (errors.get(server) ?? 0) + 1)
    }
    if (name !== 'up' && name !== 'down') continue
    const about = said.get(server)
    // What was told of one that has left is over.
    if (about === undefined || event.sequence <= about.since) continue
    if (told.get(server) === name) throw new Error(`${name} ${server} twice`)
    told.set(server, name)
  }
  for (const [server, count] of errors) {
    if (count > 20) throw new Error(`${count} errors of ${server}`)
  }
  if (missing.length > 0) return
  const fails = servers.some(({ error }) => error !== undefined)
  for (const { server, health, error } of servers) {
    if (error === undefined && told.get(server) !== health) {
      throw new Error(`${server} is ${health}, and nobody was told`)
    }
  }
  if (!fails && toldQuorum !== undefined && toldQuorum !== quorum)
    throw new Error(`quorum ${quorum}, and nobody was told`)
}
