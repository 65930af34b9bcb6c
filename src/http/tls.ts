// The client's side of TLS: whom to trust, and who we are.
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import { rangeError, typeError } from '../errors.js'
import { checkOptions } from '../validate.js'
import { readTextOrFile, type TextOrFile, textOf } from './text.js'

/** Certificates for `https:`. The server's is always verified. */
export interface HttpTlsOptions {
  /** Trusted authorities, PEM. Default: those that come with Node.js. */
  readonly ca?: TextOrFile | undefined
  /** Our own certificate, PEM, together with `key`. Default: none. */
  readonly cert?: TextOrFile | undefined
  /** Private key of `cert`, PEM, not encrypted. Default: none, as of `cert`. */
  readonly key?: TextOrFile | undefined
  /** Name that the certificate must be for. Default: the host of the address. */
  readonly serverName?: string | undefined
}

/** @throws TypeError, RangeError. What stands in files is looked at when it is used. */
export function readHttpTls(value: unknown, option: string): HttpTlsOptions {
  const { ca, cert, key, serverName } = checkOptions(value, option, [
    'ca',
    'cert',
    'key',
    'serverName',
  ])
  if ((cert === undefined) !== (key === undefined)) {
    const [given, other] = key === undefined ? ['cert', 'key'] : ['key', 'cert']
    throw typeError(`${option}.${given}`, `given together with "${other}"`, 'one of them only')
  }
  if (serverName !== undefined && (typeof serverName !== 'string' || !isName(serverName))) {
    throw rangeError(`${option}.serverName`, 'a host name such as etcd.example.org', serverName)
  }
  const pem = (name: 'ca' | 'cert' | 'key', given: unknown, what: string) =>
    given === undefined ? {} : { [name]: readPem(given, `${option}.${name}`, what) }
  return {
    ...pem('ca', ca, 'certificates in PEM'),
    ...pem('cert', cert, 'a certificate in PEM'),
    ...pem('key', key, 'a private key in PEM'),
    ...(serverName === undefined ? {} : { serverName }),
  }
}

/** For `tls.connect()`. @throws Error (rejects) a file cannot be read */
export async function connectOptions({ ca, cert, key, serverName }: HttpTlsOptions) {
  return {
    ...(ca === undefined ? {} : { ca: await textOf(ca) }),
    ...(cert === undefined ? {} : { cert: await textOf(cert) }),
    ...(key === undefined ? {} : { key: await textOf(key) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}

function isName(text: string): boolean {
  return isIP(text) === 0 && /^[\w-]+(\.[\w-]+)*$/.test(text) && text.length <= 253
}

function readPem(value: unknown, option: string, what: string): TextOrFile {
  const read = readTextOrFile(value, option, what)
  if (typeof read !== 'string') return read
  try {
    // A key has no place in an error message.
    if (option.endsWith('.key')) createSecureContext({ key: read })
    else new X509Certificate(read)
  } catch (error) {
    const why = (error as Error).message
    throw rangeError(option, `${what}: ${why}`, 'a text that is not shown')
  }
  return read
}
