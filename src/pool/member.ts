// A server of the pool and its seats: one destination in each front.
import type { HealthState } from '../health/types.js'
import type { Destination, DestinationId } from '../types.js'
import { checkDestination } from '../validate.js'
import { desiredWeight, effectiveWeight, type Intent } from './desired.js'
import type { Front } from './front.js'
import type { Settings } from './options.js'
import { endpointKey, type ServerSpec } from './servers.js'
import type { AdminState, Held, PoolServerState } from './types.js'

export type Known = Destination | 'absent' | 'unknown'

/** For people: the weight, or why there is none. */
export function held(known: Known): Held {
  return typeof known === 'object' ? (known.weight ?? 1) : known
}

/** The place of a server in one front. */
export interface Seat {
  readonly front: Front
  readonly member: Member
  /** Key of the destination. */
  readonly key: string
  readonly id: DestinationId
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
  /** A difference may be our own doing: writing it has failed. */
  doubt: boolean
}

/** An event that waits until the kernel holds what it says. */
export interface Owed {
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

export class Member implements Intent {
  readonly key: string
  readonly address: string
  /** For checks: the server's, or that of the first front. */
  readonly port: number
  readonly seats: readonly Seat[]
  admin: AdminState = 'ready'
  health: HealthState
  weight: number
  factor = 1
  leaving = false
  /** Has had its first verdict. */
  decided = false
  since = Date.now()
  reason = ''
  /** The change that has failed, until it is repaired. */
  error: Error | undefined
  /** Its fronts disagree, and that has been said. */
  diverged = false
  owed: Owed | undefined
  /** The last submission that concerned it. Never rejects. */
  latest: Promise<unknown> = Promise.resolve()
  readonly #template: Omit<Destination, 'address' | 'port' | 'weight'>

  /** @throws TypeError, RangeError if the server does not fit every front */
  constructor(spec: ServerSpec, option: string, settings: Settings, health: HealthState) {
    this.address = spec.address
    this.port = spec.port ?? settings.port
    this.key = endpointKey(this.address, this.port)
    this.health = health
    const { weight, ...template } = readTemplate(spec, settings)
    this.#template = template
    this.weight = weight
    this.seats = settings.fronts.map((front): Seat => {
      const port = spec.port ?? front.id.port ?? 0
      const id = { address: this.address, port }
      checkDestination({ ...id, ...template, weight }, option, front.checked)
      return {
        front,
        member: this,
        key: endpointKey(this.address, port),
        id,
        known: 'unknown',
        pending: 0,
        overtakable: 0,
        version: 0,
        ticket: 0,
        doubt: false,
      }
    })
  }

  /** What the kernel should hold; `as-is`: whatever it does. */
  wanted(seat: Seat): Destination | 'absent' | 'as-is' {
    const weight = desiredWeight(this, seat.front.onDown)
    return typeof weight === 'string' ? weight : { ...seat.id, ...this.#template, weight }
  }

  state(): PoolServerState {
    const { admin, health, weight } = this
    return { admin, health, weight, effectiveWeight: effectiveWeight(this) }
  }
}

type Template = Required<Pick<Destination, 'weight'>> &
  Omit<Destination, 'address' | 'port' | 'weight'>

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
