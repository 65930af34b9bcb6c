// What is to be changed, from what is wanted and what is known. Pure: nothing is sent and nothing remembered here.
import { destinationDiff, type FieldDifference, serviceDiff } from '../../diff.js'
import type { Change, Destination, Service } from '../../types.js'
import type { CheckedChange } from '../../validate.js'
import type { Place, Server } from '../policy/server.js'
import type { DestinationEntry, Entry, Known } from '../state/entry.js'
import type { Front } from '../state/front.js'
import { destinationAfter } from '../state/state-cache.js'

/** What was found instead of the pool's own. */
export interface Drift {
  readonly service: string
  readonly destination?: string
  /** Key of the pool's server, if it is about one. */
  readonly server?: string
  readonly found: 'different' | 'missing' | 'unexpected'
  readonly differences: readonly FieldDifference[]
  readonly before: Service | Destination | undefined
  readonly after: Service | Destination | undefined
}

/** One change, and what it is about: a destination, or else a service. */
export interface Step {
  readonly change: Change
  /** It was made from checked parts. */
  readonly checked?: CheckedChange
  readonly front: Front
  readonly entry?: DestinationEntry
  /** Whose destination it is; absent for one that nobody has declared. */
  readonly server?: Server
  /** What the destination held before. */
  readonly was?: Known<Destination>
  readonly drift?: Drift | undefined
}

/** What a pass may do. */
export interface Pass {
  /** What is missing has not been there before: no drift. */
  readonly opening: boolean
  /** What is not declared stays. */
  readonly keepUndeclared: boolean
  /** Differences that are the pool's own doing. */
  readonly ours: ReadonlySet<Entry<Service> | DestinationEntry>
}

/** The kernel holds what is wanted of the place, as far as the pool knows. */
export function isPlaceInSync(server: Server, place: Place): boolean {
  const { entry, front } = place
  if (entry.owner !== server.instance) return !entry.isAbandoned || entry.known === 'absent'
  if (front.withdrawn) return isFrontInSync(front)
  const wanted = server.wanted(place)
  if (wanted === 'as-is') return true
  if (entry.isIgnored(wanted)) return true
  return entry.known !== 'unknown' && isSame(wanted, entry.known)
}

/** The destination is the server's to change: it has it, or has left it behind. */
export function isIts(server: Server, entry: DestinationEntry): boolean {
  return entry.owner === server.instance || (server.leaving && entry.isAbandoned)
}

/** Nobody knows whether what it has left is there, and nothing is under way that tells. */
export function isUnread(server: Server): boolean {
  const isIt = ({ pending, known }: DestinationEntry) => !pending && known === 'unknown'
  return server.places.some(({ entry }) => isIt(entry) && isIts(server, entry))
}

/** What it has left behind is not there, and cannot come back with a service that could not be taken away. */
export function isGone(server: Server): boolean {
  return isInSync(server) && !server.places.some(({ front }) => front.entry.pending)
}

export function isInSync(server: Server): boolean {
  for (const place of server.places) if (!isPlaceInSync(server, place)) return false
  return true
}

/** The service is as it should be, or is left as others have made it. */
export function isFrontInSync(front: Front): boolean {
  return front.entry.phase === 'ignored' || isServiceAsWanted(front)
}

export function isServiceAsWanted({ entry: { known }, service, withdrawn }: Front): boolean {
  if (withdrawn) return known === 'absent'
  return typeof known === 'object' && serviceDiff(service, known).length === 0
}

/**
 * The changes of one server over all fronts, next to each other.
 *
 * @param skip places that are not touched this time
 */
export function serverSteps(
  server: Server,
  strict: boolean,
  steps: Step[] = [],
  skip?: (entry: DestinationEntry, wanted: Destination | 'absent') => boolean,
): Step[] {
  for (const place of server.places) {
    const { front, entry, cast } = place
    // What a server that has left leaves behind has to go, unless another one has taken it over.
    if (!isIts(server, entry)) continue
    const wanted = server.wanted(place)
    if (wanted === 'as-is' || front.withdrawn) continue
    // What others have changed is seen by a read, and left or not there.
    if (strict && entry.isIgnored(wanted)) continue
    if (skip?.(entry, wanted)) continue
    const change = destinationChange(place, wanted, strict)
    if (change === undefined) continue
    const was = entry.known
    // Removals read nothing of it but its identity.
    const checked = { op: change.op, service: front.spec.checked, destination: cast.made.checked }
    steps.push({ change, checked: checked as CheckedChange, front, entry, server, was })
  }
  return steps
}

/**
 * The changes after a read of the kernel: services, then servers that gain, then servers that lose, then what is
 * not declared. Nothing leaves before what replaces it is there.
 */
export function plan(fronts: readonly Front[], servers: Iterable<Server>, pass: Pass): Step[] {
  const steps = fronts.flatMap((front) => serviceSteps(front, pass))
  const losing: Step[] = []
  for (const server of servers) {
    const own = serverSteps(server, false)
    const into = own.every(loses) ? losing : steps
    for (const step of own) into.push({ ...step, drift: serverDrift(step, pass) })
  }
  const undeclared = fronts.flatMap((front) => undeclaredSteps(front, pass))
  return [...steps, ...losing, ...undeclared.sort(byDestination)]
}

