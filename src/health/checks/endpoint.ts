// Where a check goes and from where: to the member itself, or to what the caller names in its place.
import { AF_INET, parseAddress } from '../../address.js'
import { rangeError, typeError } from '../../errors.js'
import type { NamespaceSpec } from '../../kernel/addon.js'
import { type Netns, readNetns } from '../../netns.js'
import { checkInteger, checkOptions } from '../../validate.js'
import type { HealthMember } from '../types.js'

/** Where a check asks. */
export interface CheckEndpoint {
  /** A literal IPv4 or IPv6 address. */
  readonly address: string
  /** 1 to 65535. */
  readonly port: number
}

/**
 * Where a check connects to, and through what. With `mark`, `device` or `netns` its sockets are opened by the native part of
 * this package; what the kernel refuses, for want of a capability or of a device, is `unknown`: it says nothing about the server.
 */
export interface CheckConnect {
  /** A literal IPv4 or IPv6 address to check on behalf of the member. Default: the member's. */
  readonly address?: string | undefined
  /** 1 to 65535. Default: `port` of the check, else the member's. */
  readonly port?: number | undefined
  /**
   * Firewall mark of the packets (SO_MARK), for `ip rule` and IPVS: 0 to 4294967295. Needs CAP_NET_ADMIN, or since Linux 5.17
   * CAP_NET_RAW (net/core/sock.c: sk_setsockopt). Default: none.
   */
  readonly mark?: number | undefined
  /**
   * Interface that the packets leave and come by (SO_BINDTODEVICE), such as `eth1`: 1 to 15 bytes. Before Linux 5.7 it needs
   * CAP_NET_RAW (net/core/sock.c: sock_bindtoindex_locked). Default: any.
   */
  readonly device?: string | undefined
  /**
   * Network namespace to check from, as for `Ipvs.open`; looked up anew for each check. That of an open file has to stay
   * open. Needs CAP_SYS_ADMIN (net/core/net_namespace.c: netns_install). Default: that of this process.
   */
  readonly netns?: Netns | undefined
}

/** The options that all checks over the network have. */
export interface CheckEndpointOptions {
  /** Port to check, 1 to 65535. Default: the member's. Needed for members of a fwmark service with port 0. */
  readonly port?: number | undefined
  /** Another place to check on behalf of the member, such as its management address, or the way to it. Default: the member. */
  readonly connect?: CheckConnect | ((member: HealthMember) => CheckConnect) | undefined
  /** The address of this host to check from, of the same family as what is checked. Default: the kernel chooses. */
  readonly localAddress?: string | undefined
}

export const endpointOptionNames = ['port', 'connect', 'localAddress'] as const

/** What Node.js cannot open a socket with. */
export interface SocketOptions {
  readonly mark: number | undefined
  readonly device: string | undefined
  readonly where: NamespaceSpec
}

/** Of one check. */
export interface CheckRoute extends CheckEndpoint {
  readonly localAddress?: string | undefined
  /** Left out: any socket will do. */
  readonly socket?: SocketOptions | undefined
}

type RouteOf = (member: HealthMember) => CheckRoute

/**
 * @param memberPort in place of the member's own, which may have none
 * @throws ArgumentError, here for bad options and later, for each check, for what does not fit the member.
 */
export function readEndpoint(
  options: Readonly<Record<(typeof endpointOptionNames)[number], unknown>>,
  memberPort?: number,
): RouteOf {
  const routeOf = readTarget(options.port, options.connect, memberPort)
  if (options.localAddress === undefined) return routeOf
  const local = parseAddress(options.localAddress, 'options.localAddress')
  const family = local.af === AF_INET ? 'IPv6' : 'IPv4'
  return (member) => {
    const route = routeOf(member)
    if (route.address.includes(':') === (local.af === AF_INET)) {
      const rule = `an ${family} address, as that of ${formatEndpoint(route)}`
      throw rangeError('options.localAddress', rule, local.text)
    }
    return { ...route, localAddress: local.text }
  }
}

function readTarget(port: unknown, connect: unknown, memberPort: number | undefined): RouteOf {
  const fixed = port === undefined ? undefined : checkInteger(port, 'options.port', 1, 65_535)
  if (typeof connect !== 'function')
    return readConnect(connect === undefined ? {} : connect, fixed, memberPort)
  return (member) => readConnect(connect(member), fixed, memberPort)(member)
}

function readConnect(
  value: unknown,
  fixed: number | undefined,
  memberPort: number | undefined,
): RouteOf {
  if (typeof value !== 'object' || value === null)
    throw typeError(
      'options.connect',
      'an object such as { address, port } or a function that returns it',
      value,
    )
  const names = ['address', 'port', 'mark', 'device', 'netns'] as const
  const connect = checkOptions(value, 'options.connect', names)
  const address =
    connect.address === undefined
      ? undefined
      : parseAddress(connect.address, 'options.connect.address').text
  const own =
    connect.port === undefined
      ? undefined
      : checkInteger(connect.port, 'options.connect.port', 1, 65_535)
  if (own !== undefined && fixed !== undefined)
    throw typeError('options.port', 'left out: options.connect has a port', fixed)
  const port = own ?? fixed ?? memberPort
  const socket = readSocket(connect)
  return (member) => ({
    address: address ?? member.address,
    port: port ?? checkInteger(member.port, 'member.port, without options.port,', 1, 65_535),
    socket,
  })
}

function readSocket({
  mark,
  device,
  netns,
}: Readonly<Record<'mark' | 'device' | 'netns', unknown>>): SocketOptions | undefined {
  if (mark === undefined && device === undefined && netns === undefined) return undefined
  return {
    mark:
      mark === undefined ? undefined : checkInteger(mark, 'options.connect.mark', 0, 2 ** 32 - 1),
    device: device === undefined ? undefined : readDevice(device),
    where: readNetns(netns, 'options.connect.netns'),
  }
}

/** As net/core/dev.c: dev_valid_name. */
function readDevice(value: unknown): string {
  const rule =
    'the name of an interface such as "eth1", 1 to 15 bytes without "/", ":" and white space'
  if (typeof value !== 'string') throw typeError('options.connect.device', rule, value)
  const bytes = Buffer.from(value).toString('latin1')
  if (!/^[^\0/:\s]{1,15}$/.test(bytes) || /^\.\.?$/.test(bytes))
    throw rangeError('options.connect.device', rule, value)
  return value
}

/** As in `10.1.0.1:53` or `[2001:db8::1]:53`. */
export function formatEndpoint({ address, port }: CheckEndpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
