// Where a check goes and from where: to the member itself, or to what the caller names in its place.
import { AF_INET, parseAddress } from '../../address.js'
import { rangeError, typeError } from '../../errors.js'
import { checkInteger } from '../../validate.js'
import type { HealthMember } from '../types.js'

/** Where a check asks. */
export interface CheckEndpoint {
  /** A literal IPv4 or IPv6 address. */
  readonly address: string
  /** 1 to 65535. */
  readonly port: number
}

/** The options that all checks over the network have. */
export interface CheckEndpointOptions {
  /** Port to check in place of the member's. Needed for members of a fwmark service with port 0. */
  readonly port?: number | undefined
  /** Another place to check on behalf of the member, such as its management address. Not together with `port`. */
  readonly connect?: CheckEndpoint | ((member: HealthMember) => CheckEndpoint) | undefined
  /**
   * The address of this host to check from, of the same family as what is checked. Default: the kernel chooses.
   * Node.js cannot set a mark or bind to an interface (SO_MARK, SO_BINDTODEVICE): route by this address instead.
   */
  readonly localAddress?: string | undefined
}

export const endpointOptionNames = ['port', 'connect', 'localAddress'] as const

/** Of one check. */
export interface CheckRoute extends CheckEndpoint {
  readonly localAddress?: string | undefined
}

/** @throws ArgumentError, here for bad options and later, for each check, for what does not fit the member. */
export function readEndpoint(
  options: Readonly<Record<(typeof endpointOptionNames)[number], unknown>>,
): (member: HealthMember) => CheckRoute {
  const endpointOf = readTarget(options.port, options.connect)
  if (options.localAddress === undefined) return endpointOf
  const local = parseAddress(options.localAddress, 'options.localAddress')
  const family = local.af === AF_INET ? 'IPv6' : 'IPv4'
  return (member) => {
    const endpoint = endpointOf(member)
    if (endpoint.address.includes(':') === (local.af === AF_INET)) {
      const rule = `an ${family} address, as that of ${formatEndpoint(endpoint)}`
      throw rangeError('options.localAddress', rule, local.text)
    }
    return { ...endpoint, localAddress: local.text }
  }
}

function readTarget(port: unknown, connect: unknown): (member: HealthMember) => CheckEndpoint {
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
