// The two who write listings: ipvsadm and the kernel.
import { formatNetmask, parseAddress } from '../address.js'
import { rangeError } from '../errors.js'
import type { DestinationId, Family, Persistence } from '../types.js'
import { readEndpoint, readFwmark } from './values.js'

export interface Dialect {
  endpoint(text: string, of: string): DestinationId
  fwmark(text: string): number
  /** The family of a mark, from the words behind it, and how many of them say so. */
  family(next: string | undefined): { readonly family?: Family; readonly words: number }
  /** From the words behind `persistent`, and how many of them it took. */
  persistence(
    words: readonly string[],
    ipv6: boolean | undefined,
    hz: number | undefined,
  ): { readonly persistence: Partial<Persistence>; readonly words: number }
  /** A service that does not say `ops` is not one-packet. */
  saysOnePacket(ipv6: boolean | undefined): boolean
  readonly lacks: readonly string[]
}

export const dialects: Readonly<Record<'ipvsadm' | 'kernel', Dialect>> = {
  ipvsadm: {
    endpoint(text, of) {
      const { address, port } = readEndpoint(text, of)
      if (port === undefined || port > 65_535) {
        throw rangeError(of, 'an address and a port in numbers', text)
      }
      return { address, port }
    },
    fwmark: (text) => readFwmark(text, 'a firewall mark'),
    family: (next) =>
      next === 'IPv6' ? { family: 'ipv6', words: 1 } : { family: 'ipv4', words: 0 },
    persistence([timeout = '', mask, value], ipv6) {
      if (!/^\d+$/.test(timeout)) throw rangeError('persistent', 'followed by seconds', timeout)
      const timeoutSeconds = Number(timeout)
      if (mask !== 'mask') {
        const netmask = ipv6 === true ? 128 : '255.255.255.255'
        return { persistence: { timeoutSeconds, netmask }, words: 1 }
      }
      const netmask = ipv6 === true ? Number(value) : value
      if (netmask === undefined || Number.isNaN(netmask))
        throw rangeError('mask', 'followed by a mask', value)
      return { persistence: { timeoutSeconds, netmask }, words: 3 }
    },
    saysOnePacket: () => true,
    lacks: [],
  },
  // ip_vs_ctl.c: ip_vs_info_seq_show. IPv4 and ports are hexadecimal, IPv6 is written out in full.
  kernel: {
    endpoint(text, of) {
      if (!/^(?:[0-9A-F]{8}|\[[0-9a-f:]{39}\]):[0-9A-F]{4}$/.test(text)) {
        throw rangeError(of, 'an address and a port in hexadecimal', text)
      }
      const port = Number.parseInt(text.slice(-4), 16)
      const address =
        text[0] === '['
          ? parseAddress(text.slice(1, -6), of).text
          : formatNetmask(Number.parseInt(text, 16))
      return { address, port }
    },
    fwmark(text) {
      if (/^[0-9A-F]{8}$/.test(text)) return Number.parseInt(text, 16)
      throw rangeError('a firewall mark', 'eight hexadecimal digits', text)
    },
    family: () => ({ words: 0 }),
    persistence([ticks = '', mask = ''], ipv6, hz) {
      if (!/^\d+$/.test(ticks) || !/^[0-9A-F]{8}$/.test(mask)) {
        throw rangeError('persistent', 'followed by ticks and a mask', `${ticks} ${mask}`)
      }
      const number = Number.parseInt(mask, 16)
      const netmask = netmaskOf(number, ipv6)
      const timeoutSeconds = hz === undefined ? undefined : Math.round(Number(ticks) / hz)
      return {
        persistence: {
          ...(timeoutSeconds !== undefined && { timeoutSeconds }),
          ...(netmask !== undefined && { netmask }),
        },
        words: 2,
      }
    },
    // It has room for the word with IPv4 and marks alone.
    saysOnePacket: (ipv6) => ipv6 !== true,
    lacks: [
      'scheduler flags',
      'persistence engines',
      'one-packet scheduling of IPv6 services',
      'the family of firewall marks',
    ],
  },
}

/** IPv4: the mask itself. IPv6: the length of a prefix, its four bytes turned around (ntohl of a plain number). */
function netmaskOf(number: number, ipv6: boolean | undefined): string | number | undefined {
  const turned =
    ((number & 0xff) << 24) | ((number & 0xff00) << 8) | ((number >>> 8) & 0xff00) | (number >>> 24)
  if (ipv6 === true) return turned >= 1 && turned <= 128 ? turned : number
  if (ipv6 === false) return formatNetmask(number)
  return undefined
}
