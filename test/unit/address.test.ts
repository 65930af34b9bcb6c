import { isIP, isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAddress, formatNetmask, parseAddress, parseNetmask } from '../../src/address.js'

const canonical = (text: string) => parseAddress(text, 'address').text

describe('RFC 5952', () => {
  it.each([
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8::0:1', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['2001:db8:aaaa:bbbb:cccc:dddd:0:1', '2001:db8:aaaa:bbbb:cccc:dddd:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['0:0:3:4:5:6:0:0', '::3:4:5:6:0:0'],
    ['0:2:3:4:5:6:7:0', '0:2:3:4:5:6:7:0'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:192.0.2.33', '1:2:3:4:5:6:c000:221'],
    ['::192.0.2.33', '::c000:221'],
    ['::ffff:0:192.0.2.33', '::ffff:0:c000:221'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1::8', '1::8'],
    ['192.0.2.1', '192.0.2.1'],
    ['255.255.255.255', '255.255.255.255'],
  ])('%s is %s', (text, expected) => {
    expect(canonical(text)).toBe(expected)
    expect(canonical(expected)).toBe(expected)
  })
})

describe('properties', () => {
  // Many zero groups, as those are what the rules are about.
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  const bytes6 = fc
    .array(group, { minLength: 8, maxLength: 8 })
    .map((groups) => groups.flatMap((value) => [value >> 8, value & 255]))
  const isMapped = (bytes: number[]) =>
    bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255

  it('IPv6 bytes survive text, which is what WHATWG URL writes', () => {
    fc.assert(
      fc.property(bytes6, (bytes) => {
        fc.pre(!isMapped(bytes))
        const text = formatAddress(10, bytes)
        expect(isIPv6(text)).toBe(true)
        expect(parseAddress(text, 'address')).toEqual({ af: 10, bytes, text })
        expect(`[${text}]`).toBe(new URL(`http://[${text}]/`).hostname)
      }),
      { numRuns: 2000 },
    )
  })

  it('every spelling of IPv6 has one canonical form', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const { hostname } = new URL(`http://[${text}]/`)
        fc.pre(!hostname.startsWith('[::ffff:') || hostname.split(':').length !== 5)
        expect(`[${canonical(text)}]`).toBe(hostname)
        expect(canonical(text.toUpperCase())).toBe(canonical(text))
      }),
      { numRuns: 2000 },
    )
  })

  it('IPv4 bytes survive text', () => {
    const bytes4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(bytes4, (bytes) => {
        const text = [...bytes].join('.')
        expect(parseAddress(text, 'address')).toEqual({ af: 2, bytes, text })
      }),
    )
  })

  it('dotted decimal is what node:net says it is', () => {
    const octet = fc.oneof(
      { weight: 3, arbitrary: fc.nat(300).map(String) },
      fc.constantFrom(
        '',
        '0',
        '00',
        '01',
        '255',
        '256',
        '1e1',
        '-1',
        ' 1',
        '1 ',
        '٣',
        '4294967297',
      ),
    )
    const dotted = fc.array(octet, { minLength: 1, maxLength: 5 }).map((octets) => octets.join('.'))
    fc.assert(
      fc.property(dotted, (text) => {
        if (isIPv4(text)) expect(parseAddress(text, 'address').text).toBe(text)
        else expect(() => parseAddress(text, 'address')).toThrow(RangeError)
      }),
      { numRuns: 5000 },
    )
  })

  it('reads from an offset', () => {
    fc.assert(
      fc.property(bytes6, fc.nat(8), (bytes, offset) => {
        const record = new Uint8Array(32).fill(0xff)
        record.set(bytes, offset)
        for (const af of [2, 10])
          expect(formatAddress(af, record, offset)).toBe(formatAddress(af, bytes))
      }),
    )
  })

  it('refuses any other text with the path and the text', () => {
    const near = fc.string({ unit: fc.constantFrom(...'0123456789abf.:[]%/ \0') })
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        fc.pre(isIP(text) === 0 || text.includes('%'))
        let refusal: unknown
        try {
          parseAddress(text, 'address')
        } catch (error) {
          refusal = error
        }
        expect(refusal).toBeInstanceOf(RangeError)
        expect(refusal).toMatchObject({ code: 'ERR_IPVS_ARGUMENT', option: 'address', value: text })
      }),
      { numRuns: 2000 },
    )
  })
})

describe('refusals say how to write it', () => {
  it.each([
    ['', 'not an empty string'],
    ['10.0.0.1\0', 'without NUL'],
    ['fe80::1%eth0', 'IPVS has none: write "fe80::1"'],
    ['::1%', 'without a zone id'],
    ['::ffff:192.0.2.1', 'written "192.0.2.1"'],
    ['::FFFF:c000:0201', 'written "192.0.2.1"'],
    ['0:0:0:0:0:ffff:192.0.2.1', 'written "192.0.2.1"'],
    ['010.000.0.08', 'written "10.0.0.8"'],
    ['1.2.3.256', 'octets from 0 to 255'],
    ['10.1', 'four octets'],
    ['167772161', 'four octets'],
    ['[2001:db8::1]', 'without brackets: write "2001:db8::1"'],
    ['[2001:db8::1]:53', 'write "2001:db8::1", with port 53 in the option "port"'],
    ['10.0.0.1:53', 'write "10.0.0.1", with port 53 in the option "port"'],
    [' 10.0.0.1', 'without white space: write "10.0.0.1"'],
    ['10.0.0.1/32', 'without a prefix length: write "10.0.0.1"'],
    ['localhost', 'not a host name'],
    ['dns1.example.com', 'not a host name'],
    ['1::2::3', 'such as "192.0.2.1" or "2001:db8::1"'],
    ['12345::', 'such as "192.0.2.1" or "2001:db8::1"'],
    ['1:2:3:4:5:6:7', 'such as'],
    [':'.repeat(1_000_000), 'an IPv4 or IPv6 address'],
    ['1.'.repeat(1_000_000), 'an IPv4 or IPv6 address'],
  ])('%.40j', (text, hint) => {
    expect(() => parseAddress(text, 'service.address')).toThrow(RangeError)
    expect(() => parseAddress(text, 'service.address')).toThrow(hint)
  })

  it.each([[undefined], [null], [5], [new String('10.0.0.1')], [['10.0.0.1']]])(
    '%s is no string',
    (value) => {
      expect(() => parseAddress(value, 'address')).toThrow(TypeError)
    },
  )
})

describe('netmask', () => {
  it('survives text', () => {
    expect(parseNetmask('255.255.255.0', 'netmask')).toBe(0xffffff00)
    expect(parseNetmask('255.255.255.255', 'netmask')).toBe(0xffffffff)
    expect(formatNetmask(0xffffff00)).toBe('255.255.255.0')
    const mask = fc.integer({ min: 0, max: 0xffffffff })
    fc.assert(fc.property(mask, (mask) => parseNetmask(formatNetmask(mask), 'netmask') === mask))
  })

  it('spells a prefix length as a mask', () => {
    expect(() => parseNetmask(20, 'netmask')).toThrow('"255.255.240.0"')
    expect(() => parseNetmask(32, 'netmask')).toThrow('"255.255.255.255"')
    expect(() => parseNetmask(0, 'netmask')).toThrow(TypeError)
    expect(() => parseNetmask('/24', 'netmask')).toThrow(RangeError)
    expect(() => parseNetmask('ffff::', 'netmask')).toThrow(RangeError)
  })
})
