// What checks.dns asks, byte for byte, and what it makes of the OPT record of a reply.
import { encode } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import { checks, type DnsCheckOptions, type DnsReply } from '../../../src/health/checks/index.js'
import { answer, run as runCheck, serve, udpReply } from './loopback.js'
import { hex } from './script.js'

const dns = (options: Partial<DnsCheckOptions>) =>
  checks.dns({ name: 'example.org', protocols: ['udp'], ...options })

/** The query that a server gets, without its id. */
async function queryOf(options: Partial<DnsCheckOptions>): Promise<Buffer> {
  const server = await serve({ udp: udpReply() })
  expect(await runCheck(dns(options), server.member)).toMatch(/^healthy/)
  return server.datagrams[0]!.subarray(2)
}

const example = '07 6578616d706c65 03 6f7267 00'

describe('the question of checks.dns', () => {
  it.each([
    [{}, `0100 0001 0000 0000 0000 ${example} 0001 0001`],
    [{ recursionDesired: false }, `0000 0001 0000 0000 0000 ${example} 0001 0001`],
    [
      { checkingDisabled: true, authenticData: true, recursionDesired: true },
      `0130 0001 0000 0000 0000 ${example} 0001 0001`,
    ],
    [
      { checkingDisabled: false, authenticData: false },
      `0100 0001 0000 0000 0000 ${example} 0001 0001`,
    ],
    [
      { name: 'id.server', class: 'CH', recursionDesired: false },
      '0000 0001 0000 0000 0000 02 6964 06 736572766572 00 0010 0003',
    ],
    [{ class: 'HS', type: 'PTR' }, `0100 0001 0000 0000 0000 ${example} 000c 0004`],
    [{ type: 'TYPE65' }, `0100 0001 0000 0000 0000 ${example} 0041 0001`],
    [{ edns: true }, `0100 0001 0000 0000 0001 ${example} 0001 0001  00 0029 04d0 0000 0000 0000`],
    [{ edns: false }, `0100 0001 0000 0000 0000 ${example} 0001 0001`],
    [
      {
        edns: {
          udpPayloadSize: 4096,
          dnssecOk: true,
          options: [{ code: 3 }, { code: 8, data: hex('0001 18 00 c00002') }],
        },
      },
      `0100 0001 0000 0000 0001 ${example} 0001 0001
        00 0029 1000 0000 8000 000f  0003 0000  0008 0007 0001 18 00 c00002`,
    ],
  ] as [Partial<DnsCheckOptions>, string][])('of %j', async (options, expected) => {
    expect(await queryOf(options)).toEqual(hex(expected))
  })

  it('has a new random label each time, and for each protocol', async () => {
    const names: string[] = []
    const server = await serve({ udp: udpReply() })
    for (let i = 0; i < 3; i++) {
      const check = dns({ name: 'Cache.test.', randomLabel: true })
      expect(await runCheck(check, server.member)).toMatch(/^healthy/)
      await runCheck(check, server.member)
    }
    for (const { questions } of server.queries) names.push(questions![0]!.name)
    expect(new Set(names).size).toBe(6)
    for (const name of names) expect(name).toMatch(/^[0-9a-f]{16}\.cache\.test$/)
    const root = await serve({ udp: udpReply() })
    await runCheck(dns({ name: '.', randomLabel: true }), root.member)
    expect(root.queries[0]?.questions?.[0]?.name).toMatch(/^[0-9a-f]{16}$/)
  })

  it('takes a reply for another label than ours for none', async () => {
    const first: Buffer[] = []
    const server = await serve({
      udp: (query, reply) => {
        first.push(query)
        const old = answer(first[0]!)
        query.copy(old, 0, 0, 2)
        reply(old)
        if (first.length > 1) reply(answer(query, { rcode: 3 }))
      },
    })
    const check = dns({ randomLabel: true })
    expect(await runCheck(check, server.member)).toMatch(/^healthy/)
    expect(await runCheck(check, server.member)).toBe('dns udp HOST: NXDOMAIN')
  })

  it('has the name that a function says for the member', async () => {
    const server = await serve({ udp: udpReply() })
    const check = dns({ name: ({ port }) => `P${port}.test.` })
    expect(await runCheck(check, server.member)).toMatch(/^healthy/)
    expect(server.queries[0]?.questions?.[0]?.name).toBe(`p${server.member.port}.test`)
    for (const bad of ['', 'a..b', 5, undefined]) {
      const wrong = dns({ name: (() => bad) as never })
      const thrown = wrong(server.member, { signal: new AbortController().signal })
      await expect(thrown).rejects.toMatchObject({
        code: 'ERR_IPVS_ARGUMENT',
        option: 'options.name',
      })
    }
  })

  it('counts only records of its class', async () => {
    const { member } = await serve({
      udp: udpReply((query) =>
        answer(query, {
          answers: [
            { type: 'TXT', class: 'IN', name: 'version.bind', data: 'wrong' },
            { type: 'TXT', class: 'CH', name: 'version.bind', data: '9.18' },
          ],
        }),
      ),
    })
    const version = { name: 'version.bind', class: 'CH' } as const
    expect(await runCheck(dns({ ...version, minAnswers: 1, answer: '9.18' }), member)).toMatch(
      /^healthy/,
    )
    expect(await runCheck(dns({ ...version, answer: 'wrong' }), member)).toBe(
      'dns udp HOST: no TXT record wrong, but 9.18',
    )
  })
})

