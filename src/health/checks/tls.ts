// checks.tls: does the server complete a TLS handshake, with a certificate that is good enough?
import type { TLSSocket } from 'node:tls'
import { typeError } from '../../errors.js'
import { checkInteger, checkOptions, DAY_MS } from '../../validate.js'
import type { Check } from '../types.js'
import { withConnection } from './connection.js'
import {
  type CheckEndpointOptions,
  endpointOptionNames,
  formatEndpoint,
  readEndpoint,
} from './endpoint.js'
import { type CheckTlsOptions, readTlsFields, tlsOptionNames } from './tls-client.js'

export interface TlsCheckOptions extends CheckEndpointOptions, CheckTlsOptions {
  /** Application protocols to offer, such as `['h2', 'http/1.1']`; the server must take one. Default: none. */
  readonly alpn?: readonly string[] | undefined
  /**
   * Days for which the server's certificate must be valid still, 0 to 3650. A certificate that all servers share takes
   * all of them down at once: leave the warning to whoever reads the days in `detail`, unless that is what is wanted.
   * Default: not judged, and with `verify` it must not have expired.
   */
  readonly minDaysLeft?: number | undefined
}

/**
 * Healthy when the handshake is complete and the certificate is as asked. Nothing is sent over it. `detail` names the
 * version, the cipher and the days left: `TLSv1.3, TLS_AES_256_GCM_SHA384, 61 days left`.
 *
 * @throws ArgumentError
 */
export function tls(options: TlsCheckOptions = {}): Check {
  const fields = checkOptions(options, 'options', [
    ...endpointOptionNames,
    ...tlsOptionNames,
    'alpn',
    'minDaysLeft',
  ])
  const endpointOf = readEndpoint(fields)
  const alpn = fields.alpn === undefined ? [] : readAlpn(fields.alpn)
  const client = readTlsFields(fields, 'options', alpn)
  const minDays =
    fields.minDaysLeft === undefined
      ? undefined
      : checkInteger(fields.minDaysLeft, 'options.minDaysLeft', 0, 3650)

  return async (member, { signal }) => {
    const endpoint = endpointOf(member)
    const label = `tls ${formatEndpoint(endpoint)}`
    const detail = await withConnection<string>(
      { endpoint, label, signal },
      (_socket, { startTls, succeed, fail }) =>
        startTls(client, (secure) => {
          const wrong = wrongProtocol(secure, alpn) ?? expiresSoon(secure, minDays)
          if (wrong !== undefined) fail(new Error(wrong))
          else
            succeed(`${secure.getProtocol()}, ${secure.getCipher().standardName}, ${left(secure)}`)
        }),
    )
    return { detail }
  }
}

function wrongProtocol(secure: TLSSocket, alpn: readonly string[]): string | undefined {
  if (alpn.length === 0 || secure.alpnProtocol !== false) return undefined
  return `the server takes no application protocol of ${alpn.join(', ')}`
}

function expiresSoon(secure: TLSSocket, minDays: number | undefined): string | undefined {
  if (minDays === undefined) return undefined
  const leftMs = expiry(secure) - Date.now()
  // Whatever cannot be read as a date is no day that is left.
  return leftMs >= minDays * DAY_MS
    ? undefined
    : `certificate: ${left(secure)}, at least ${minDays} days expected`
}

function left(secure: TLSSocket): string {
  const at = expiry(secure)
  const days = Math.floor((at - Date.now()) / DAY_MS)
  return days < 0 ? `expired on ${new Date(at).toISOString().slice(0, 10)}` : `${days} days left`
}

/** Milliseconds since the epoch. */
function expiry(secure: TLSSocket): number {
  return Date.parse(secure.getPeerCertificate().valid_to)
}

function readAlpn(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : []
  const names = list.filter(
    (name): name is string => typeof name === 'string' && /^[\x21-\x7e]{1,255}$/.test(name),
  )
  if (names.length === 0 || names.length !== list.length) {
    throw typeError('options.alpn', "a list of protocols such as ['h2', 'http/1.1']", value)
  }
  return names
}
