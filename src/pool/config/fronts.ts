// The fronts: one service of the pool each.
import { parseAddress } from '../../address.js'
import { rangeError, typeError } from '../../errors.js'
import { serviceKey } from '../../identity.js'
import type { Protocol, Service, ServiceId } from '../../types.js'
import {
  type CheckedServiceId,
  checkName,
  checkOptions,
  checkServiceId,
  PROTOCOLS,
} from '../../validate.js'
import type { DownAction } from '../api.js'

/** Which service it is. */
export interface FrontId {
  readonly key: string
  readonly id: ServiceId
  readonly checked: CheckedServiceId
}

/** A front as the caller asked for it. */
export interface FrontSpec extends FrontId {
  readonly onDown: DownAction
  readonly service: Service
}

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
    throw typeError(`options.${name}`, 'left out: it belongs in options.fronts', fields[name])
  }
  const { fronts } = fields
  if (!Array.isArray(fronts)) {
    const rule = 'an array of { address, port, protocols? } or { fwmark, family? }'
    throw typeError('options.fronts', rule, fronts)
  }
  if (fronts.length === 0) throw rangeError('options.fronts', 'at least one front', fronts)
  // By index: a hole must not pass.
  const read = Array.from(fronts, (front, index) => [
    ...readFront(front, `options.fronts[${index}]`),
  ])
  return unique(read.flat())
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