describe('the OPT record of a reply', () => {
  const opt = (ttl: string, data = '') =>
    hex(`00 0029 04d0 ${ttl} ${(data.length / 2).toString(16).padStart(4, '0')} ${data}`)
  /** A reply with these bytes behind its answers, counted as additional records. */
  const replying = (behind: Buffer, count = 1, rcode = 0) =>
    serve({
      udp: udpReply((query) => {
        const questions = [{ name: 'example.org', type: 'A' as const }]
        const authorities = [{ type: 'NS' as const, name: 'org', ttl: 1, data: 'a.example.org' }]
        const bare = answer(encode({ id: query.readUInt16BE(0), questions }), {
          rcode,
          authorities,
        })
        bare.writeUInt16BE(count, 10)
        return Buffer.concat([bare, behind])
      }),
    })
  const seen: DnsReply[] = []
  const check = (options: Partial<DnsCheckOptions> = {}) =>
    dns({ edns: true, answer: (_, reply) => seen.push(reply) > 0, ...options })

  it('has the upper bits of the response code', async () => {
    const version = await replying(opt('01000000'))
    expect(await runCheck(check(), version.member)).toBe('dns udp HOST: BADVERS')
    // Nobody has asked for it.
    expect(await runCheck(check({ edns: false }), version.member)).toMatch(/^healthy/)
    const cookie = await replying(opt('01000000'), 1, 7)
    expect(await runCheck(check(), cookie.member)).toBe('dns udp HOST: BADCOOKIE')
    expect(await runCheck(check({ rcodes: ['BADCOOKIE'] }), cookie.member)).toBe(
      'healthy: udp BADCOOKIE, 1 answers',
    )
  })

  it('has options, which the function sees', async () => {
    const { member } = await replying(opt('00008000', '00030002aabb00000000'))
    expect(await runCheck(check(), member)).toMatch(/^healthy/)
    expect(seen.at(-1)).toMatchObject({
      edns: true,
      ednsOptions: [
        { code: 3, data: hex('aabb') },
        { code: 0, data: Buffer.alloc(0) },
      ],
    })
  })

  it.each([
    ['is not there', Buffer.alloc(0), 0],
    ['is cut off', opt('01000000').subarray(0, -2), 1],
    ['has data that are cut off', hex('00 0029 04d0 01000000 0010 0003'), 1],
    ['stands behind a name without an end', Buffer.concat([hex('3f 00'), opt('01000000')]), 2],
    ['stands behind a label of no kind', Buffer.concat([hex('80 00'), opt('01000000')]), 2],
  ])('is not taken for one that %s', async (_, behind, count) => {
    const { member } = await replying(behind, count)
    expect(await runCheck(check(), member)).toMatch(/^healthy/)
    expect(seen.at(-1)).toMatchObject({ rcode: 'NOERROR', edns: false, ednsOptions: [] })
  })

  it('keeps what is whole of options that are cut off', async () => {
    const { member } = await replying(opt('00000000', '00030001aa0005ffff'))
    expect(await runCheck(check(), member)).toMatch(/^healthy/)
    expect(seen.at(-1)?.ednsOptions).toEqual([{ code: 3, data: hex('aa') }])
  })
})

describe('checks.dns refuses', () => {
  it.each([
    [{ name: 5 }, 'options.name'],
    [{ name: 'a', randomLabel: 'yes' }, 'options.randomLabel'],
    [
      { name: Array.from({ length: 4 }, () => 'a'.repeat(62)).join('.'), randomLabel: true },
      'options.name',
    ],
    [{ name: 'a', class: 'ANY' }, 'options.class'],
    [{ name: 'a', class: 3 }, 'options.class'],
    [{ name: 'a', class: 'CH', type: 'A' }, 'options.type'],
    [{ name: 'a', type: 'TYPE1' }, 'options.type'],
    [{ name: 'a', type: 'TYPE252' }, 'options.type'],
    [{ name: 'a', type: 'TYPE70000' }, 'options.type'],
    [{ name: 'a', type: 'TYPE65', answer: 'x' }, 'options.answer'],
    [{ name: 'a', checkingDisabled: 1 }, 'options.checkingDisabled'],
    [{ name: 'a', authenticData: null }, 'options.authenticData'],
    [{ name: 'a', edns: 1 }, 'options.edns'],
    [{ name: 'a', edns: { size: 512 } }, 'options.edns.size'],
    [{ name: 'a', edns: { udpPayloadSize: 511 } }, 'options.edns.udpPayloadSize'],
    [{ name: 'a', edns: { dnssecOk: 1 } }, 'options.edns.dnssecOk'],
    [{ name: 'a', edns: { options: {} } }, 'options.edns.options'],
    [{ name: 'a', edns: { options: [{ code: 65_536 }] } }, 'options.edns.options.code'],
    [{ name: 'a', edns: { options: [{}] } }, 'options.edns.options.code'],
    [{ name: 'a', edns: { options: [{ code: 3, data: 'x' }] } }, 'options.edns.options.data'],
    [
      { name: 'a', edns: { options: [{ code: 3, data: Buffer.alloc(5000) }] } },
      'options.edns.options',
    ],
    [
      {
        name: 'a',
        edns: { options: Array.from({ length: 5 }, () => ({ code: 3, data: Buffer.alloc(1000) })) },
      },
      'options.edns.options',
    ],
  ])('%j', (options, option) => {
    expect(() => checks.dns(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
