// A server of the pool and its seats: one destination in each front.
import { AF_INET6 } from '../address.js'
import type { HealthState } from '../health/types.js'
import { endpointKey, type ServerSpec } from '../servers.js'
import type { Destination, DestinationId } from '../types.js'
import { type CheckedDestination, checkDestination } from '../validate.js'
import { desiredWeight, effectiveWeight, type Intent } from './desired.js'
import type { Front } from './front.js'
import type { Settings } from './options.js'
import { type Candidate, type Duty, dutyOf } from './roster.js'
import type { AdminState, Held, PoolServerState } from './types.js'

export type Known = Destination | 'absent' | 'unknown'

/** For people: the weight, or why there is none. */
export function held(known: Known): Held {
  return typeof known === 'object' ? (known.weight ?? 1) : known
}

/** A destination with what every pool says of one. */
type Full = Destination &
  Required<Pick<Destination, 'weight' | 'upperThreshold' | 'lowerThreshold'>>

/** A destination as the pool writes it, and as the kernel wants it. */
export interface Made {
  readonly destination: Full
  readonly checked: CheckedDestination
}

/** A destination of the server. Fronts that have it under the same address and port share what is made of it. */
interface Place {
  /** What was wanted last, so that it need not be made and checked anew. */
  made: Made
}

/** The place of a server in one front. */
export interface Seat {
  readonly front: Front
  readonly member: Member
  /** Key of the destination. */
  readonly key: string
  readonly id: DestinationId
  readonly place: Place
  /** Another server has taken it over, because this one is leaving. */
  taken: boolean
  /** What the kernel holds, as far as the pool knows: changes count from their submission on. */
  known: Known
  /** Changes under way. */
  pending: number
  /** Those among them that a flip goes past, so that what they assume need not be there yet. */
  overtakable: number
  /** Of the last submission or answer: a read that was requested earlier says nothing about this seat. */
  version: number
  /** Of the last submission: only its answer tells what the kernel holds. */
  ticket: number
  /** What others have made of it and is left so, and what was wanted then. */
  left: { readonly known: Known; readonly wanted: Destination | 'absent' } | undefined
  /** A call that changes it has failed: it is to be done whatever others want. */
  due: boolean
  /** A difference may be our own doing: writing it has failed. */
  doubt: boolean
}

/** An event that waits until the kernel holds what it says. */
export interface Owed {
  /** Which of the member's changes it is. */
  readonly order: number
  readonly name: 'up' | 'down'
  readonly event: {
    readonly server: string
    readonly cause: 'call' | 'health'
    readonly reason?: string
    readonly initial: boolean
    readonly before: PoolServerState
    readonly after: PoolServerState
  }
}

export class Member implements Intent, Candidate {
  readonly key: string
  /** For health checkers: another server under its key has another one. */
  readonly instance = Symbol('server')
  readonly address: string
  /** For checks: the server's, or that of the first front. */
  readonly port: number
  readonly seats: readonly Seat[]
  admin: AdminState = 'ready'
  health: HealthState
  duty: Duty
  weight: number
  factor = 1
  ramp = 1
  /** Serves only while the others are not enough. */
  readonly backup: boolean
  waiting = false
  /** It took connections at the last judgement, as far as health and administrator go. */
  takes = false
  /** When slow start began, while it lasts: monotonic milliseconds. */
  rising: number | undefined
  leaving = false
  /** Has had its first verdict. */
  decided = false
  /** Changes of its health so far, and which of them was told last. */
  verdicts = 0
  told = 0
  since = Date.now()
  reason = ''
  /** The change that has failed, until it is repaired. */
  error: Error | undefined
  /** Its fronts disagree, and that has been said. */
  diverged = false
  /** Resolves with the answer to the last submission that concerned it. */
  latest: Promise<unknown> = Promise.resolve()

