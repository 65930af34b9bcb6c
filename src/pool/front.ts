// A front: one service of the pool.
import { parseAddress } from '../address.js'
import { rangeError, typeError } from '../errors.js'
import { serviceKey } from '../identity.js'
import type { Destination, Protocol, Service, ServiceId } from '../types.js'
import {
  type CheckedServiceId,
  checkName,
  checkOptions,
  checkServiceId,
  PROTOCOLS,
} from '../validate.js'
import type { Seat } from './member.js'
import type { DownAction } from './types.js'

export interface Front {
  readonly key: string
  readonly id: ServiceId
  readonly checked: CheckedServiceId
  readonly onDown: DownAction
  /** The service has to be absent: the quorum is lost. */
  withdrawn: boolean
  /** As it should be. Final when the pool has read the kernel for the first time (`onePacket`). */
  service: Service
  /** What the kernel holds, as far as the pool knows. */
  known: Service | 'absent' | 'unknown'
  /** Of the last submission or answer: a read that was requested earlier says nothing about it. */
  version: number
  /** Of the last submission: only its answer tells what the kernel holds. */
  ticket: number
  /** What others have made of it and is left so. */
  left: Front['known'] | undefined
  /** A difference may be our own doing: writing it has failed. */
  doubt: boolean
  /** Why the service could not be written, until it could. */
  error: Error | undefined
  /** The servers' places, by key of the destination; those of leaving servers too. */
  readonly seats: Map<string, Seat>
  /** Destinations that are no servers of the pool, by key, as last seen. */
  undeclared: Map<string, Destination>
  /** Those of them that are left alone. */
  spared: Set<string>
}

export type FrontId = Pick<Front, 'id' | 'key' | 'checked'>

/** Reads `fronts`, or `address`, `port` and `protocols` in place of it. */
export function readFronts(
  fields: Readonly<Record<'address' | 'port' | 'protocols' | 'fronts', unknown>>,
): FrontId[] {
  if (fields.fronts === undefined) {
    const { address, port, protocols } = fields
    return unique([...readFront({ address, port, protocols }, 'options')])
  }
  for (const name of ['address', 'port', 'protocols'] as const) {
    if (fields[name] === undefined) continue
    throw typeError(`options.${name}`, 'left out: it belongs into options.fronts', fields[name])
  }
  const { fronts } = fields
  if (!Array.isArray(fronts)) {
    const rule = 'an array of { address, port, protocols? } or { fwmark, family? }'
    throw typeError('options.fronts', rule, fronts)
  }
  if (fronts.length === 0) throw rangeError('options.fronts', 'at least one front', fronts)
  return unique(fronts.flatMap((front, index) => [...readFront(front, `options.fronts[${index}]`)]))
}

function* readFront(value: unknown, option: string): Generator<FrontId> {
  const fields = checkOptions(value ?? null, option, [
    'address',
    'port',
    'protocols',
    'fwmark',
    'family',
  ])
  const { address, port, protocols = ['tcp', 'udp'], fwmark, family } = fields
  if (fwmark !== undefined) {
    for (const name of ['address', 'port', 'protocols'] as const) {
      if (fields[name] === undefined) continue
      const rule = 'left out: a front has either a fwmark, or address and port'
      throw typeError(`${option}.${name}`, rule, fields[name])
    }
    yield frontId({ fwmark, family: family ?? 'ipv4' }, option)
    return
  }
  if (!Array.isArray(protocols)) {
    throw typeError(`${option}.protocols`, "an array such as ['tcp', 'udp']", protocols)
  }
  if (protocols.length === 0) {
    throw rangeError(`${option}.protocols`, 'at least one protocol, or left out', protocols)
  }
  const text = parseAddress(address, `${option}.address`).text
  for (const [index, protocol] of protocols.entries()) {
    checkName(protocol, `${option}.protocols[${index}]`, PROTOCOLS)
    yield frontId({ protocol, address: text, port, family }, option)
  }
}

function frontId(fields: Record<string, unknown>, option: string): FrontId {
  const checked = checkServiceId(fields, option)
  const { family, ...rest } = fields
  const id = (family === undefined ? rest : fields) as unknown as ServiceId
  return { id, key: serviceKey(id), checked }
}

function unique(fronts: FrontId[]): FrontId[] {
  const keys = new Set<string>()
  for (const { key } of fronts) {
    if (keys.has(key)) {
      throw rangeError('options.fronts', `without duplicates: ${key} is there twice`, key)
    }
    keys.add(key)
  }
  return fronts
}

/** What packets of a front's clients can be: a mark does not say. */
export function carries({ id }: FrontId, protocol: Protocol): boolean {
  return id.fwmark !== undefined || id.protocol === protocol
}
