// checks.ping: does the host answer an ICMP echo?
import { randomBytes } from 'node:crypto'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import {
  type CheckEndpointOptions,
  type CheckRoute,
  endpointOptionNames,
  readEndpoint,
} from './endpoint.js'
import { exchange, type NotOurs } from './udp-exchange.js'

/** `port` is taken for the sake of other checks of the same place: an echo has none. */
export type PingCheckOptions = CheckEndpointOptions

/** What Node.js connects to: the kernel does not look at it. */
const ANY_PORT = 1
const HEADER = 8
/** Nobody guesses them: who sends them back has got them. */
const PROOF = 16

/**
 * Healthy when the host answers one ICMP echo, over IPv4 or IPv6. Says nothing about the services on it.
 *
 * Needs a group of this process in `net.ipv4.ping_group_range` (net/ipv4/ping.c: ping_init_sock), or CAP_NET_RAW; without
 * either the result is `unknown`, with the reason.
 *
 * @throws ArgumentError
 */
export function ping(options: PingCheckOptions = {}): Check {
  const routeOf = readEndpoint(checkOptions(options, 'options', endpointOptionNames), ANY_PORT)
  return async (member, { signal }) => {
    await echo(routeOf(member), signal)
    return { detail: 'answered' }
  }
}

/** Sends one echo and waits for its answer, until the abort. */
export async function echo(endpoint: CheckRoute, signal: AbortSignal): Promise<void> {
  const label = `ping ${endpoint.address}`
  const ipv6 = endpoint.address.includes(':')
  const payload = echoRequest(ipv6, randomBytes(PROOF))
  await exchange<Buffer>({ endpoint, payload, label, signal, echo: true }, (datagram) =>
    readEcho(ipv6, datagram, payload),
  )
}

/** RFC 792 and RFC 4443, 4.1. The identifier is the kernel's affair, or 0 on a raw socket; the data tell whose it is. */
export function echoRequest(ipv6: boolean, data: Uint8Array): Buffer {
  const message = Buffer.concat([Buffer.alloc(HEADER), data])
  message[0] = ipv6 ? 128 : 8
  message.writeUInt16BE(1, 6)
  // Over IPv6 the kernel fills it in: it is also about the addresses.
  if (!ipv6) message.writeUInt16BE(checksum(message), 2)
  return message
}

/** The answer's data, if it is the one to this request. */
export function readEcho(ipv6: boolean, datagram: Buffer, request: Buffer): Buffer | NotOurs {
  // A raw socket gives the IPv4 header too; no ICMP message begins with its 4.
  const header = ipv6 || datagram[0]! >> 4 !== 4 ? 0 : (datagram[0]! & 15) * 4
  const message = datagram.subarray(header)
  if (message[0] !== (ipv6 ? 129 : 0)) return { notOurs: `ICMP type ${message[0]}` }
  const isOurs = message.subarray(6).equals(request.subarray(6))
  return isOurs ? message.subarray(HEADER) : { notOurs: 'the answer to another ping' }
}

/** RFC 1071, of an even number of bytes. */
function checksum(message: Buffer): number {
  let sum = 0
  for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
