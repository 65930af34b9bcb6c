// checks.tcp: is there someone who accepts connections?
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import { withConnection } from './connection.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'

/** Options of `checks.tcp`. */
export type TcpCheckOptions = CheckEndpointOptions

/**
 * Healthy when a TCP connection is made. It is closed with a reset at once, nothing is sent.
 *
 * @throws ArgumentError
 */
export function tcp(options: TcpCheckOptions = {}): Check {
  const endpointOf = readEndpoint(checkOptions(options, 'options', endpointOptionNames))
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `tcp ${formatEndpoint(endpoint)}`
    await withConnection<void>({ endpoint, label, signal }, (_socket, { succeed }) => succeed())
    return { detail: 'connected' }
  }
}
