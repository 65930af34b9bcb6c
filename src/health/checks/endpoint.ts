// Where a check connects to: the member itself, or what the caller names in its place.
import { parseAddress } from '../../address.js'
import { typeError } from '../../errors.js'
import { checkInteger } from '../../validate.js'
import type { HealthMember } from '../types.js'

export interface CheckEndpoint {
  /** A literal IPv4 or IPv6 address. */
  readonly address: string
  /** 1 to 65535. */
  readonly port: number
}

export interface CheckEndpointOptions {
  /** Port to check in place of the member's. Needed for members of a fwmark service with port 0. */
  readonly port?: number | undefined
  /** Another place to check on behalf of the member, such as its management address. Not together with `port`. */
  readonly connect?: CheckEndpoint | ((member: HealthMember) => CheckEndpoint) | undefined
}

/** @throws ArgumentError, here for bad options and later, for each check, for what a function returns. */
export function readEndpoint(
  port: unknown,
  connect: unknown,
): (member: HealthMember) => CheckEndpoint {
  if (connect === undefined) {
    const fixed = port === undefined ? undefined : checkInteger(port, 'options.port', 1, 65_535)
    return (member) => ({
      address: member.address,
      port: fixed ?? checkInteger(member.port, 'member.port, without options.port,', 1, 65_535),
    })
  }
  if (port !== undefined)
    throw typeError('options.port', 'left out: options.connect has a port', port)
  if (typeof connect === 'function') return (member) => checkEndpoint(connect(member))
  const endpoint = checkEndpoint(connect)
  return () => endpoint
}

/** As in `10.1.0.1:53` or `[2001:db8::1]:53`. */
export function formatEndpoint({ address, port }: CheckEndpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function checkEndpoint(value: unknown): CheckEndpoint {
  if (typeof value !== 'object' || value === null || !('address' in value) || !('port' in value)) {
    throw typeError('options.connect', '{ address, port } or a function that returns it', value)
  }
  return {
    address: parseAddress(value.address, 'options.connect.address').text,
    port: checkInteger(value.port, 'options.connect.port', 1, 65_535),
  }
}
