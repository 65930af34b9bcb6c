import { createHook } from 'node:async_hooks'
import {
  AUTHENTIC_DATA,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  TRUNCATED_RESPONSE,
} from 'dns-packet'
import { describe, expect, it } from 'vitest'
import { checks, type DnsCheckOptions, type DnsReply } from '../../../src/health/checks/index.js'
import type { HealthMember } from '../../../src/health/types.js'
import { makeCertificate } from './certificate.js'
import {
  answer,
  type Client,
  outOfTime as checkOutOfTime,
  connected,
  frame,
  type LoopbackServer,
  run as runCheck,
  serve,
  tcpReply,
  udpReply,
} from './loopback.js'
import { overTls } from './tls-server.js'

const dns = (options: Partial<DnsCheckOptions>) => checks.dns({ name: 'Example.org.', ...options })
const run = (member: HealthMember, options: Partial<DnsCheckOptions> = {}) =>
  runCheck(dns(options), member)
const outOfTime = (
  member: HealthMember,
  options: Partial<DnsCheckOptions>,
  cameTrue: (client: Client) => boolean,
) => checkOutOfTime(dns(options), member, cameTrue)
const asked =
  ({ queries }: LoopbackServer) =>
  () =>
    queries.length === 1

const both = { udp: udpReply(), tcp: tcpReply() }
const udpOnly = { protocols: ['udp'] } as const
const tcpOnly = { protocols: ['tcp'] } as const

