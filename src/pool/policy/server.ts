// A server of the pool: what callers and checks have said about it, and its places, one destination in each front.
import { AF_INET6 } from '../../address.js'
import type { Every } from '../../fields.js'
import type { HealthState } from '../../health/types.js'
import { type AdminState, endpointKey, type ServerSpec } from '../../servers.js'
import type { Destination, DestinationId } from '../../types.js'
import { type CheckedDestination, checkDestination } from '../../validate.js'
import type { Held, PoolServerState } from '../api.js'
import type { Settings } from '../config/options.js'
import { DestinationEntry, type Known } from '../state/entry.js'
import type { Front } from '../state/front.js'
import { type Candidate, type ServingState, servingAlone } from './assignment.js'
import { desiredWeight, effectiveWeight, type Intent } from './weight.js'

/** For people: the weight, or why there is none. */
export function held(known: Known<Destination>): Held {
  return typeof known === 'object' ? (known.weight ?? 1) : known
}

/** A destination with what every pool says of one. */
type Full = Destination &
  Required<Pick<Destination, 'weight' | 'upperThreshold' | 'lowerThreshold'>>

/** A destination as the pool writes it, and as the kernel wants it. */
interface Made {
  readonly destination: Full
  readonly checked: CheckedDestination
}

/** What was wanted last, so that it need not be made and checked anew. Fronts where it is the same share it. */
interface Cast {
  made: Made
}

/** The place of a server in one front. */
export interface Place {
  readonly front: Front
  /** Key of the destination. */
  readonly key: string
  readonly id: DestinationId
  readonly cast: Cast
  /** What is known of it: the front's, from the server's joining on. */
  entry: DestinationEntry
}

/** What the assignment makes of a server. Only the policy writes it. */
export interface Assigned {
  serving: ServingState
  /** It would serve, but too much has changed in this minute: its turn among those that wait. */
  turn: number | undefined
  slowStartFactor: number
  /** When slow start began, while it lasts: monotonic milliseconds. */
  slowStartAt: number | undefined
  /** It took connections at the last judgement, as far as health and administrator go. */
  took: boolean
  /** Its health when it was judged last. */
  judged: HealthState
}

/** What a check, or a caller in its place, has found. */
export interface Finding {
  readonly health: 'up' | 'down'
  /** Part of the weight, 0 to 1. */
  readonly factor: number
  readonly reason: string
  /** Its rise need not wait for its turn. */
  readonly urgent: boolean
}

export class Server implements Intent, Candidate {
  readonly key: string
  /** For health checkers, and as owner of destinations: another server under its key has another one. */
  readonly instance: symbol
  readonly address: string
  /** For checks: the server's, or that of the first front. */
  readonly port: number
  readonly places: readonly Place[]
  /** Serves only while the others are not enough. */
  readonly backup: boolean
  readonly assigned: Assigned
  #admin: AdminState
  #health: HealthState
  #weight: number
  #healthFactor = 1
  #decided = false
  #urgent = true
  #since = Date.now()
  #reason = ''
  #leaving = false
  #refused = false
  /** Resolves with the answer to the last submission that concerned it. Only the flips write it. */
  latest: Promise<unknown> = Promise.resolve()

  /** @throws TypeError, RangeError if the server does not fit every front */
  constructor(
    spec: ServerSpec,
    option: string,
    settings: Settings,
    fronts: readonly Front[],
    health: HealthState,
    backup = false,
  ) {
    this.address = spec.address
    this.port = spec.port ?? settings.port
    this.key = endpointKey(this.address, this.port)
    this.instance = Symbol(this.key)
    this.backup = backup
    this.#admin = spec.admin ?? 'ready'
    this.#health = health
    this.assigned = {
      serving: servingAlone({ health, waiting: false }),
      turn: undefined,
      slowStartFactor: 1,
      slowStartAt: undefined,
      took: false,
      judged: health,
    }
    const template = readTemplate(spec, settings)
    this.#weight = template.weight
    const casts = new Map<string, Cast>()
    this.places = fronts.map((front): Place => {
      const port = spec.port ?? front.spec.id.port ?? 0
      const address = addressFor(front, spec)
      const id = { address, port }
      const destination = { ...id, ...template }
      const checked = checkDestination(destination, option, front.spec.checked)
      const key = endpointKey(address, port)
      const cast = casts.get(key) ?? { made: { destination, checked } }
      casts.set(key, cast)
      return { front, key, id, cast, entry: new DestinationEntry(key, id) }
    })
  }

