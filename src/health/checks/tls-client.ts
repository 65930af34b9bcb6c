// The client's side of TLS in a check: its options, the layer on a connection, what the certificate is worth.
import { constants, X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls'
import { rangeError, typeError } from '../../errors.js'
import { checkBoolean, checkInteger, checkName, checkOptions } from '../../validate.js'
import { apart } from './apart.js'

/** Versions of TLS that can be the oldest taken. */
export type CheckTlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** How a check makes its TLS connection, and what it asks of the certificate. */
export interface CheckTlsOptions {
  /**
   * Name to ask for (SNI), as virtual hosts need it, and with `verify` the name that the certificate must be for.
   * Default: none is sent, and none is compared.
   */
  readonly serverName?: string | undefined
  /**
   * Whether the certificate must be in date and its chain must lead to a trusted authority. Default: only if `ca` is
   * given; servers are checked by address, and many of them have a certificate that only their clients trust.
   */
  readonly verify?: boolean | undefined
  /** Trusted authorities, PEM. Default: those that come with Node.js. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined
  /** Our own certificate, PEM, for servers that ask for one; together with `key`. Default: none. */
  readonly cert?: string | Uint8Array | undefined
  /** Private key of `cert`, PEM, not encrypted. Default: none, as of `cert`. */
  readonly key?: string | Uint8Array | undefined
  /**
   * For servers that OpenSSL refuses by default, though clients of theirs may take them: without secure renegotiation
   * (RFC 5746), with TLS 1.0 or 1.1, old ciphers and signatures, short keys. Default false.
   */
  readonly legacy?: boolean | undefined
  /**
   * Default `TLSv1.2`, with `legacy` `TLSv1`. Below `TLSv1.2` the default of `ciphers` is that of `legacy`, without which OpenSSL has
   * no such version.
   */
  readonly minVersion?: CheckTlsVersion | undefined
  /** As in `tls.connect()`, in OpenSSL's words. Default: that of Node.js, with `legacy` all, with `@SECLEVEL=0`. */
  readonly ciphers?: string | undefined
  /** Bits, as in `tls.connect()`: `SSL_OP_...` of `crypto.constants`. Default: none, with `legacy` `SSL_OP_LEGACY_SERVER_CONNECT`. */
  readonly secureOptions?: number | undefined
}

export const tlsOptionNames = [
  'serverName',
  'verify',
  'ca',
  'cert',
  'key',
  'legacy',
  'minVersion',
  'ciphers',
  'secureOptions',
] as const

/** Options that have been read. */
export interface TlsClient {
  readonly serverName: string | undefined
  readonly verify: boolean
  /** Made once: all certificates are parsed in it. */
  readonly context: SecureContext
  /** Application protocols to offer. */
  readonly alpn: readonly string[]
  /** The option that would take older servers; `undefined` if nothing would. */
  readonly legacyOption: string | undefined
}

const VERSIONS: readonly CheckTlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** All that OpenSSL has, servers without a certificate apart. Those of TLS 1.3 are named because it is left out otherwise. */
const ALL_CIPHERS =
  'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ALL:!aNULL:@SECLEVEL=0'

/** What OpenSSL says of servers that `legacy` may take. */
const OLD_FASHIONED =
  /legacy|protocol version|unsupported protocol|too (small|weak)|handshake failure|insufficient security|signature|cipher|digest/

/**
 * Reads an option `tls?: boolean | CheckTlsOptions`; `undefined`: no TLS.
 *
 * @throws ArgumentError
 */
export function readTls(
  value: unknown,
  option: string,
  defaults: { readonly serverName?: string | undefined; readonly alpn?: readonly string[] } = {},
): TlsClient | undefined {
  if (value === undefined || value === false) return undefined
  const { serverName, ...fields } = checkOptions(
    value === true ? {} : value,
    option,
    tlsOptionNames,
  )
  return readTlsFields(
    { serverName: serverName ?? defaults.serverName, ...fields },
    option,
    defaults.alpn ?? [],
  )
}

/** @throws ArgumentError */
export function readTlsFields(
  fields: Readonly<Record<(typeof tlsOptionNames)[number], unknown>>,
  option: string,
  alpn: readonly string[],
): TlsClient {
  const { serverName, ca, cert, key, legacy = false, minVersion } = fields
  const old = readOld({ ...fields, legacy, minVersion }, option)
  const authorities = ca === undefined ? undefined : readAuthorities(ca, `${option}.ca`)
  const verify =
    fields.verify === undefined
      ? authorities !== undefined
      : checkBoolean(fields.verify, `${option}.verify`)
  if (authorities !== undefined && !verify)
    throw typeError(`${option}.ca`, 'left out with verify: false', ca)
  const ours = readOurs(cert, key, old, option)
  return {
    serverName:
      serverName === undefined ? undefined : readServerName(serverName, `${option}.serverName`),
    verify,
    alpn,
    context: createSecureContext({
      // An empty list keeps Node.js from loading the authorities that nobody asks.
      ...(verify && authorities === undefined ? {} : { ca: [...(authorities ?? [])] }),
      ...ours,
      ...old,
    }),
    legacyOption: legacy === true || minVersion === 'TLSv1.3' ? undefined : `${option}.legacy`,
  }
}

/** How old-fashioned a server may be. */
function readOld(
  fields: Readonly<Record<'legacy' | 'minVersion' | 'ciphers' | 'secureOptions', unknown>>,
  option: string,
): SecureContextOptions {
  const legacy = checkBoolean(fields.legacy, `${option}.legacy`)
  const names = new Map(VERSIONS.map((version) => [version as string, version]))
  const minVersion =
    fields.minVersion === undefined
      ? legacy && 'TLSv1'
      : checkName(fields.minVersion, `${option}.minVersion`, names)
  const {
    ciphers = minVersion === 'TLSv1' || minVersion === 'TLSv1.1' || legacy
      ? ALL_CIPHERS
      : undefined,
  } = fields
  const { secureOptions = legacy ? constants.SSL_OP_LEGACY_SERVER_CONNECT : undefined } = fields
  if (ciphers !== undefined && typeof ciphers !== 'string')
    throw typeError(`${option}.ciphers`, 'a list of ciphers in the words of OpenSSL', ciphers)
  const old = {
    ...(minVersion && { minVersion }),
    ...(ciphers !== undefined && { ciphers }),
    ...(secureOptions !== undefined && {
      secureOptions: checkInteger(secureOptions, `${option}.secureOptions`, 0, 2 ** 32 - 1),
    }),
  }
  try {
    createSecureContext({ ...old, ca: [] })
  } catch (error) {
    const why = error instanceof Error ? `: ${error.message}` : ''
    throw rangeError(
      `${option}.ciphers`,
      `a list of ciphers in the words of OpenSSL${why}`,
      ciphers,
    )
  }
  return old
}

/**
 * Puts TLS on a connection. `secureConnect` is emitted whatever the certificate is worth: see
 * {@link distrust}. Destroying what is returned leaves `socket` alone.
 */
export function layTls(socket: Socket, client: TlsClient): TLSSocket {
  return connect({
    // Given the socket itself, TLS would take over its handle, and a reset of it crashes Node.js (20.20).
    socket: apart(socket),
    secureContext: client.context,
    servername: client.serverName ?? '',
    ALPNProtocols: [...client.alpn],
    // OpenSSL says what is too short, and `ciphers` what it takes.
    minDHSize: 1,
    // Node.js would close the connection by itself, without a reset.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
}

/** Why the certificate is not to be trusted, or `undefined` if it is or nobody asked. */
export function distrust(secure: TLSSocket, client: TlsClient): string | undefined {
  if (!client.verify) return undefined
  if (!secure.authorized) {
    // Typed as an error, but it is a code of OpenSSL's such as CERT_HAS_EXPIRED; a short key has none of its own.
    const code = String(secure.authorizationError)
    if (code === 'UNSPECIFIED') return `certificate: not secure enough${hint(client)}`
    return `certificate: ${code.toLowerCase().replaceAll('_', ' ')}`
  }
  if (client.serverName === undefined) return undefined
  const certificate = secure.getPeerCertificate()
  if (checkServerIdentity(client.serverName, certificate) === undefined) return undefined
  const names = certificate.subjectaltname ?? certificate.subject.CN ?? 'nobody'
  return `certificate: not for ${client.serverName}, but for ${names}`
}

/** An error of TLS in words: OpenSSL's messages are addresses and file names around a few of them. */
export function tlsError(error: Error, client: TlsClient): Error {
  const closed = 'code' in error && error.code === 'ECONNRESET'
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined
  return new Error(
    closed
      ? 'the server closed the connection in the TLS handshake'
      : `TLS: ${reason ?? error.message}${OLD_FASHIONED.test(reason ?? '') ? hint(client) : ''}`,
    { cause: error },
  )
}

function hint({ legacyOption }: TlsClient): string {
  return legacyOption === undefined ? '' : ` (${legacyOption} may take it)`
}

function readAuthorities(value: unknown, option: string): readonly (string | Buffer)[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw rangeError(option, 'one or more certificates', value)
  return list.map((item) =>
    readPem(item, option, 'certificates', (pem) => new X509Certificate(pem)),
  )
}

function readOurs(cert: unknown, key: unknown, old: SecureContextOptions, option: string) {
  if (cert === undefined && key === undefined) return {}
  const ours = readPem(cert, `${option}.cert`, 'a certificate', (pem) => new X509Certificate(pem))
  return {
    cert: ours,
    key: readPem(key, `${option}.key`, 'the private key of cert', (pem) =>
      createSecureContext({ ...old, cert: ours, key: pem }),
    ),
  }
}

function readPem(
  value: unknown,
  option: string,
  what: string,
  parse: (pem: string | Buffer) => unknown,
): string | Buffer {
  // A key has no place in an error message.
  const shown = typeof value === 'string' ? 'a text that is not shown' : value
  if (typeof value !== 'string' && !(value instanceof Uint8Array))
    throw typeError(option, `${what} in PEM, as text or bytes`, value)
  const pem = typeof value === 'string' ? value : Buffer.from(value)
  try {
    parse(pem)
  } catch (error) {
    const why = error instanceof Error ? `: ${error.message}` : ''
    throw rangeError(option, `${what} in PEM${why}`, shown)
  }
  return pem
}

function readServerName(value: unknown, option: string): string {
  if (typeof value !== 'string') throw typeError(option, 'a host name', value)
  if (isIP(value) !== 0)
    throw rangeError(option, 'a host name, not an address: TLS has no such names', value)
  if (!/^[\w-]+(\.[\w-]+)*$/.test(value) || value.length > 253)
    throw rangeError(option, 'a host name such as www.example.org', value)
  return value
}
