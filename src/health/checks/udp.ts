// checks.udp: does the server reply to a datagram?
import { rangeError, typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { type ContentRule, readContentRule } from './content.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { exchange } from './udp-exchange.js'

export interface UdpCheckOptions extends CheckEndpointOptions {
  /** The datagram to send: a text (UTF-8) or bytes, such as `Buffer.from('ffff', 'hex')`; at most 65,507 bytes. */
  readonly payload: string | Uint8Array
  /** What the reply must be; others are ignored and counted in the reason. Default: any datagram is a reply. */
  readonly reply?: ContentRule | undefined
}

/** The largest over IPv4: 65,535 less the headers of IP and UDP. */
const MAX_PAYLOAD = 65_507

/**
 * Sends one datagram from a fresh socket and waits for the reply. Silence is never health: without a reply the check
 * fails when its time is up, and at once if the server's host refuses the datagram (ICMP port unreachable).
 *
 * @throws ArgumentError
 */
export function udp(options: UdpCheckOptions): Check {
  const fields = checkOptions(options, 'options', [...endpointOptionNames, 'payload', 'reply'])
  const endpointOf = readEndpoint(fields)
  const payload = readPayload(fields.payload)
  const rule =
    fields.reply === undefined ? undefined : readContentRule(fields.reply, 'options.reply')
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `udp ${formatEndpoint(endpoint)}`
    const reply = await exchange<Buffer>({ endpoint, payload, label, signal }, (datagram) => {
      const wrong = rule?.judge(datagram)
      return wrong === undefined ? datagram : { notOurs: wrong }
    })
    return { detail: `a reply of ${reply.length} bytes` }
  }
}

function readPayload(payload: unknown): Buffer {
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array))
    throw typeError('options.payload', 'a text or bytes to send', payload)
  const bytes = Buffer.from(payload)
  if (bytes.length > MAX_PAYLOAD)
    throw rangeError('options.payload', `at most ${MAX_PAYLOAD} bytes`, payload)
  return bytes
}