describe('checks.dns', () => {
  it('is healthy when both protocols answer', async () => {
    const server = await serve(both)
    expect(await run(server.member)).toBe('healthy: udp NOERROR, 1 answers; tcp NOERROR, 1 answers')
    expect(server.queries).toHaveLength(2)
    for (const query of server.queries) {
      expect(query).toMatchObject({ type: 'query', flag_rd: true })
      expect(query.questions).toEqual([{ name: 'example.org', type: 'A', class: 'IN' }])
    }
  })

  it('works over IPv6', async () => {
    const { member } = await serve(both, '::1')
    expect(await run(member)).toBe('healthy: udp NOERROR, 1 answers; tcp NOERROR, 1 answers')
  })

  it('asks for the root and other types, without RD when told', async () => {
    const server = await serve({ udp: udpReply() })
    await run(server.member, { ...udpOnly, name: '.', type: 'SOA', recursionDesired: false })
    expect(server.queries[0]?.questions).toEqual([{ name: '.', type: 'SOA', class: 'IN' }])
    expect(server.queries[0]?.flag_rd).toBe(false)
  })

  it('uses a new random id and a new port each time', async () => {
    const server = await serve({ udp: udpReply() })
    for (let i = 0; i < 20; i++) await run(server.member, udpOnly)
    expect(new Set(server.queries.map((query) => query.id)).size).toBeGreaterThan(15)
  })

  it('never asks the thread pool', async () => {
    const { member } = await serve(both)
    const seen = new Set<string>()
    const hook = createHook({ init: (_id, type) => seen.add(type) }).enable()
    await run(member)
    hook.disable()
    expect(seen).toContain('UDPWRAP')
    expect([...seen].filter((type) => /GETADDRINFO|QUERYWRAP|FSREQ/.test(type))).toEqual([])
  })

  describe('names what failed', () => {
    it('refused', async () => {
      const { member } = await serve({})
      expect(await run(member)).toBe(
        'dns udp HOST: connection refused; dns tcp HOST: connection refused',
      )
    })

    it('silent', async () => {
      const server = await serve({ udp: () => {}, tcp: (socket) => socket.resume() })
      const bothAsked = (client: Client) => connected(client) && asked(server)()
      expect(await outOfTime(server.member, {}, bothAsked)).toBe(
        'dns udp HOST: no answer within 80 ms; dns tcp HOST: no answer within 80 ms',
      )
    })

    it('UDP up, TCP dead, and the reverse', async () => {
      const udp = await serve({ udp: udpReply() })
      expect(await run(udp.member)).toBe('dns tcp HOST: connection refused')
      const tcp = await serve({ tcp: tcpReply() })
      expect(await run(tcp.member)).toBe('dns udp HOST: connection refused')
    })

    it('too slow', async () => {
      let answerNow = () => {}
      const server = await serve({
        udp: (query, reply) => {
          answerNow = () => reply(answer(query))
        },
      })
      expect(await outOfTime(server.member, udpOnly, asked(server))).toBe(
        'dns udp HOST: no answer within 80 ms',
      )
      // The same server in time: the first answer is too late, and nobody's.
      answerNow()
      const inTime = run(server.member, udpOnly)
      await expect.poll(() => server.queries.length).toBe(2)
      answerNow()
      expect(await inTime).toBe('healthy: udp NOERROR, 1 answers')
    })

    it.each([
      [1, 'FORMERR'],
      [2, 'SERVFAIL'],
      [3, 'NXDOMAIN'],
      [5, 'REFUSED'],
      [11, 'RCODE_11'],
    ])('rcode %i as %s', async (rcode, word) => {
      const reply = (query: Buffer) => answer(query, { rcode, answers: [] })
      const { member } = await serve({ udp: udpReply(reply), tcp: tcpReply(reply) })
      expect(await run(member)).toBe(`dns udp HOST: ${word}; dns tcp HOST: ${word}`)
    })

    it('an error reply without a question', async () => {
      const { member } = await serve({
        udp: udpReply((q) => answer(q, { rcode: 5, questions: [], answers: [] })),
      })
      expect(await run(member, udpOnly)).toBe('dns udp HOST: REFUSED')
    })
  })

  it('accepts the rcodes it is told to accept, and only those', async () => {
    const { member } = await serve({
      udp: udpReply((query) => answer(query, { rcode: 3, answers: [] })),
    })
    expect(await run(member, { ...udpOnly, rcodes: ['NOERROR', 'NXDOMAIN'] })).toBe(
      'healthy: udp NXDOMAIN, 0 answers',
    )
    const fine = await serve({ udp: udpReply() })
    expect(await run(fine.member, { ...udpOnly, rcodes: ['NXDOMAIN'] })).toBe(
      'dns udp HOST: NOERROR',
    )
  })

  it('asks a function about rcodes', async () => {
    const { member } = await serve({ udp: udpReply((query) => answer(query, { rcode: 11 })) })
    const rcodes = (rcode: string) => rcode !== 'SERVFAIL'
    expect(await run(member, { ...udpOnly, rcodes })).toBe('healthy: udp RCODE_11, 1 answers')
    const broken = await serve({ udp: udpReply((query) => answer(query, { rcode: 2 })) })
    expect(await run(broken.member, { ...udpOnly, rcodes })).toBe('dns udp HOST: SERVFAIL')
    const truthy = (() => 'yes') as never
    expect(await run(member, { ...udpOnly, rcodes: truthy })).toBe('dns udp HOST: RCODE_11')
  })

  describe('ignores over UDP what is not its reply', () => {
    const wrong: [string, (query: Buffer) => Buffer][] = [
      ['wrong id', (query) => answer(query, { id: (query.readUInt16BE(0) + 1) & 0xffff })],
      [
        'wrong question',
        (query) => answer(query, { questions: [{ name: 'other.org', type: 'A' }] }),
      ],
      [
        'wrong question',
        (query) => answer(query, { questions: [{ name: 'example.org', type: 'AAAA' }] }),
      ],
      ['wrong question', (query) => answer(query, { questions: [] })],
      [
        'wrong question',
        (query) => answer(query, { questions: [{ name: 'example.org', type: 'A', class: 'CH' }] }),
      ],
      [
        'wrong question',
        (query) => {
          const { questions = [] } = decode(query)
          return answer(query, { questions: [...questions, ...questions] })
        },
      ],
      [
        // One label with a dot in it.
        'wrong question',
        (query) => {
          const reply = answer(query)
          reply[12] = 'example.org'.length
          reply[12 + 'example.'.length] = '.'.charCodeAt(0)
          return reply
        },
      ],
      ['not a response to a query', (query) => query],
      ['not a response to a query', (query) => answer(query, { flags: 0x2000 })],
      ['only 3 bytes', () => Buffer.from('abc')],
      ['only 0 bytes', () => Buffer.alloc(0)],
    ]
    it.each(wrong)('%s', async (why, make) => {
      const lying = await serve({ udp: udpReply(make) })
      const heard = ({ datagrams }: Client) => datagrams >= 1
      expect(await outOfTime(lying.member, udpOnly, heard)).toBe(
        `dns udp HOST: no answer within 80 ms (1 ignored: ${why})`,
      )
      const both = await serve({
        udp: (query, reply) => {
          reply(make(query))
          reply(answer(query))
        },
      })
      expect(await run(both.member, udpOnly)).toBe('healthy: udp NOERROR, 1 answers')
    })

    it.each(wrong)('but fails over TCP: %s', async (why, make) => {
      const { member } = await serve({ tcp: tcpReply(make) })
      expect(await run(member, tcpOnly)).toBe(`dns tcp HOST: malformed reply: ${why}`)
    })
  })

  it('compares names without regard to case', async () => {
    const { member } = await serve({
      udp: udpReply((q) => answer(q, { questions: [{ name: 'EXAMPLE.ORG', type: 'A' }] })),
    })
    expect(await run(member, udpOnly)).toBe('healthy: udp NOERROR, 1 answers')
  })

  it('fails on a malformed reply that bears its id', async () => {
    const cut = (query: Buffer) => answer(query).subarray(0, -3)
    const { member } = await serve({ udp: udpReply(cut), tcp: tcpReply(cut) })
    expect(await run(member)).toMatch(
      /^dns udp HOST: malformed reply: .+; dns tcp HOST: malformed reply: .+/,
    )
    const garbage = await serve({
      udp: udpReply((query) =>
        Buffer.concat([query.subarray(0, 2), Buffer.from([0x80]), Buffer.alloc(40, 0xff)]),
      ),
    })
    expect(await run(garbage.member, udpOnly)).toMatch(/^dns udp HOST: malformed reply: /)
  })

  it.each([
    ['is cut off', (whole: Buffer) => whole.subarray(0, -7)],
    [
      'makes no sense',
      (whole: Buffer) => Buffer.concat([whole.subarray(0, -7), Buffer.alloc(7, 0xff)]),
    ],
  ])('does not look behind the answers: what follows %s', async (_, change) => {
    const more = (query: Buffer) =>
      change(
        answer(query, {
          additionals: [{ type: 'A', name: 'a.example.org', ttl: 1, data: '192.0.2.1' }],
        }),
      )
    const { member } = await serve({ udp: udpReply(more), tcp: tcpReply(more) })
    expect(await run(member, { answer: '192.0.2.53' })).toBe(
      'healthy: udp NOERROR, 1 answers; tcp NOERROR, 1 answers',
    )
  })

  it('takes a truncated reply over UDP as an answer, even one cut in the middle', async () => {
    const truncated = (query: Buffer) =>
      answer(query, { flags: TRUNCATED_RESPONSE }).subarray(0, -5)
    const { member } = await serve({ udp: udpReply(truncated), tcp: tcpReply(truncated) })
    expect(await run(member, { ...udpOnly, answer: 5 })).toBe('healthy: udp NOERROR, truncated')
    expect(await run(member, tcpOnly)).toBe('dns tcp HOST: truncated reply')
  })

  it('asks again over TCP after a truncated reply, or fails, when told', async () => {
    const truncated = (query: Buffer) => answer(query, { rcode: 2, flags: TRUNCATED_RESPONSE })
    const server = await serve({ udp: udpReply(truncated), tcp: tcpReply() })
    const retry = { ...udpOnly, truncated: 'retry', answer: 1 } as const
    expect(await run(server.member, retry)).toBe('healthy: udp truncated, tcp NOERROR, 1 answers')
    expect(server.queries).toHaveLength(2)
    expect(await run(server.member, { ...retry, answer: 2 })).toBe(
      'dns tcp HOST: 1 A records, at least 2 expected',
    )
    const alone = await serve({ udp: udpReply(truncated) })
    expect(await run(alone.member, retry)).toBe('dns tcp HOST: connection refused')
    const fail = { ...udpOnly, truncated: 'fail', rcodes: ['SERVFAIL'] } as const
    expect(await run(alone.member, fail)).toBe('dns udp HOST: truncated reply')
  })

  describe('over TLS', () => {
    const certificate = makeCertificate({ name: 'dns.test' })
    const secure = (make: (query: Buffer) => Buffer) =>
      overTls(certificate, (socket) =>
        socket.once('data', (data) => socket.write(frame(make(data.subarray(2))))),
      )

    it('is healthy when the server answers', async () => {
      const { member } = await serve({ tcp: secure(answer) })
      const healthy = 'healthy: tls NOERROR, 1 answers'
      expect(await run(member, { protocols: ['tls'], answer: '192.0.2.53' })).toBe(healthy)
      expect(await run(member, { tls: true })).toBe(healthy)
      const { cert: ca } = certificate
      expect(await run(member, { tls: { ca, serverName: 'dns.test' } })).toBe(healthy)
      expect(await run(member, { tls: { ca, serverName: 'other.test' } })).toBe(
        'dns tls HOST: certificate: not for other.test, but for DNS:dns.test',
      )
    })

    it('says what is wrong', async () => {
      const wrong = await serve({
        tcp: secure((query) => answer(query, { id: query.readUInt16BE() ^ 1 })),
      })
      expect(await run(wrong.member, { tls: true })).toBe('dns tls HOST: malformed reply: wrong id')
      const plain = await serve({ tcp: tcpReply(answer) })
      expect(await run(plain.member, tcpOnly)).toMatch(/^healthy/)
      const mail = await serve({ tcp: (socket) => socket.write('220 mail.test\r\n') })
      expect(await run(mail.member, { tls: true })).toMatch(/^dns tls HOST: TLS: /)
      const early = await serve({
        tcp: overTls(certificate, (socket) => socket.once('data', () => socket.end())),
      })
      expect(await run(early.member, { tls: true })).toBe(
        'dns tls HOST: the server closed the connection before it answered',
      )
      const silent = await serve({ tcp: (socket) => socket.resume() })
      expect(await outOfTime(silent.member, { tls: true }, connected)).toBe(
        'dns tls HOST: no answer within 80 ms (no TLS handshake)',
      )
    })
  })

  describe('over TCP', () => {
    it('reads a reply that comes byte by byte', async () => {
      const bytes = (framed: Buffer) => [...framed].map((byte) => Buffer.from([byte]))
      const { member } = await serve({ tcp: tcpReply(answer, bytes) })
      expect(await run(member, tcpOnly)).toBe('healthy: tcp NOERROR, 1 answers')
    })

    it('reads the largest reply, and no further', async () => {
      const data = Array.from({ length: 250 }, () => Buffer.alloc(255, 'x'))
      const large = (query: Buffer) =>
        answer(query, { answers: [{ type: 'TXT', name: 'example.org', data }] })
      const { member } = await serve({
        tcp: tcpReply(large, (framed) => [framed, Buffer.alloc(100_000)]),
      })
      expect(await run(member, tcpOnly)).toBe('healthy: tcp NOERROR, 1 answers')
    })

    it('says that the server hung up', async () => {
      const early = await serve({ tcp: (socket) => socket.end() })
      expect(await run(early.member, tcpOnly)).toBe(
        'dns tcp HOST: the server closed the connection before it answered',
      )
      const midway = await serve({
        tcp: (socket) =>
          socket.once('data', (data) =>
            socket.end(frame(answer(data.subarray(2))).subarray(0, 20)),
          ),
      })
      expect(await run(midway.member, tcpOnly)).toBe(
        'dns tcp HOST: the server closed the connection in the middle of its answer, after 20 bytes',
      )
    })

    it('says that the server reset the connection', async () => {
      const { member } = await serve({
        tcp: (socket) => socket.once('data', () => socket.resetAndDestroy()),
      })
      expect(await run(member, tcpOnly)).toBe('dns tcp HOST: connection reset by peer')
    })

    it('times out in the middle of a reply', async () => {
      const { member } = await serve({
        tcp: tcpReply(answer, (framed) => [framed.subarray(0, 10)]),
      })
      expect(await outOfTime(member, tcpOnly, ({ bytes }) => bytes === 10)).toBe(
        'dns tcp HOST: no answer within 80 ms',
      )
    })
  })

  describe("require: 'any'", () => {
    it('is content with one, and withdraws the other', async () => {
      const silent = await serve({ udp: udpReply(), tcp: (socket) => socket.resume() })
      expect(await run(silent.member, { require: 'any' })).toBe('healthy: udp NOERROR, 1 answers')
      const { member } = await serve({ tcp: tcpReply() })
      expect(await run(member, { require: 'any' })).toBe('healthy: tcp NOERROR, 1 answers')
    })

    it('names both when both fail', async () => {
      const server = await serve({ udp: () => {} })
      const refused = ({ failures }: Client) => failures === 1 && asked(server)()
      expect(await outOfTime(server.member, { require: 'any' }, refused)).toBe(
        'dns udp HOST: no answer within 80 ms; dns tcp HOST: connection refused',
      )
    })
  })

  describe('answer', () => {
    const records = (query: Buffer) =>
      answer(query, {
        answers: [
          { type: 'CNAME', name: 'example.org', data: 'Alias.example.org' },
          { type: 'A', name: 'alias.example.org', data: '192.0.2.1' },
          { type: 'A', name: 'alias.example.org', data: '192.0.2.2' },
          { type: 'TXT', name: 'alias.example.org', data: ['a', 'b'] },
          { type: 'AAAA', name: 'alias.example.org', data: '2001:db8::c000:201' },
        ],
      })
    it.each([
      [{ answer: 2 }, 'healthy: udp NOERROR, 5 answers'],
      [{ answer: 3 }, 'dns udp HOST: 2 A records, at least 3 expected'],
      [{ answer: '192.0.2.2' }, 'healthy: udp NOERROR, 5 answers'],
      [{ answer: ['192.0.2.2', '192.0.2.1'] }, 'healthy: udp NOERROR, 5 answers'],
      [
        { answer: ['192.0.2.2', '192.0.2.3'] },
        'dns udp HOST: no A record 192.0.2.3, but 192.0.2.1, 192.0.2.2',
      ],
      [{ answer: 'alias.example.ORG.', type: 'CNAME' }, 'healthy: udp NOERROR, 5 answers'],
      [{ answer: 'ab', type: 'TXT' }, 'healthy: udp NOERROR, 5 answers'],
      [{ answer: '::1', type: 'AAAA' }, 'dns udp HOST: no AAAA record ::1, but 2001:db8::c000:201'],
      [{ answer: '2001:DB8:0:0::192.0.2.1', type: 'AAAA' }, 'healthy: udp NOERROR, 5 answers'],
      [
        { answer: (all: readonly unknown[]) => all.length === 5 },
        'healthy: udp NOERROR, 5 answers',
      ],
      [{ answer: () => false }, 'dns udp HOST: the answers are not those expected'],
      [{ answer: () => 'serial too old' }, 'dns udp HOST: serial too old'],
      [{ minAnswers: 2, answer: '192.0.2.2' }, 'healthy: udp NOERROR, 5 answers'],
      [{ minAnswers: 3 }, 'dns udp HOST: 2 A records, at least 3 expected'],
      [
        { minAnswers: 2, answer: '192.0.2.3' },
        'dns udp HOST: no A record 192.0.2.3, but 192.0.2.1, 192.0.2.2',
      ],
      [{ minAnswers: 0, rcodes: ['NXDOMAIN'] }, 'dns udp HOST: NOERROR'],
    ] as [Partial<DnsCheckOptions>, string][])('%j: %s', async (options, expected) => {
      const { member } = await serve({ udp: udpReply(records) })
      expect(await run(member, { ...udpOnly, ...options })).toBe(expected)
    })
  })

  it('shows the whole reply to the function', async () => {
    const seen: DnsReply[] = []
    const see = (_: unknown, reply: DnsReply) => seen.push(reply) > 0
    const flags = AUTHORITATIVE_ANSWER | AUTHENTIC_DATA
    const { member } = await serve({ udp: udpReply((query) => answer(query, { flags, rcode: 3 })) })
    await run(member, { ...udpOnly, rcodes: ['NXDOMAIN'], answer: see })
    expect(seen).toEqual([
      {
        rcode: 'NXDOMAIN',
        truncated: false,
        authoritative: true,
        recursionAvailable: false,
        authenticData: true,
        answers: [expect.objectContaining({ type: 'A', data: '192.0.2.53' })],
        edns: false,
        ednsOptions: [],
      },
    ])
  })

  it.each([
    [{}, 'options.name'],
    [{ name: '' }, 'options.name'],
    [{ name: 'a..b' }, 'options.name'],
    [{ name: `${'a'.repeat(64)}.org` }, 'options.name'],
    [{ name: 'bücher.de' }, 'options.name'],
    [{ name: 'a', type: 'a' }, 'options.type'],
    [{ name: 'a', type: 'NOSUCH' }, 'options.type'],
    [{ name: 'a', type: 'AXFR' }, 'options.type'],
    [{ name: 'a', type: 'ANY' }, 'options.type'],
    [{ name: 'a', answer: '192.0.2' }, 'options.answer'],
    [{ name: 'a', type: 'AAAA', answer: '192.0.2.1' }, 'options.answer'],
    [{ name: 'a', protocols: [] }, 'options.protocols'],
    [{ name: 'a', protocols: ['quic'] }, 'options.protocols'],
    [{ name: 'a', protocols: ['tcp', 'tls'] }, 'options.protocols'],
    [{ name: 'a', protocols: ['tls'], tls: false }, 'options.tls'],
    [{ name: 'a', protocols: ['tcp'], tls: true }, 'options.tls'],
    [{ name: 'a', tls: { verfy: true } }, 'options.tls.verfy'],
    [{ name: 'a', truncated: 'ignore' }, 'options.truncated'],
    [{ name: 'a', truncated: 'retry', protocols: ['tcp'] }, 'options.truncated'],
    [{ name: 'a', truncated: 'fail', tls: true }, 'options.truncated'],
    [{ name: 'a', minAnswers: 1, answer: 1 }, 'options.minAnswers'],
    [{ name: 'a', minAnswers: 65_536 }, 'options.minAnswers'],
    [{ name: 'a', minAnswers: '1' }, 'options.minAnswers'],
    [{ name: 'a', minAnswers: 1, rcodes: ['NXDOMAIN'] }, 'options.minAnswers'],
    [{ name: 'a', answer: 1, rcodes: ['NXDOMAIN'] }, 'options.answer'],
    [{ name: 'a', answer: '192.0.2.1', rcodes: ['REFUSED'] }, 'options.answer'],
    [{ name: 'a', protocols: 'udp' }, 'options.protocols'],
    [{ name: 'a', require: 'both' }, 'options.require'],
    [{ name: 'a', rcodes: ['OK'] }, 'options.rcodes'],
    [{ name: 'a', answer: [] }, 'options.answer'],
    [{ name: 'a', answer: -1 }, 'options.answer'],
    [{ name: 'a', type: 'SOA', answer: 'x' }, 'options.answer'],
    [{ name: 'a', recursionDesired: 1 }, 'options.recursionDesired'],
    [{ name: 'a', timeoutMs: 1 }, 'options.timeoutMs'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.dns(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })

  it('accepts a name of the greatest length', async () => {
    const name = Array.from({ length: 4 }, () => 'a'.repeat(62)).join('.')
    const server = await serve({ udp: udpReply() })
    await run(server.member, { ...udpOnly, name })
    expect(server.queries[0]?.questions?.[0]?.name).toBe(name)
    expect(encode({ questions: [{ name, type: 'A' }] }).length).toBeLessThan(512)
  })
})
