// checks.ntp: whether a server has a time to give (RFC 5905).
import { randomBytes } from 'node:crypto'
import { checkInteger, checkOptions } from '../../validate.js'
import { Inconclusive } from '../outcome.js'
import type { Check } from '../types.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { exchange, type NotOurs } from './udp-exchange.js'

/** Options of `checks.ntp`. */
export interface NtpCheckOptions extends CheckEndpointOptions {
  /** The greatest distance from a clock, in servers, that is healthy: 1 to 15. Default 15. */
  readonly maxStratum?: number | undefined
}

const HEADER_BYTES = 48
/** Where its own time is in a packet, and the other's that it answers to. */
const TRANSMIT = 40
const ORIGIN = 24
/** Leap indicator 0, version 4, mode 3: a client. */
const REQUEST = 0x23
const SERVER_MODE = 4
const NOT_SYNCHRONISED = 3

/**
 * Sends a request and waits for the reply to it. Healthy when the server is synchronised: no alarm in the leap indicator,
 * a stratum from 1 to `maxStratum`, a time. What it says of the time is not compared with ours. A kiss-o'-death fails with its
 * code, but for `RATE`: we ask too often, which says nothing about the server (unknown).
 *
 * @throws ArgumentError
 */
export function ntp(options: NtpCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [...endpointOptionNames, 'maxStratum'])
  const endpointOf = readEndpoint(fields)
  const { maxStratum = 15 } = fields
  const most = checkInteger(maxStratum, 'options.maxStratum', 1, 15)
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `ntp ${formatEndpoint(endpoint)}`
    const payload = Buffer.alloc(HEADER_BYTES)
    payload[0] = REQUEST
    // Not our time, which is nobody's business: the reply has to have it again.
    randomBytes(8).copy(payload, TRANSMIT)
    const { stratum } = await exchange({ endpoint, payload, label, signal }, (reply) =>
      readReply(reply, payload.subarray(TRANSMIT), most),
    )
    return { detail: `stratum ${stratum}` }
  }
}

/** @throws Error that says why nobody should take its time. */
function readReply(
  reply: Buffer,
  ours: Uint8Array,
  maxStratum: number,
): { readonly stratum: number } | NotOurs {
  if (reply.length < HEADER_BYTES) return { notOurs: `only ${reply.length} bytes` }
  const first = reply.readUInt8(0)
  if ((first & 7) !== SERVER_MODE) return { notOurs: `mode ${first & 7}` }
  if (!reply.subarray(ORIGIN, ORIGIN + 8).equals(ours)) return { notOurs: 'not to our request' }
  const stratum = reply.readUInt8(1)
  const code = reply.toString('latin1', 12, 16)
  if (stratum === 0 && /^[A-Z]{4}$/.test(code)) {
    const words = `kiss-o'-death ${code}`
    throw code === 'RATE' ? new Inconclusive(`${words}: asked too often`) : new Error(words)
  }
  const isAlarmed = first >> 6 === NOT_SYNCHRONISED
  if (isAlarmed || stratum === 0 || stratum > 15) throw new Error('not synchronised')
  if (stratum > maxStratum) throw new Error(`stratum ${stratum}, at most ${maxStratum} expected`)
  if (reply.readBigUInt64BE(TRANSMIT) === 0n) throw new Error('a reply without a time')
  return { stratum }
}