  get admin(): AdminState {
    return this.#admin
  }

  get health(): HealthState {
    return this.#health
  }

  /** As configured. */
  get weight(): number {
    return this.#weight
  }

  get healthFactor(): number {
    return this.#healthFactor
  }

  get serving(): ServingState {
    return this.assigned.serving
  }

  get slowStartFactor(): number {
    return this.assigned.slowStartFactor
  }

  get waiting(): boolean {
    return this.assigned.turn !== undefined
  }

  /** Has had its first verdict. */
  get decided(): boolean {
    return this.#decided
  }

  /** Its last rise does not wait: a person asks for it, or it is its first verdict. */
  get urgent(): boolean {
    return this.#urgent
  }

  /** For people: when its health or the administrator's word last changed. */
  get since(): number {
    return this.#since
  }

  get reason(): string {
    return this.#reason
  }

  get leaving(): boolean {
    return this.#leaving
  }

  get refused(): boolean {
    return this.#refused
  }

  /** Takes a finding. True if its health is another one now. */
  find({ health, factor, reason, urgent }: Finding): boolean {
    const changed = health !== this.#health
    if (changed) {
      this.#since = Date.now()
      this.#urgent = urgent || !this.#decided
    } else if (urgent) this.#urgent = true
    this.#health = health
    this.#healthFactor = factor
    this.#decided = true
    this.#reason = reason
    return changed
  }

  /** What it carries in the kernel decides what it is presumed to be. */
  presume(health: HealthState): void {
    this.#health = health
    this.assigned.judged = health
  }

  setAdmin(admin: AdminState): void {
    if (admin !== this.#admin) this.#since = Date.now()
    this.#admin = admin
  }

  setWeight(weight: number): void {
    this.#weight = weight
  }

  leave(): void {
    this.#leaving = true
  }

  /** The kernel takes it, or does not. True if that is news. */
  setRefused(refused: boolean): boolean {
    const news = refused !== this.#refused
    this.#refused = refused
    return news
  }

  /** What the kernel should hold; `as-is`: whatever it does. */
  wanted(place: Place): Destination | 'absent' | 'as-is' {
    const weight = desiredWeight(this, place.front.spec.onDown)
    if (typeof weight === 'string') return weight
    const { cast } = place
    const { destination, checked } = cast.made
    // Where one front is to have a weight, no other has a different one.
    if (destination.weight !== weight) {
      cast.made = {
        destination: withWeight(destination, weight),
        checked: checkedWithWeight(checked, weight),
      }
    }
    return cast.made.destination
  }

  /** It has the same places as another one of its name. */
  hasPlacesOf({ places }: Server): boolean {
    return this.places.every(({ key }, index) => key === places[index]!.key)
  }

  /** Takes over what is known of another one of its name, but for its places. */
  inherit(other: Server): void {
    this.#admin = other.#admin
    this.#health = other.#health
    this.#healthFactor = other.#healthFactor
    this.#decided = other.#decided
    this.#urgent = other.#urgent
    this.#since = other.#since
    this.#reason = other.#reason
    Object.assign(this.assigned, other.assigned)
  }

  /** Takes over weight and thresholds of another one. True if anything has changed. */
  become({ weight, places }: Server): boolean {
    const same = ({ cast }: Place, index: number) => {
      const { upperThreshold, lowerThreshold } = cast.made.destination
      const other = places[index]!.cast.made.destination
      return upperThreshold === other.upperThreshold && lowerThreshold === other.lowerThreshold
    }
    if (weight === this.#weight && this.places.every(same)) return false
    this.#weight = weight
    for (const [index, { cast }] of this.places.entries()) cast.made = places[index]!.cast.made
    return true
  }

  state(): PoolServerState {
    return {
      admin: this.#admin,
      health: this.#health,
      weight: this.#weight,
      effectiveWeight: effectiveWeight(this),
    }
  }
}
// Field by field: spreading takes several times as long, and this is in the path of every flip.
function withWeight(from: Full, weight: number): Full {
  const { address, port, forwarding, upperThreshold, lowerThreshold, tunnel } = from
  const plain = {
    address,
    port,
    weight,
    forwarding,
    upperThreshold,
    lowerThreshold,
  } satisfies Every<Omit<Destination, 'tunnel'>>
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
function addressFor({ spec: front }: Front, { address, secondAddress }: ServerSpec): string {
  if (secondAddress === undefined) return address
  const isIPv6 = front.checked.af === AF_INET6
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
