// What is to be changed, from what is wanted and what is known. Pure: nothing is sent and nothing remembered here.
import { destinationDiff, type FieldDifference, serviceDiff } from '../diff.js'
import type { Change, Destination, Service } from '../types.js'
import type { CheckedChange } from '../validate.js'
import type { Front } from './front.js'
import type { Known, Member, Seat } from './member.js'

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

/** One change, and what it is about: a seat, or else a service or an undeclared destination. */
export interface Step {
  readonly change: Change
  /** Of a seat's change: it was made from checked parts. */
  readonly checked?: CheckedChange
  readonly front: Front
  readonly seat?: Seat
  /** What the seat held before. */
  readonly was?: Known
  readonly drift?: Drift | undefined
}

/** The kernel holds what is wanted of the seat, as far as the pool knows. */
export function seatHolds(seat: Seat): boolean {
  if (seat.taken) return true
  if (seat.front.withdrawn) return seat.front.known === 'absent'
  if (isLeft(seat)) return true
  return seat.known !== 'unknown' && seatChange(seat, false) === undefined
}

/** Others have changed it, that was only reported, and nothing else has been wanted since. */
function isLeft(seat: Seat): boolean {
  const { left, known, member } = seat
  return left !== undefined && left.known === known && left.wanted === member.wanted(seat)
}

/** The service is as it should be, or is left as others have made it. */
export function frontHolds(front: Front): boolean {
  return front.left === front.known || isAsWanted(front)
}

function isAsWanted({ known, service, withdrawn }: Front): boolean {
  if (withdrawn) return known === 'absent'
  return typeof known === 'object' && serviceDiff(service, known).length === 0
}

/** The changes of one server over all fronts, next to each other. */
export function memberSteps(member: Member, strict: boolean, steps: Step[] = []): Step[] {
  for (const seat of member.seats) {
    // What others have changed is seen by a read, and left or not there.
    if (strict && isLeft(seat)) continue
    const change = seatChange(seat, strict)
    if (change === undefined) continue
    const { front, known: was, place } = seat
    // Removals read nothing of it but its identity.
    const checked = { op: change.op, service: front.checked, destination: place.made.checked }
    steps.push({ change, checked: checked as CheckedChange, front, seat, was })
  }
  return steps
}

/**
 * The changes after a read of the kernel: services, then servers that gain, then servers that lose, then what is
 * not declared. Nothing leaves before what replaces it is there.
 *
 * @param opening what is missing has not been there before: no drift
 * @param hold what is not declared stays
 */
export function plan(
  fronts: readonly Front[],
  members: Iterable<Member>,
  { opening, hold }: { readonly opening: boolean; readonly hold: boolean },
): Step[] {
  const steps = fronts.flatMap((front) => serviceSteps(front, opening))
  const losing: Step[] = []
  for (const member of members) {
    const own = memberSteps(member, false)
    const into = own.every(loses) ? losing : steps
    for (const step of own) into.push({ ...step, drift: seatDrift(step.seat!, opening) })
  }
  const undeclared = hold ? [] : fronts.flatMap(undeclaredSteps)
  return [...steps, ...losing, ...undeclared.sort(byDestination)]
}

/**
 * The change that makes a seat what it should be. Strict, it fails if the kernel is not what the pool believes,
 * which is how a flip finds out without a read.
 */
function seatChange(seat: Seat, strict: boolean): Change | undefined {
  const { known, front, id } = seat
  if (seat.taken || front.withdrawn) return undefined
  const wanted = seat.member.wanted(seat)
  if (wanted === 'as-is') return undefined
  const service = front.id
  const sure = strict && known !== 'unknown' && seat.overtakable === 0
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
function isSame(wanted: Destination, known: Destination): boolean {
  if (wanted === known) return true
  return wanted.weight === (known.weight ?? 1) && destinationDiff(wanted, known).length === 0
}

function loses({ change, was }: Step): boolean {
  if (change.op === 'remove-destination' || change.op === 'ensure-no-destination') return true
  if (change.op !== 'replace-destination') return false
  return change.destination.weight === 0 && typeof was === 'object' && was.weight !== 0
}

function seatDrift(seat: Seat, opening: boolean): Drift | undefined {
  const { front, known } = seat
  // With the whole service missing, its destinations are no news.
  if (known === 'unknown' || seat.doubt || front.known === 'absent') return undefined
  const about = { service: front.key, destination: seat.key, server: seat.member.key }
  const wanted = seat.member.wanted(seat) as Destination | 'absent'
  if (known === 'absent') {
    if (opening) return undefined
    return {
      ...about,
      found: 'missing',
      differences: [],
      before: undefined,
      after: wanted as Destination,
    }
  }
  if (wanted === 'absent') {
    return { ...about, found: 'unexpected', differences: [], before: known, after: undefined }
  }
  const differences = destinationDiff(wanted, known)
  return { ...about, found: 'different', differences, before: known, after: wanted }
}

function serviceSteps(front: Front, opening: boolean): Step[] {
  const { known, service, doubt, withdrawn } = front
  if (isAsWanted(front)) return []
  const about = { service: front.key, after: withdrawn ? undefined : service }
  if (withdrawn) {
    const news = typeof known === 'object' && !doubt
    const drift: Drift = {
      ...about,
      found: 'unexpected',
      differences: [],
      before: news ? known : undefined,
    }
    const change: Change = { op: 'ensure-no-service', service: front.id }
    return [{ change, front, drift: news ? drift : undefined }]
  }
  if (typeof known !== 'object') {
    const drift: Drift = { ...about, found: 'missing', differences: [], before: undefined }
    const news = known === 'absent' && !opening && !doubt
    return [{ change: { op: 'ensure-service', service }, front, drift: news ? drift : undefined }]
  }
  const differences = serviceDiff(service, known)
  const drift: Drift = { ...about, found: 'different', differences, before: known }
  return [{ change: { op: 'replace-service', service }, front, drift: doubt ? undefined : drift }]
}

/** All services out, or all of them back with their servers: without a read, and next to each other. */
export function withdrawalSteps(fronts: readonly Front[], members: Iterable<Member>): Step[] {
  const services = fronts.map((front): Step => {
    const { withdrawn, service, id } = front
    return withdrawn
      ? { change: { op: 'ensure-no-service', service: id }, front }
      : { change: { op: 'ensure-service', service }, front }
  })
  const servers = [...members].flatMap((member) => memberSteps(member, false))
  return [...services, ...servers]
}

function undeclaredSteps(front: Front): Step[] {
  if (front.withdrawn) return []
  return [...front.undeclared].map(([key, seen]): Step => {
    const destination = { address: seen.address, port: seen.port }
    return {
      change: { op: 'ensure-no-destination', service: front.id, destination },
      front,
      drift: {
        service: front.key,
        destination: key,
        found: 'unexpected',
        differences: [],
        before: seen,
        after: undefined,
      },
    }
  })
}

/** Stable: the protocols of one server stay in their order. */
function byDestination(a: Step, b: Step): number {
  const left = a.drift?.destination ?? ''
  const right = b.drift?.destination ?? ''
  return left < right ? -1 : left > right ? 1 : 0
}
