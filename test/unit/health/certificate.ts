// X.509 certificates made on the spot, with any dates: neither openssl nor a key in the repository is needed.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

export interface MadeCertificate {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
  readonly name: string
  readonly privateKey: KeyObject
}

export interface CertificateWishes {
  /** Common name, and DNS name it is for. */
  readonly name: string
  /** Default: itself. */
  readonly issuer?: MadeCertificate
  /** Default: since yesterday. */
  readonly notBefore?: Date
  /** Default: for thirty days and an hour. */
  readonly notAfter?: Date
  /** May sign others. Default false. */
  readonly authority?: boolean
  /** An RSA key of so many bits, and a signature with SHA-1 if it is its own issuer. Default: P-256 and SHA-256. */
  readonly rsaBits?: number
}

const hourMs = 3_600_000

export function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 24 * hourMs)
}

export function makeCertificate(wishes: CertificateWishes): MadeCertificate {
  const { name, issuer, authority = false, rsaBits } = wishes
  const { publicKey, privateKey } =
    rsaBits === undefined
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: rsaBits })
  const isOld = rsaBits !== undefined && issuer === undefined
  const algorithm = isOld
    ? sequence(oid('2a864886f70d010105'), tlv(0x05, hex(''))) // sha1WithRSAEncryption
    : sequence(oid('2a8648ce3d040302')) // ecdsa-with-SHA256
  const extensions = [
    sequence(oid('551d13'), tlv(0x04, sequence(...(authority ? [tlv(0x01, hex('ff'))] : [])))),
    sequence(oid('551d11'), tlv(0x04, sequence(tlv(0x82, Buffer.from(name))))),
  ]
  const body = sequence(
    tlv(0xa0, tlv(0x02, hex('02'))), // version 3
    tlv(0x02, Buffer.concat([hex('01'), randomBytes(8)])),
    algorithm,
    distinguished(issuer?.name ?? name),
    sequence(time(wishes.notBefore ?? daysFromNow(-1)), time(wishes.notAfter ?? inThirtyDays())),
    distinguished(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = sign(isOld ? 'sha1' : 'sha256', body, issuer?.privateKey ?? privateKey)
  const der = sequence(body, algorithm, tlv(0x03, Buffer.concat([hex('00'), signature])))
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    name,
    privateKey,
  }
}

function inThirtyDays(): Date {
  return new Date(daysFromNow(30).getTime() + hourMs)
}

// --- DER

function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), value])
  // As few bytes as there can be: DER, which Go insists on.
  const size = Buffer.from(length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff])
  return Buffer.concat([Buffer.from([tag]), size, value])
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts))
}

function oid(bytes: string): Buffer {
  return tlv(0x06, hex(bytes))
}

function distinguished(commonName: string): Buffer {
  const attribute = sequence(oid('550403'), tlv(0x0c, Buffer.from(commonName)))
  return sequence(tlv(0x31, attribute))
}

function time(date: Date): Buffer {
  return tlv(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\..*/g, '')}Z`))
}

function hex(bytes: string): Buffer {
  return Buffer.from(bytes, 'hex')
}
