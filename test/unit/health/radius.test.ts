import { createHash, createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { type Client, outOfTime, run, serve, stopAnywhere } from './loopback.js'

const secret = 'hünter2'
const check = checks.radius({ secret })

/** A reply to `request`, signed both ways or only by its own authenticator. */
function answer(
  request: Buffer,
  { code = 2, by = secret, attributes = Buffer.alloc(0), isSigned = true } = {},
): Buffer {
  const authenticator = isSigned ? Buffer.from([80, 18, ...Buffer.alloc(16)]) : Buffer.alloc(0)
  const reply = Buffer.concat([request.subarray(0, 20), attributes, authenticator])
  reply[0] = code
  reply.writeUInt16BE(reply.length, 2)
  if (isSigned)
    createHmac('md5', by)
      .update(reply)
      .digest()
      .copy(reply, reply.length - 16)
  createHash('md5').update(reply).update(by).digest().copy(reply, 4)
  return reply
}

const answering = (...make: ((request: Buffer) => Buffer)[]) =>
  serve({
    udp: (request, send) => {
      for (const one of make) send(one(request))
    },
  })
const heard = ({ datagrams }: Client) => datagrams >= 1

describe('checks.radius', () => {
  it('sends Status-Server, signed, with a new authenticator each time', async () => {
    const server = await answering(answer)
    for (let i = 0; i < 2; i++)
      expect(await run(check, server.member)).toBe('healthy: Access-Accept')
    const [first, second] = server.datagrams
    expect(first).toHaveLength(38)
    expect([first![0], ...first!.subarray(2, 4)]).toEqual([12, 0, 38])
    expect([...first!.subarray(20, 22)]).toEqual([80, 18])
    expect(first!.subarray(4, 20)).not.toEqual(second!.subarray(4, 20))
    const unsigned = Buffer.from(first!).fill(0, 22)
    expect(first!.subarray(22)).toEqual(createHmac('md5', secret).update(unsigned).digest())
  })

  it('takes the answer of a port for accounting, attributes, an answer without that signature', async () => {
    const accounting = await answering((request) => answer(request, { code: 5 }))
    expect(await run(check, accounting.member)).toBe('healthy: Accounting-Response')
    const attributes = Buffer.from([18, 4, 0x6f, 0x6b, 26, 2])
    const more = await answering((request) => answer(request, { attributes }))
    expect(await run(check, more.member)).toBe('healthy: Access-Accept')
    const older = await answering((request) => answer(request, { isSigned: false }))
    expect(await run(check, older.member)).toBe('healthy: Access-Accept')
    const padded = await answering((request) => Buffer.concat([answer(request), Buffer.alloc(9)]))
    expect(await run(check, padded.member)).toBe('healthy: Access-Accept')
    const odd = Buffer.from([18, 1, 0])
    const cut = await answering((request) => answer(request, { attributes: odd, isSigned: false }))
    expect(await run(check, cut.member)).toBe('healthy: Access-Accept')
  })

  it('fails at another answer, if it is signed', async () => {
    const reject = await answering((request) => answer(request, { code: 3 }))
    expect(await run(check, reject.member)).toBe(
      'radius HOST: answered with code 3, expected Access-Accept',
    )
  })

  it.each([
    ['not signed with our secret', (request) => answer(request, { by: 'other' })],
    ['not signed with our secret', (request) => answer(request, { by: 'other', code: 3 })],
    [
      'not signed with our secret',
      (request) => {
        // The reply's own authenticator is right, the signature among its attributes is not.
        const reply = answer(request)
        request.copy(reply, 4, 4, 20)
        reply.fill(7, reply.length - 16)
        createHash('md5').update(reply).update(secret).digest().copy(reply, 4)
        return reply
      },
    ],
    ['not signed with our secret', (request) => request],
    [
      'wrong number',
      (request) => {
        const other = Buffer.from(request)
        other[1] = request[1]! ^ 1
        return answer(other)
      },
    ],
    ['only 19 bytes', () => Buffer.alloc(19)],
    ['a length of 0 bytes', () => Buffer.alloc(20)],
    [
      'a length of 21 bytes',
      (request) => {
        const reply = answer(request, { isSigned: false })
        reply.writeUInt16BE(21, 2)
        return reply
      },
    ],
    ['a length of 5000 bytes', () => Buffer.alloc(5000, Buffer.from([2, 0, 0x13, 0x88]))],
  ] as [string, (request: Buffer) => Buffer][])('ignores what is %s', async (why, make) => {
    const lying = await answering(make)
    expect(await outOfTime(check, lying.member, heard)).toBe(
      `radius HOST: no answer within 80 ms (1 ignored: ${why})`,
    )
    const both = await answering(make, answer)
    expect(await run(check, both.member)).toBe('healthy: Access-Accept')
  })

  it('fails when refused, and when nothing comes, and never shows the secret', async () => {
    const { member } = await serve({})
    expect(await run(check, member)).toBe('radius HOST: connection refused')
    const silent = await serve({ udp: () => {} })
    const asked = () => silent.datagrams.length === 1
    expect(await outOfTime(check, silent.member, asked)).toBe('radius HOST: no answer within 80 ms')
    for (const bad of [5, '', undefined]) {
      expect(() => checks.radius({ secret: bad as never })).toThrow(
        expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option: 'options.secret' }),
      )
    }
    expect(() => checks.radius({ secret: Buffer.from('hunter2') as never })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
    )
  })

  it('leaves nothing open at an abort, whenever it comes', async () => {
    const { member } = await answering(answer)
    for (const reason of await stopAnywhere(check, member))
      expect(reason).toBe('radius HOST: stopped')
  })
})
