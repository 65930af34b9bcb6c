// The few LDAP messages of a check, in BER (RFC 4511): written and read by hand.
import { showText } from './show.js'

export interface LdapResult {
  readonly code: number
  readonly diagnostic: string
}

export interface LdapMessage {
  readonly id: number
  readonly kind: string
  /** Of those messages that have one. */
  readonly result: LdapResult | undefined
  /** The server's word that it will close the connection, with the reason in `result` (RFC 4511, 4.4.1). */
  readonly isDisconnection: boolean
  /** Of the whole message. */
  readonly bytes: number
}

const INTEGER = 0x02
const OCTET_STRING = 0x04
const ENUMERATED = 0x0a
const BOOLEAN = 0x01
const SEQUENCE = 0x30

/** Messages from servers, by their tag; those with a result begin with it. */
const KINDS: ReadonlyMap<number, { readonly kind: string; readonly hasResult: boolean }> = new Map([
  [0x61, { kind: 'bindResponse', hasResult: true }],
  [0x64, { kind: 'searchResultEntry', hasResult: false }],
  [0x65, { kind: 'searchResultDone', hasResult: true }],
  [0x73, { kind: 'searchResultReference', hasResult: false }],
  [0x78, { kind: 'extendedResponse', hasResult: true }],
  [0x79, { kind: 'intermediateResponse', hasResult: false }],
])

/** A simple bind of LDAP version 3. */
export function bindRequest(id: number, dn: string, password: string): Buffer {
  return message(id, ber(0x60, int(3), text(dn), ber(0x80, Buffer.from(password))))
}

/** Looks up one entry by its name, without asking for any of its attributes (`1.1`). */
export function searchRequest(id: number, base: string): Buffer {
  const baseObject = ber(ENUMERATED, Buffer.from([0]))
  const neverDeref = ber(ENUMERATED, Buffer.from([0]))
  const noLimits = [int(0), int(0)]
  const valuesToo = ber(BOOLEAN, Buffer.from([0]))
  const present = ber(0x87, Buffer.from('objectClass'))
  const attributes = ber(SEQUENCE, text('1.1'))
  return message(
    id,
    ber(0x63, text(base), baseObject, neverDeref, ...noLimits, valuesToo, present, attributes),
  )
}

const disconnection = Buffer.from('1.3.6.1.4.1.1466.20036')

/** The extended operation of RFC 4511, 4.14. */
export function startTlsRequest(id: number): Buffer {
  return message(id, ber(0x77, ber(0x80, Buffer.from('1.3.6.1.4.1.1466.20037'))))
}

export function unbindRequest(id: number): Buffer {
  return message(id, ber(0x42))
}

/** The first message; `undefined` if that is none. */
export function readMessage(received: Buffer): LdapMessage | 'more' | undefined {
  if (received.length > 0 && received[0] !== SEQUENCE) return undefined
  const outer = readBer(received)
  if (outer === 'more' || outer === undefined) return outer
  const id = readBer(outer.value)
  if (typeof id !== 'object' || id.tag !== INTEGER || id.value.length < 1 || id.value.length > 4)
    return undefined
  const operation = readBer(outer.value.subarray(id.bytes))
  if (typeof operation !== 'object') return undefined
  const known = KINDS.get(operation.tag)
  if (known === undefined) return undefined
  const result = known.hasResult ? readResult(operation.value) : undefined
  if (known.hasResult && result === undefined) return undefined
  return {
    id: id.value.readIntBE(0, id.value.length),
    kind: known.kind,
    result,
    isDisconnection: operation.value.includes(disconnection),
    bytes: outer.bytes,
  }
}

function readResult(value: Buffer): LdapResult | undefined {
  const code = readBer(value)
  if (typeof code !== 'object' || code.tag !== ENUMERATED) return undefined
  const { length } = code.value
  // Codes of servers' own are longer, and BER lets short ones be written long.
  if (length < 1 || length > 4) return undefined
  const matched = readBer(value.subarray(code.bytes))
  if (typeof matched !== 'object') return undefined
  const diagnostic = readBer(value.subarray(code.bytes + matched.bytes))
  if (typeof diagnostic !== 'object') return undefined
  return { code: code.value.readIntBE(0, length), diagnostic: diagnostic.value.toString('utf8') }
}

/** As RFC 4511, A.2, calls those that a check may meet. */
const CODES: ReadonlyMap<number, string> = new Map([
  [0, 'success'],
  [1, 'operationsError'],
  [2, 'protocolError'],
  [3, 'timeLimitExceeded'],
  [7, 'authMethodNotSupported'],
  [8, 'strongerAuthRequired'],
  [10, 'referral'],
  [11, 'adminLimitExceeded'],
  [13, 'confidentialityRequired'],
  [32, 'noSuchObject'],
  [34, 'invalidDNSyntax'],
  [48, 'inappropriateAuthentication'],
  [49, 'invalidCredentials'],
  [50, 'insufficientAccessRights'],
  [51, 'busy'],
  [52, 'unavailable'],
  [53, 'unwillingToPerform'],
  [80, 'other'],
])

/** `unavailable (52) "shutting down"`. */
export function resultText({ code, diagnostic }: LdapResult): string {
  const said = diagnostic === '' ? '' : ` ${showText(diagnostic)}`
  return `${CODES.get(code) ?? 'result'} (${code})${said}`
}

function message(id: number, operation: Buffer): Buffer {
  return ber(SEQUENCE, int(id), operation)
}

/** 0 to 127. */
function int(value: number): Buffer {
  return ber(INTEGER, Buffer.from([value]))
}

function text(value: string): Buffer {
  return ber(OCTET_STRING, Buffer.from(value))
}

function ber(tag: number, ...contents: readonly Buffer[]): Buffer {
  const value = Buffer.concat(contents)
  if (value.length < 0x80) return Buffer.concat([Buffer.from([tag, value.length]), value])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([Buffer.from([tag, 0x84]), length, value])
}

interface Element {
  readonly tag: number
  readonly value: Buffer
  /** With tag and length. */
  readonly bytes: number
}

/** One element with a tag of one byte and a definite length, which is all that LDAP has (RFC 4511, 5.1). */
function readBer(from: Buffer): Element | 'more' | undefined {
  const [tag, first] = from
  if (tag === undefined || first === undefined) return 'more'
  let length = first
  let start = 2
  if (first >= 0x80) {
    const digits = first - 0x80
    if (digits < 1 || digits > 4) return undefined
    start += digits
    if (from.length < start) return 'more'
    length = from.readUIntBE(2, digits)
  }
  const bytes = start + length
  if (from.length < bytes) return 'more'
  return { tag, value: from.subarray(start, bytes), bytes }
}
