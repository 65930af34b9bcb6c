// The messages. Hosts that answer, and do not, are in test/kernel/check-sockets.test.ts.
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { echoRequest, readEcho } from '../../../src/health/checks/ping.js'

const data = Buffer.from('0123456789abcdef')
const request = echoRequest(false, data)

/** As a host answers it. */
function reply(ipv6 = false, sent = request): Buffer {
  const message = Buffer.from(sent)
  message[0] = ipv6 ? 129 : 0
  message.writeUInt16BE(0x1234, 2)
  message.writeUInt16BE(0x4242, 4)
  return message
}

/** A raw socket gives the header, with options if it has some. */
function withHeader(message: Buffer, words: number): Buffer {
  const header = Buffer.alloc(4 * words)
  header[0] = 0x40 | words
  return Buffer.concat([header, message])
}

describe('checks.ping', () => {
  it('sends an echo request with a checksum', () => {
    expect(request.toString('hex')).toBe(`0800c8c700000001${data.toString('hex')}`)
    expect(echoRequest(true, data).toString('hex')).toBe(`8000000000000001${data.toString('hex')}`)
  })

  it.each([
    ['of a ping socket', reply()],
    ['of a raw socket', withHeader(reply(), 5)],
    ['of a raw socket, with IP options', withHeader(reply(), 15)],
  ])('takes the answer %s', (_name, datagram) => {
    expect(readEcho(false, datagram, request)).toEqual(data)
  })

  it('takes the answer over IPv6', () => {
    const sent = echoRequest(true, data)
    expect(readEcho(true, reply(true, sent), sent)).toEqual(data)
  })

  const other = echoRequest(false, Buffer.alloc(16))
  const second = reply()
  second.writeUInt16BE(2, 6)
  it.each([
    ['our own request', false, withHeader(request, 5), 'ICMP type 8'],
    ['an error', false, withHeader(Buffer.from([3, 1, 0, 0]), 5), 'ICMP type 3'],
    ['other data', false, reply(false, other), 'the answer to another ping'],
    ['another sequence', false, second, 'the answer to another ping'],
    ['a part', false, reply().subarray(0, 20), 'the answer to another ping'],
    ['more', false, Buffer.concat([reply(), data]), 'the answer to another ping'],
    ['a type and nothing else', false, Buffer.from([0]), 'the answer to another ping'],
    ['nothing', false, Buffer.alloc(0), 'ICMP type undefined'],
    ['a header alone', false, Buffer.from([0x45]), 'ICMP type undefined'],
    ['IPv4 in IPv6', true, reply(), 'ICMP type 0'],
  ])('ignores %s', (_name, ipv6, datagram, notOurs) => {
    expect(readEcho(ipv6, datagram, request)).toEqual({ notOurs })
  })

  it.each([
    [{ ports: 7 }, 'options.ports'],
    [{ port: 0 }, 'options.port'],
    [{ connect: { mark: 1.5 } }, 'options.connect.mark'],
    [{ localAddress: 'lo' }, 'options.localAddress'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.ping(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
