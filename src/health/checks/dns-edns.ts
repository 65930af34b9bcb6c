// EDNS (RFC 6891) in a check: the OPT record of a query, and what that of a reply says.
import { rangeError, typeError } from '../../errors.js'
import { checkBoolean, checkInteger, checkOptions } from '../../validate.js'

/** An option of an OPT record, as it goes over the wire. */
export interface DnsEdnsOption {
  /** 0 to 65535, such as 3 for NSID (RFC 5001), 8 for a client's subnet (RFC 7871), 10 for a cookie (RFC 7873). */
  readonly code: number
  /** Default: none, as NSID has it in a query. */
  readonly data?: Uint8Array | undefined
}

/** What the OPT record of a query says. */
export interface DnsEdnsOptions {
  /** Bytes of the largest reply over UDP that we take: 512 to 65,535. Default 1232, which no network cuts in pieces. */
  readonly udpPayloadSize?: number | undefined
  /** Sets the bit DO (RFC 3225): with signatures, please. Default false. */
  readonly dnssecOk?: boolean | undefined
  /** In this order; all together at most 4096 bytes. Default none. */
  readonly options?: readonly DnsEdnsOption[] | undefined
}

/** What the OPT record of a reply says. */
export interface DnsOpt {
  /** The upper eight of the twelve bits of the response code, in their place. */
  readonly rcodeBits: number
  readonly options: readonly Required<DnsEdnsOption>[]
}

const HEADER_BYTES = 12
const OPT = 41
const DNSSEC_OK = 0x8000
const MOST_OPTION_BYTES = 4096

/**
 * Reads the option `edns` and returns the record to send, `undefined` if none is to be sent.
 *
 * @throws ArgumentError
 */
export function readEdns(edns: unknown = false): Buffer | undefined {
  if (edns === false) return undefined
  const fields = checkOptions(edns === true ? {} : edns, 'options.edns', [
    'udpPayloadSize',
    'dnssecOk',
    'options',
  ])
  const { udpPayloadSize = 1232, dnssecOk = false, options = [] } = fields
  const data = encodeOptions(options)
  // A name of one byte, type, size in place of a class, flags in place of a TTL (RFC 6891, 6.1.2).
  const head = Buffer.alloc(11)
  head.writeUInt16BE(OPT, 1)
  head.writeUInt16BE(checkInteger(udpPayloadSize, 'options.edns.udpPayloadSize', 512, 65_535), 3)
  head.writeUInt16BE(checkBoolean(dnssecOk, 'options.edns.dnssecOk') ? DNSSEC_OK : 0, 7)
  head.writeUInt16BE(data.length, 9)
  return Buffer.concat([head, data])
}

function encodeOptions(options: unknown): Buffer {
  const option = 'options.edns.options'
  if (!Array.isArray(options)) throw typeError(option, 'a list of { code, data }', options)
  const bytes = Buffer.concat(
    options.map((one: unknown) => {
      const { code, data = Buffer.alloc(0) } = checkOptions(one, option, ['code', 'data'])
      if (!(data instanceof Uint8Array)) throw typeError(`${option}.data`, 'bytes', data)
      if (data.length > MOST_OPTION_BYTES) throw tooLong(data.length)
      const head = Buffer.alloc(4)
      head.writeUInt16BE(checkInteger(code, `${option}.code`, 0, 65_535), 0)
      head.writeUInt16BE(data.length, 2)
      return Buffer.concat([head, data])
    }),
  )
  if (bytes.length > MOST_OPTION_BYTES) throw tooLong(bytes.length)
  return bytes
}

function tooLong(bytes: number): RangeError {
  return rangeError('options.edns.options', `at most ${MOST_OPTION_BYTES} bytes`, bytes)
}

/** `undefined` if there is none, or what comes before it cannot be read: nobody needs it but for what it says. */
export function findOpt(message: Buffer): DnsOpt | undefined {
  const count = (at: number) => message.readUInt16BE(at)
  let at = HEADER_BYTES
  for (let left = count(4); left > 0; left--) at = afterName(message, at) + 4
  for (let left = count(6) + count(8) + count(10); left > 0; left--) {
    const type = afterName(message, at)
    // Type, class, TTL, length of the data.
    const data = type + 10
    if (data > message.length) return undefined
    at = data + message.readUInt16BE(type + 8)
    if (message.readUInt16BE(type) === OPT && at <= message.length)
      return {
        rcodeBits: message.readUInt8(type + 4) << 4,
        options: readOptions(message, data, at),
      }
  }
  return undefined
}

function readOptions(message: Buffer, from: number, end: number): Required<DnsEdnsOption>[] {
  const options: Required<DnsEdnsOption>[] = []
  for (let at = from; at + 4 <= end; ) {
    const data = at + 4
    const after = data + message.readUInt16BE(at + 2)
    if (after > end) break
    options.push({ code: message.readUInt16BE(at), data: message.subarray(data, after) })
    at = after
  }
  return options
}

/** Where a name ends that begins there; beyond every message if it does not. */
export function afterName(message: Buffer, from: number): number {
  for (let at = from; ; ) {
    const length = message[at]
    if (length === undefined) return Number.POSITIVE_INFINITY
    if (length === 0) return at + 1
    // A pointer to the rest of it (RFC 1035, 4.1.4).
    if (length >= 0xc0) return at + 2
    at += 1 + length
  }
}
