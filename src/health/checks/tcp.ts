// checks.tcp: is there someone who accepts connections?
import { checkOptions } from '../../validate.js'
import { quickCheck } from '../begin.js'
import { describe, describeAbort } from '../outcome.js'
import type { Check, HealthMember } from '../types.js'
import { connectOnce } from './connect-once.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'

/** Options of `checks.tcp`. */
export type TcpCheckOptions = CheckEndpointOptions

const CONNECTED = { value: { detail: 'connected' } }

/**
 * Healthy when a TCP connection is made. It is closed with a reset at once, nothing is sent.
 *
 * @throws ArgumentError
 */
export function tcp(options: TcpCheckOptions = {}): Check {
  const endpointOf = readEndpoint(checkOptions(options, 'options', endpointOptionNames))
  const labelOf = (member: HealthMember) => `tcp ${formatEndpoint(endpointOf(member))}`
  return quickCheck(labelOf, (member, done) => {
    const endpoint = endpointOf(member)
    const fail = (error: unknown) => {
      const reason = `tcp ${formatEndpoint(endpoint)}: ${describe(error)}`
      done({ error: new Error(reason, { cause: error }) })
    }
    try {
      const giveUp = connectOnce(endpoint, (error) =>
        error === undefined ? done(CONNECTED) : fail(error),
      )
      return (reason) => {
        if (giveUp()) fail(new Error(`${describeAbort({ reason })} (no connection)`))
      }
    } catch (error) {
      fail(error)
      return () => {}
    }
  })
}
