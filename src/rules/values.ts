// The values of a rule's options, from text to what the types of the library say. Validation comes after.
import { isIP, isIPv6 } from 'node:net'
import { parseAddress } from '../address.js'
import { rangeError } from '../errors.js'

/** An address, in its canonical spelling, and, if it was given, a port. */
export interface Endpoint {
  readonly address: string
  readonly port: number | undefined
}

/**
 * Reads `192.0.2.1:53`, `192.0.2.1`, `[2001:db8::1]:53` or `2001:db8::1`.
 *
 * @throws RangeError if a part is a name, or neither address nor port
 */
export function readEndpoint(text: string, option: string): Endpoint {
  if (isIPv6(text)) return { address: parseAddress(text, option).text, port: undefined }
  const [, inBrackets, plain, port] = /^(?:\[([^\]]*)\](?=:)|([^:]*))(?::(\d+))?$/.exec(text) ?? []
  const address = inBrackets ?? plain ?? ''
  if (isIP(address) !== (inBrackets === undefined ? 4 : 6)) {
    const rule =
      'an address and a port in numbers, such as 192.0.2.1:53 or [2001:db8::1]:53 (save names as numbers: ipvsadm-save -n)'
    throw rangeError(option, rule, text)
  }
  return {
    address: parseAddress(address, option).text,
    port: port === undefined ? undefined : Number(port),
  }
}

/** @throws RangeError if `text` is not a decimal number */
export function readNumber(text: string, option: string): number {
  // As strtol(3) to the base 10 does, which ipvsadm uses.
  if (!/^[+-]?\d+$/.test(text)) throw rangeError(option, 'followed by a whole number', text)
  // Never -0, which "-0" would be.
  return Number(text) + 0
}

/** Reads a firewall mark. ipvsadm up to 1.31 prints one of 2147483648 and more as a negative number. */
export function readFwmark(text: string, option: string): number {
  const fwmark = readNumber(text, option)
  return fwmark < 0 && fwmark >= -0x80000000 ? fwmark + 0x100000000 : fwmark
}
