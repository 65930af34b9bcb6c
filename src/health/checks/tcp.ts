// checks.tcp: is there someone who accepts connections?
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { withConnection } from './connection.js'
import { type CheckEndpointOptions, formatEndpoint, readEndpoint } from './endpoint.js'

export type TcpCheckOptions = CheckEndpointOptions

/**
 * Healthy when a TCP connection is made. It is closed with a reset at once, nothing is sent.
 *
 * @throws ArgumentError
 */
export function tcp(options: TcpCheckOptions = {}): Check {
  const { port, connect } = checkOptions(options, 'options', ['port', 'connect'])
  const endpointOf = readEndpoint(port, connect)
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    await withConnection<void>(
      endpoint,
      `tcp ${formatEndpoint(endpoint)}`,
      signal,
      (_socket, { succeed }) => succeed(),
    )
    return { detail: 'connected' }
  }
}
