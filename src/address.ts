// IPv4 and IPv6 addresses between text, as callers write it, and bytes, as the kernel wants them.
import { isIP } from 'node:net'
import { rangeError, typeError } from './errors.js'

export const AF_INET = 2
export const AF_INET6 = 10
export type AddressFamily = typeof AF_INET | typeof AF_INET6

/** 4 or 16 bytes in network order. A plain array costs a tenth of a `Uint8Array` to make. */
export type AddressBytes = ArrayLike<number>

/** A parsed address. */
export interface Address {
  readonly af: AddressFamily
  readonly bytes: AddressBytes
  /** The canonical spelling: dotted decimal, or RFC 5952. */
  readonly text: string
}

const LONGEST = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255'.length
const DOT = 46
const COLON = 58

/**
 * Parses an IPv4 or IPv6 address.
 *
 * @param option path of the option, for the error
 * @throws TypeError if `text` is not a string
 * @throws RangeError if it is not an address, is IPv4-mapped, or has a zone id, a port or leading zeros
 */
export function parseAddress(text: unknown, option: string): Address {
  const bytes = addressBytes(text, option)
  const af = bytes.length === 4 ? AF_INET : AF_INET6
  return { af, bytes, text: formatAddress(af, bytes) }
}

/**
 * {@link parseAddress} without the text: 4 or 16 bytes.
 *
 * @param mappedToo the kernel takes IPv4-mapped addresses, so that others may have put one there
 */
export function addressBytes(text: unknown, option: string, mappedToo = false): AddressBytes {
  if (typeof text !== 'string') {
    throw typeError(option, 'an IPv4 or IPv6 address, as a string', text)
  }
  const dotted = readIPv4(text)
  if (dotted !== undefined) return dotted
  if (text.length > LONGEST || isIP(text) !== 6 || text.includes('%')) {
    throw rangeError(option, rightSpelling(text), text)
  }

  const bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  writeIPv6(text, bytes)
  if (isMapped(bytes, 0) && !mappedToo) {
    const plain = formatAddress(AF_INET, bytes, 12)
    throw rangeError(option, `written "${plain}": IPv4-mapped addresses never match`, text)
  }
  return bytes
}

