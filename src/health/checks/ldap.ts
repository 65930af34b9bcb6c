// checks.ldap: a directory that answers a search.
import { typeError } from '../../errors.js'
import { checkOptions } from '../../validate.js'
import type { Check } from '../types.js'
import type { Progress, Step } from './dialogue.js'
import {
  dialogueCheck,
  readStartTls,
  type StartTlsOptions,
  startTlsOptionNames,
} from './dialogue-check.js'
import {
  bindRequest,
  readMessage,
  resultText,
  searchRequest,
  startTlsRequest,
  unbindRequest,
} from './ldap-message.js'
import { show, showText } from './show.js'

/** Options of `checks.ldap`. */
export interface LdapCheckOptions extends StartTlsOptions {
  /**
   * The entry to look up; it must be there. Default: the root entry, which every server has, where one that has lost its data
   * still answers.
   */
  readonly base?: string | undefined
  /** Who binds first, with `password`. Default: nobody, the search is anonymous. */
  readonly dn?: string | undefined
  /** Of `dn`, which needs one; else the default is none. Never part of a reason; sent in the clear without `tls` or `startTls`. */
  readonly password?: string | undefined
}

/**
 * Healthy when the server answers the search for one entry with `success`. Any other result fails by its name:
 * `ldap 10.1.0.1:389: answered unavailable (52), expected success`. Ends with an unbind and a reset.
 * Port 636 wants `tls`.
 *
 * @throws ArgumentError
 */
export function ldap(options: LdapCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [
    ...startTlsOptionNames,
    'base',
    'dn',
    'password',
  ])
  const { base = '' } = fields
  if (typeof base !== 'string') throw typeError('options.base', 'a DN', base)
  const login = [...bind(fields.dn, fields.password), search(base), { send: unbindRequest(3) }]
  const startTls = readStartTls(fields)
  const steps = startTls === undefined ? login : [BEGIN_TLS, { startTls }, ...login]
  return dialogueCheck(fields, { name: 'ldap', steps, detail: () => 'success' })
}

const BEGIN_TLS: Step = {
  send: startTlsRequest(4),
  awaited: 'an answer to StartTLS',
  read: (received) => readResult(received, 4, 'extendedResponse', ' to StartTLS').progress,
}

function bind(dn: unknown, password: unknown): readonly Step[] {
  if (dn === undefined && password === undefined) return []
  if (typeof dn !== 'string' || dn === '') throw typeError('options.dn', 'a DN', dn)
  // An empty one would be an anonymous bind (RFC 4513, 5.1.2). Its value stays out of the message.
  if (typeof password !== 'string' || password === '')
    throw typeError('options.password', 'a text, not empty', typeof password)
  return [
    {
      send: bindRequest(1, dn, password),
      awaited: 'an answer to the bind',
      read: (received) => readResult(received, 1, 'bindResponse', ' to the bind').progress,
    },
  ]
}

function search(base: string): Step {
  return {
    send: searchRequest(2, base),
    awaited: 'an answer to the search',
    read: (received) => {
      const { progress, others } = readResult(received, 2, 'searchResultDone', '')
      if (progress === undefined || 'wrong' in progress) return progress
      if (base !== '' && !others.includes('searchResultEntry'))
        return { wrong: `success, but no entry ${showText(base)}` }
      return progress
    },
  }
}

/** Reads messages up to the result, and that must be a success. */
function readResult(
  received: Buffer,
  id: number,
  kind: string,
  to: string,
): { readonly progress: Progress; readonly others: readonly string[] } {
  const others: string[] = []
  for (let used = 0; ; ) {
    const message = readMessage(received.subarray(used))
    if (message === 'more') return { progress: undefined, others }
    if (message === undefined)
      return { progress: { wrong: `answered ${show(received)}${to}, expected LDAP` }, others }
    used += message.bytes
    if (message.id === id && message.kind !== kind && message.result === undefined) {
      others.push(message.kind)
      continue
    }
    const { result } = message
    // A notification of something else than the end is nothing to us (RFC 4511, 4.4).
    if (message.id === 0 && result?.code === 0 && !message.isDisconnection) continue
    if (result === undefined || (result.code === 0 && (message.id !== id || message.kind !== kind)))
      return {
        progress: { wrong: `answered ${message.kind} of message ${message.id}${to}` },
        others,
      }
    if (result.code === 0) return { progress: { used, said: 'success' }, others }
    return { progress: { wrong: `answered ${resultText(result)}${to}, expected success` }, others }
  }
}