  /** @throws TypeError, RangeError if the server does not fit every front */
  constructor(
    spec: ServerSpec,
    option: string,
    settings: Settings,
    health: HealthState,
    backup = false,
  ) {
    this.address = spec.address
    this.port = spec.port ?? settings.port
    this.key = endpointKey(this.address, this.port)
    this.health = health
    this.duty = dutyOf(this)
    this.backup = backup
    const template = readTemplate(spec, settings)
    this.weight = template.weight
    const places = new Map<string, Place>()
    this.seats = settings.fronts.map((front): Seat => {
      const port = spec.port ?? front.id.port ?? 0
      const address = addressFor(front, spec)
      const id = { address, port }
      const destination = { ...id, ...template }
      const checked = checkDestination(destination, option, front.checked)
      const key = endpointKey(address, port)
      const place = places.get(key) ?? { made: { destination, checked } }
      places.set(key, place)
      return {
        front,
        member: this,
        key,
        id,
        place,
        taken: false,
        known: 'unknown',
        pending: 0,
        overtakable: 0,
        version: 0,
        ticket: 0,
        left: undefined,
        due: false,
        doubt: false,
      }
    })
  }

  /** What the kernel should hold; `as-is`: whatever it does. */
  wanted(seat: Seat): Destination | 'absent' | 'as-is' {
    const weight = desiredWeight(this, seat.front.onDown)
    if (typeof weight === 'string') return weight
    const { place } = seat
    const { destination, checked } = place.made
    // Where one front is to have a weight, no other has a different one.
    if (destination.weight !== weight) {
      place.made = {
        destination: withWeight(destination, weight),
        checked: checkedWithWeight(checked, weight),
      }
    }
    return place.made.destination
  }

  /** It has the same places as another one of its name. */
  hasSeatsOf({ seats }: Member): boolean {
    return this.seats.every(({ key }, index) => key === seats[index]!.key)
  }

  /** Takes over what is known of another one of its name, but for its places. */
  inherit(other: Member): void {
    this.admin = other.admin
    this.health = other.health
    this.duty = other.duty
    this.factor = other.factor
    this.ramp = other.ramp
    this.rising = other.rising
    this.takes = other.takes
    this.waiting = other.waiting
    this.decided = other.decided
    this.verdicts = other.verdicts
    this.told = other.told
    this.since = other.since
    this.reason = other.reason
  }

  /** Takes over weight and thresholds of another one. True if anything has changed. */
  become({ weight, seats }: Member): boolean {
    const same = (seat: Seat, index: number) => {
      const { upperThreshold, lowerThreshold } = seat.place.made.destination
      const other = seats[index]!.place.made.destination
      return upperThreshold === other.upperThreshold && lowerThreshold === other.lowerThreshold
    }
    if (weight === this.weight && this.seats.every(same)) return false
    this.weight = weight
    for (const [index, seat] of this.seats.entries()) seat.place.made = seats[index]!.place.made
    return true
  }

  state(): PoolServerState {
    const { admin, health, weight } = this
    return { admin, health, weight, effectiveWeight: effectiveWeight(this) }
  }
}

// Field by field: spreading takes several times as long, and this is in the path of every flip.
function withWeight(from: Full, weight: number): Full {
  const { address, port, forwarding, upperThreshold, lowerThreshold, tunnel } = from
  const plain = { address, port, weight, forwarding, upperThreshold, lowerThreshold }
  return tunnel === undefined ? plain : { ...plain, tunnel }
}

function checkedWithWeight(from: CheckedDestination, weight: number): CheckedDestination {
  return {
    af: from.af,
    address: from.address,
    port: from.port,
    method: from.method,
    weight,
    upperThreshold: from.upperThreshold,
    lowerThreshold: from.lowerThreshold,
    tunnelType: from.tunnelType,
    tunnelPort: from.tunnelPort,
    tunnelFlags: from.tunnelFlags,
  }
}

/** The address of the front's family, if the server has one. */
function addressFor({ checked }: Front, { address, secondAddress }: ServerSpec): string {
  if (secondAddress === undefined) return address
  const isIPv6 = checked.af === AF_INET6
  return address.includes(':') === isIPv6 ? address : secondAddress
}

type Template = Omit<Full, 'address' | 'port'>

/** Not checked yet: what is wrong with it shows where it meets a front. */
function readTemplate(spec: ServerSpec, { forwarding, tunnel }: Settings): Template {
  const { weight = 1, upperThreshold = 0, lowerThreshold = 0 } = spec
  const thresholds = { upperThreshold, lowerThreshold }
  const template = {
    weight,
    forwarding,
    ...thresholds,
    ...(tunnel === undefined ? {} : { tunnel }),
  }
  return template as Template
}
