// The checks that are a dialogue: the options they share, and how one is made of its steps.
import { typeError } from '../../errors.js'
import type { Check } from '../types.js'
import { converse, type Step } from './dialogue.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { type CheckTlsOptions, readTls, type TlsClient } from './tls-client.js'

/** The options of checks that hold a dialogue over TCP or TLS. */
export interface DialogueOptions extends CheckEndpointOptions {
  /** TLS from the start, as servers have it on a port of its own. Default false. */
  readonly tls?: boolean | CheckTlsOptions | undefined
}

export const dialogueOptionNames = [...endpointOptionNames, 'tls'] as const

/** The options of those whose protocol can change to TLS. */
export interface StartTlsOptions extends DialogueOptions {
  /** TLS after the protocol's own command for it (STARTTLS, STLS), which must be granted. Default false. */
  readonly startTls?: boolean | CheckTlsOptions | undefined
}

export const startTlsOptionNames = [...dialogueOptionNames, 'startTls'] as const

/** @throws ArgumentError */
export function readStartTls({
  tls,
  startTls,
}: {
  readonly tls: unknown
  readonly startTls: unknown
}): TlsClient | undefined {
  const client = readTls(startTls, 'options.startTls')
  if (client !== undefined && tls !== undefined && tls !== false)
    throw typeError('options.startTls', 'left out with options.tls', startTls)
  return client
}

/** An answer that is not complete after so many bytes is wrong, unless the check says otherwise. */
export const defaultMaxBytes = 16_384

export interface DialogueRules {
  /** What reasons begin with: `smtp`. */
  readonly name: string
  readonly steps: readonly Step[]
  /** The detail of a success, from what each step's answer said. */
  readonly detail: (said: readonly string[]) => string
  readonly maxBytes?: number
}

/**
 * A check that goes through the steps and ends with a reset.
 *
 * @throws ArgumentError for a field that cannot be used
 */
export function dialogueCheck(
  fields: Readonly<Record<(typeof dialogueOptionNames)[number], unknown>>,
  { name, steps, detail, maxBytes = defaultMaxBytes }: DialogueRules,
): Check {
  const endpointOf = readEndpoint(fields)
  const tls = readTls(fields.tls, 'options.tls')
  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `${name} ${formatEndpoint(endpoint)}`
    return { detail: detail(await converse({ endpoint, tls, label, signal }, steps, maxBytes)) }
  }
}
