// Text keys of services and destinations: one key per identity, however it is spelt.
import { type AddressBytes, AF_INET, AF_INET6, formatAddress, parseAddress } from './address.js'
import type { DestinationId, ServiceId } from './types.js'
import {
  type CheckedDestinationId,
  type CheckedServiceId,
  checkDestinationId,
  checkServiceId,
  PROTOCOLS,
} from './validate.js'

const PROTOCOL_NAMES = new Map([...PROTOCOLS].map(([name, number]) => [number, name]))

/**
 * The identity of a service as text: `tcp 192.0.2.1:53`, `udp [2001:db8::1]:53`, `fwmark 7 ipv4`. Two spellings of
 * one identity have one key; a whole `Service` or `ServiceStatus` will do as well.
 *
 * @throws TypeError, RangeError with code `ERR_IPVS_ARGUMENT` if it is not the identity of a service
 */
export function serviceKey(id: ServiceId): string {
  return checkedServiceKey(checkServiceId(id, 'service'))
}

/**
 * The identity of a destination inside its service as text: `10.1.0.1:53`, `[2001:db8::5]:53`.
 *
 * @throws TypeError, RangeError with code `ERR_IPVS_ARGUMENT` if it is not the identity of a destination
 */
export function destinationKey(id: DestinationId): string {
  return checkedDestinationKey(checkDestinationId(id, 'destination'))
}

/** Whether a row of the kernel is this destination. Unlike its key, that can be asked of any row. */
export function isDestination(row: DestinationId, id: DestinationId): boolean {
  return (
    row.port === id.port && row.address === parseAddress(id.address, 'destination.address').text
  )
}

/** {@link serviceKey} of what validation has returned. */
export function checkedServiceKey(id: CheckedServiceId): string {
  if (id.address === undefined) return `fwmark ${id.fwmark} ${id.af === AF_INET ? 'ipv4' : 'ipv6'}`
  return `${PROTOCOL_NAMES.get(id.protocol) ?? id.protocol} ${endpoint(id.af, id.address, id.port)}`
}

/** {@link destinationKey} of what validation has returned. */
export function checkedDestinationKey(id: CheckedDestinationId): string {
  return endpoint(id.af, id.address, id.port)
}

function endpoint(af: number, address: AddressBytes, port: number): string {
  const text = formatAddress(af, address)
  return af === AF_INET6 ? `[${text}]:${port}` : `${text}:${port}`
}
