// The few packets of MySQL's connection phase that a check reads and writes.
import { showText } from './show.js'

/** What the server says of itself, in the first packet. */
export interface Greeting {
  readonly protocol: number
  readonly version: string
  /** How it would have passwords sent: `mysql_native_password`. */
  readonly method: string
  /** Whether it understands the name of a method. */
  readonly knowsMethods: boolean
  /** Whether it can begin TLS. */
  readonly hasTls: boolean
}

export interface Packet {
  readonly payload: Buffer
  /** With its header. */
  readonly bytes: number
}

const HEADER_BYTES = 4
/** Greetings, refusals and the like are short. */
const LONGEST = 8192

/** Of an error packet (ERR_Packet of the protocol). */
const ERROR_BYTE = 0xff

/**
 * The first packet; `undefined` if that is none, or not the one with number `sequence`. Errors come with any number: some
 * servers count from 1 before the handshake (MariaDB 10.4 and later), others begin anew.
 */
export function readPacket(received: Buffer, sequence: number): Packet | 'more' | undefined {
  if (received.length < HEADER_BYTES) return 'more'
  const length = received.readUIntLE(0, 3)
  if (length === 0 || length > LONGEST) return undefined
  if (received[3] !== sequence) {
    // A protocol of text has letters here, and none has this byte after them.
    if (received.length === HEADER_BYTES) return 'more'
    if (received[HEADER_BYTES] !== ERROR_BYTE) return undefined
  }
  const bytes = HEADER_BYTES + length
  if (received.length < bytes) return 'more'
  return { payload: received.subarray(HEADER_BYTES, bytes), bytes }
}

export function frame(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUIntLE(payload.length, 0, 3)
  header[3] = sequence
  return Buffer.concat([header, payload])
}

/** COM_QUIT. */
export const quit = Buffer.from([1])

/** `undefined` if it is something else, or cut off. */
export function readGreeting(payload: Buffer): Greeting | undefined {
  const end = payload.indexOf(0, 1)
  const protocol = payload[0]
  if (protocol === undefined || protocol > 10 || end === -1) return undefined
  const version = payload.toString('utf8', 1, end)
  if (protocol < 10) return { protocol, version, method: '', knowsMethods: false, hasTls: false }
  // Connection id 4, first part of the scramble 8 and a zero, capabilities 2: no server sends less.
  const rest = payload.subarray(end + 1)
  if (rest.length < 15) return undefined
  // Character set 1, status 2, capabilities 2, length of the scramble 1, 10 unused, at least 13 more of the scramble.
  const scramble = Math.max(13, (rest[20] ?? 0) - 8)
  const after = rest.subarray(31 + scramble)
  const stop = after.indexOf(0)
  const method = after.toString('latin1', 0, stop === -1 ? after.length : stop)
  const knowsMethods = rest.length >= 20 && (rest.readUInt16LE(18) & (PLUGIN_AUTH >> 16)) !== 0
  return {
    protocol,
    version,
    method: method === '' ? 'mysql_native_password' : method,
    knowsMethods,
    hasTls: (rest.readUInt16LE(13) & TLS) !== 0,
  }
}

/** An error packet in words: `error 1040 "Too many connections"`. */
export function readError(payload: Buffer): { code: number; text: string } | undefined {
  if (payload[0] !== ERROR_BYTE || payload.length < 3) return undefined
  const code = payload.readUInt16LE(1)
  // "#28000", the SQL state, comes only after the handshake.
  const text = payload.toString('utf8', payload[3] === 0x23 ? 9 : 3)
  return { code, text: `error ${code} ${showText(text)}` }
}

/** The method that the server wants in place of the one offered. */
export function readAuthSwitch(payload: Buffer): string | undefined {
  if (payload[0] !== 0xfe) return undefined
  const end = payload.indexOf(0, 1)
  return payload.toString('latin1', 1, end === -1 ? payload.length : end)
}

const LONG_PASSWORD = 0x0000_0001
const PROTOCOL_41 = 0x0000_0200
const TLS = 0x0000_0800
const SECURE_CONNECTION = 0x0000_8000
const PLUGIN_AUTH = 0x0008_0000
const UTF8 = 33

/** Logs in without a password. */
export function handshakeResponse(user: string, greeting: Greeting, isTls: boolean): Buffer {
  const { method, knowsMethods } = greeting
  const answer = noPassword(method)
  return Buffer.concat([
    responseHead(greeting, isTls),
    Buffer.from(`${user}\0`),
    Buffer.from([answer.length]),
    answer,
    Buffer.from(knowsMethods ? `${method}\0` : ''),
  ])
}

/** The beginning of the response, by which TLS begins too (SSLRequest of the protocol). */
export function responseHead({ knowsMethods }: Greeting, isTls: boolean): Buffer {
  const head = Buffer.alloc(32)
  // Nothing that the server has not offered: some refuse it.
  const named = knowsMethods ? PLUGIN_AUTH : 0
  const secure = isTls ? TLS : 0
  head.writeUInt32LE(LONG_PASSWORD | PROTOCOL_41 | SECURE_CONNECTION | named | secure, 0)
  head.writeUInt32LE(0xff_ffff, 4)
  head[8] = UTF8
  return head
}

/** The empty password: the older methods send nothing at all for it, those over SHA-2 the end of a text. */
export function noPassword(method: string): Buffer {
  return /sha2|sha256|clear/.test(method) ? Buffer.from([0]) : Buffer.alloc(0)
}