/** Writes an address as text: dotted decimal, or RFC 5952. Reads 4 or 16 bytes from `offset`. */
export function formatAddress(af: number, bytes: AddressBytes, offset = 0): string {
  if (af === AF_INET) {
    return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`
  }
  // Only another program can have put one into the kernel (RFC 5952 section 5).
  if (isMapped(bytes, offset)) return `::ffff:${formatAddress(AF_INET, bytes, offset + 12)}`

  const group = (index: number) =>
    (bytes[offset + 2 * index]! << 8) | bytes[offset + 2 * index + 1]!
  // The longest run of zero groups, the first on a tie, never a single one (RFC 5952 section 4.2).
  let runStart = -1
  let runLength = 1
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && group(end) === 0) end++
    if (end - start > runLength) {
      runStart = start
      runLength = end - start
    }
    if (end > start) start = end
  }

  let text = ''
  for (let index = 0; index < 8; index++) {
    if (index === runStart) {
      text += '::'
      index += runLength - 1
    } else {
      if (index > 0 && index !== runStart + runLength) text += ':'
      text += group(index).toString(16)
    }
  }
  return text
}

/** `0.0.0.0` or `::`. */
export function isUnspecified(bytes: AddressBytes): boolean {
  return all(bytes, 0)
}

/** `224.0.0.0/4` or `ff00::/8`. */
export function isMulticast(bytes: AddressBytes): boolean {
  return bytes.length === 4 ? bytes[0]! >> 4 === 0xe : bytes[0] === 0xff
}

/** `255.255.255.255`. */
export function isBroadcast(bytes: AddressBytes): boolean {
  return bytes.length === 4 && all(bytes, 0xff)
}

/**
 * Parses a dotted IPv4 mask into an unsigned number: `'255.255.255.0'` gives `0xffffff00`. The kernel takes any
 * mask, so that one with holes is allowed; 0 is the caller's to judge.
 *
 * @throws TypeError if `text` is not a string
 * @throws RangeError if it is not a dotted mask
 */
export function parseNetmask(text: unknown, option: string): number {
  const example = '"255.255.255.0"'
  if (typeof text !== 'string') {
    const prefix = typeof text === 'number' && text > 0 && text <= 32 ? text : undefined
    const mask = prefix === undefined ? example : `"${formatNetmask(prefixMask(prefix))}"`
    throw typeError(option, `a dotted mask, such as ${mask}, for IPv4`, text)
  }
  const bytes = readIPv4(text)
  if (bytes === undefined)
    throw rangeError(option, `a dotted mask, such as ${example}, for IPv4`, text)
  return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0
}

/** The inverse of {@link parseNetmask}. */
export function formatNetmask(mask: number): string {
  return `${mask >>> 24}.${(mask >>> 16) & 255}.${(mask >>> 8) & 255}.${mask & 255}`
}

function prefixMask(prefix: number): number {
  return (0xffffffff << (32 - prefix)) >>> 0
}

/** Dotted decimal, strictly: four octets, no leading zeros. `undefined` for anything else. */
export function readIPv4(text: unknown): AddressBytes | undefined {
  if (typeof text !== 'string') return undefined
  const { length } = text
  if (length < 7 || length > 15) return undefined
  const bytes = [0, 0, 0, 0]
  let at = 0
  let octet = -1 // none yet
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      if (octet < 0 || at === 3) return undefined
      bytes[at++] = octet
      octet = -1
    } else {
      const digit = code - 48
      if (digit < 0 || digit > 9 || octet === 0) return undefined
      octet = octet < 0 ? digit : octet * 10 + digit
      if (octet > 255) return undefined
    }
  }
  if (octet < 0 || at !== 3) return undefined
  bytes[3] = octet
  return bytes
}

/** Writes dotted decimal that `isIP` has accepted. */
function writeIPv4(text: string, from: number, bytes: number[], to: number): void {
  let at = to
  let octet = 0
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      bytes[at++] = octet
      octet = 0
    } else octet = octet * 10 + code - 48
  }
  bytes[at] = octet
}

/** Writes IPv6 text that `isIP` has accepted. */
function writeIPv6(text: string, bytes: number[]): void {
  let at = 0
  let gap = -1
  let group = 0
  let groupStart = 0
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : COLON
    if (code === COLON) {
      if (i > groupStart) {
        bytes[at++] = group >> 8
        bytes[at++] = group & 255
      } else gap = at
      group = 0
      groupStart = i + 1
    } else if (code === DOT) {
      writeIPv4(text, groupStart, bytes, at)
      at += 4
      break
    } else group = group * 16 + (code < COLON ? code - 48 : (code | 32) - 87)
  }
  if (gap < 0) return
  const tail = 16 - (at - gap)
  bytes.copyWithin(tail, gap, at)
  bytes.fill(0, gap, tail)
}

export function isSameAddress(a: AddressBytes, b: AddressBytes): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function all(bytes: AddressBytes, value: number): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== value) return false
  return true
}

function isMapped(bytes: AddressBytes, offset: number): boolean {
  if (bytes[offset + 10] !== 0xff || bytes[offset + 11] !== 0xff) return false
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false
  return true
}

/** What a text that is not an address should have been. */
function rightSpelling(text: string): string {
  if (text === '') return 'an IPv4 or IPv6 address, not an empty string'
  if (text.length > 256) return 'an IPv4 or IPv6 address'
  if (text.includes('\0')) return 'an IPv4 or IPv6 address, without NUL'
  if (/\s/.test(text)) return `an IPv4 or IPv6 address, without white space${hint(text.trim())}`

  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed) return withoutPort(bracketed[1]!, bracketed[2], 'without brackets')
  const dotted = /^([\d.]+):(\d+)$/.exec(text)
  if (dotted) return withoutPort(dotted[1]!, dotted[2], 'without a port')
  if (text.includes('/')) {
    return `one address, without a prefix length${hint(text.slice(0, text.indexOf('/')))}`
  }
  if (text.includes('%')) {
    return `an address without a zone id: IPVS has none${hint(text.slice(0, text.indexOf('%')))}`
  }
  const octets = text.split('.')
  if (octets.length === 4 && octets.every((octet) => /^\d+$/.test(octet))) {
    const decimal = octets.map(Number).join('.')
    if (isIP(decimal) === 4)
      return `written "${decimal}": leading zeros mean octal to some programs`
    return 'an IPv4 address with octets from 0 to 255'
  }
  if (/^[\d.]+$/.test(text)) return 'an IPv4 address with four octets, such as "192.0.2.1"'
  if (/^[\w.-]+$/.test(text)) return 'an IPv4 or IPv6 address, not a host name: look it up first'
  return 'an IPv4 or IPv6 address, such as "192.0.2.1" or "2001:db8::1"'
}

function withoutPort(address: string, port: string | undefined, without: string): string {
  const where = port === undefined ? '' : `, with port ${port} in the option "port"`
  return `an IPv4 or IPv6 address ${without}${hint(address)}${where}`
}

/** The right spelling, if that is what remains after leaving out what does not belong. */
function hint(text: string): string {
  return isIP(text) === 0 || text.includes('%') ? '' : `: write "${text}"`
}
