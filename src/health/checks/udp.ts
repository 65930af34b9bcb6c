// checks.udp: does the server reply to a datagram?
import { onAbort } from '../../abort.js'
import { rangeError, typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { type ContentRule, readContentRule } from './content.js'
import {
  type CheckEndpointOptions,
  type CheckRoute,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { joinErrors } from './gather.js'
import { echo } from './ping.js'
import { exchange } from './udp-exchange.js'

export interface UdpCheckOptions extends CheckEndpointOptions {
  /** The datagram to send: a text (UTF-8) or bytes, such as `Buffer.from('ffff', 'hex')`; at most 65,507 bytes. */
  readonly payload: string | Uint8Array
  /** What the reply must be; others are ignored and counted in the reason. Default: any datagram is a reply. */
  readonly reply?: ContentRule | undefined
  /**
   * What it means that nothing comes. `failure` (the default): dead. `ping`, for services that never answer: alive, if the host
   * answers two pings, one after the other, before it refuses the datagram (ICMP port unreachable); the second leaves the
   * refusal a whole round trip. Not together with `reply`. Needs what `checks.ping` needs.
   */
  readonly silence?: 'failure' | 'ping' | undefined
}

/** The largest over IPv4: 65,535 less the headers of IP and UDP. */
const MAX_PAYLOAD = 65_507

/**
 * Sends one datagram from a fresh socket and waits for the reply. Silence is no health, unless `silence` says so: without a
 * reply the check fails when its time is up, and at once if the server's host refuses the datagram (ICMP port unreachable).
 *
 * @throws ArgumentError
 */
export function udp(options: UdpCheckOptions): Check {
  const fields = checkOptions(options, 'options', [
    ...endpointOptionNames,
    'payload',
    'reply',
    'silence',
  ])
  const endpointOf = readEndpoint(fields)
  const payload = readPayload(fields.payload)
  const rule =
    fields.reply === undefined ? undefined : readContentRule(fields.reply, 'options.reply')
  const { silence = 'failure' } = fields
  if (silence !== 'failure' && silence !== 'ping')
    throw rangeError('options.silence', "'failure' or 'ping'", silence)
  if (silence === 'ping' && rule !== undefined)
    throw typeError('options.reply', "left out with silence: 'ping'", fields.reply)

  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `udp ${formatEndpoint(endpoint)}`
    const ask = async (own: AbortSignal) => {
      const plan = { endpoint, payload, label, signal: own }
      const reply = await exchange<Buffer>(plan, (datagram) => {
        const wrong = rule?.judge(datagram)
        return wrong === undefined ? datagram : { notOurs: wrong }
      })
      return `a reply of ${reply.length} bytes`
    }
    if (silence === 'failure') return { detail: await ask(signal) }
    return { detail: await first(signal, ask, (own) => pingTwice(endpoint, own)) }
  }
}

async function pingTwice(endpoint: CheckRoute, signal: AbortSignal): Promise<string> {
  await echo(endpoint, signal)
  await echo(endpoint, signal)
  return 'not refused, and the host answers pings'
}

/** What the first of them says that ends; all that fails, if that is the abort. */
async function first(
  signal: AbortSignal,
  ...tasks: ((signal: AbortSignal) => Promise<string>)[]
): Promise<string> {
  const rest = new AbortController()
  const forget = onAbort(signal, () => rest.abort(signal.reason))
  if (signal.aborted) rest.abort(signal.reason)
  const running = tasks.map((task) => task(rest.signal))
  try {
    return await Promise.race(running)
  } catch (error) {
    if (!signal.aborted) throw error
    const ends = await Promise.allSettled(running)
    const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as Error] : []))
    throw joinErrors(errors, 1, errors.length)
  } finally {
    forget()
    rest.abort()
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