/**
 * The change that makes a destination what it should be. Strict, it fails if the kernel is not what the pool believes,
 * which is how a flip finds out without a read.
 */
function destinationChange(
  { front, entry, id }: Place,
  wanted: Destination | 'absent',
  strict: boolean,
): Change | undefined {
  const { known } = entry
  const service = front.spec.id
  const sure = strict && known !== 'unknown' && !entry.pendingBulk
  if (wanted === 'absent') {
    if (known === 'absent') return undefined
    const op = sure ? 'remove-destination' : 'ensure-no-destination'
    return { op, service, destination: id }
  }
  if (typeof known === 'object') {
    if (isSame(wanted, known)) return undefined
    const op = strict && !sure ? 'ensure-destination' : 'replace-destination'
    return { op, service, destination: wanted }
  }
  return { op: sure ? 'add-destination' : 'ensure-destination', service, destination: wanted }
}

/** What was written last is what is wanted, most of the time; and where not, the weight differs. */
function isSame(wanted: Destination | 'absent', known: Destination | 'absent'): boolean {
  if (wanted === known) return true
  if (wanted === 'absent' || known === 'absent') return false
  return wanted.weight === (known.weight ?? 1) && destinationDiff(wanted, known).length === 0
}

/** It takes connections away from a destination. */
export function loses({ change, was }: Step): boolean {
  if (change.op === 'remove-destination' || change.op === 'ensure-no-destination') return true
  if (change.op !== 'replace-destination') return false
  return change.destination.weight === 0 && typeof was === 'object' && was.weight !== 0
}

function serverDrift({ front, entry, server, change }: Step, pass: Pass): Drift | undefined {
  const { known } = entry!
  // With the whole service missing, its destinations are no news.
  if (known === 'unknown' || pass.ours.has(entry!) || front.entry.known === 'absent')
    return undefined
  const about = { service: front.key, destination: entry!.key, server: server!.key }
  const wanted = destinationAfter(change)
  if (known === 'absent') {
    if (pass.opening || wanted === 'absent') return undefined
    return { ...about, found: 'missing', differences: [], before: undefined, after: wanted }
  }
  if (wanted === 'absent') {
    return { ...about, found: 'unexpected', differences: [], before: known, after: undefined }
  }
  const differences = destinationDiff(wanted, known)
  return { ...about, found: 'different', differences, before: known, after: wanted }
}

function serviceSteps(front: Front, { opening, ours }: Pass): Step[] {
  const { service, withdrawn, entry } = front
  const { known } = entry
  if (isServiceAsWanted(front)) return []
  const own = ours.has(entry)
  const about = { service: front.key, after: withdrawn ? undefined : service }
  if (withdrawn) {
    const news = typeof known === 'object' && !own
    const drift: Drift = {
      ...about,
      found: 'unexpected',
      differences: [],
      before: news ? known : undefined,
    }
    const change: Change = { op: 'ensure-no-service', service: front.spec.id }
    return [{ change, front, drift: news ? drift : undefined }]
  }
  if (typeof known !== 'object') {
    const drift: Drift = { ...about, found: 'missing', differences: [], before: undefined }
    const news = known === 'absent' && !opening && !own
    return [{ change: { op: 'ensure-service', service }, front, drift: news ? drift : undefined }]
  }
  const differences = serviceDiff(service, known)
  const drift: Drift = { ...about, found: 'different', differences, before: known }
  return [{ change: { op: 'replace-service', service }, front, drift: own ? undefined : drift }]
}

/** All services out, or all of them back with their servers: without a read, and next to each other. */
export function withdrawalSteps(fronts: readonly Front[], servers: Iterable<Server>): Step[] {
  const services = fronts.map((front): Step => {
    const { withdrawn, service, spec } = front
    return withdrawn
      ? { change: { op: 'ensure-no-service', service: spec.id }, front }
      : { change: { op: 'ensure-service', service }, front }
  })
  return [...services, ...[...servers].flatMap((server) => serverSteps(server, false))]
}

function undeclaredSteps(front: Front, { keepUndeclared, ours }: Pass): Step[] {
  if (front.withdrawn) return []
  const steps: Step[] = []
  for (const [key, entry] of front.destinations) {
    const { known, id } = entry
    if (entry.owner !== undefined || known === 'absent') continue
    // What a server has left behind is not declared any more, but it is not kept either.
    const left = entry.isAbandoned
    if (keepUndeclared && !left) continue
    const change: Change = { op: 'ensure-no-destination', service: front.spec.id, destination: id }
    const drift: Drift | undefined =
      left || ours.has(entry) || typeof known !== 'object'
        ? undefined
        : {
            service: front.key,
            destination: key,
            found: 'unexpected',
            differences: [],
            before: known,
            after: undefined,
          }
    steps.push({ change, front, entry, was: known, drift })
  }
  return steps
}

/** Stable: the protocols of one server stay in their order. */
function byDestination(a: Step, b: Step): number {
  const left = a.entry?.key ?? ''
  const right = b.entry?.key ?? ''
  return left < right ? -1 : left > right ? 1 : 0
}
