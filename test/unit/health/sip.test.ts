import { describe, expect, it } from 'vitest'
import { checks, type SipCheckOptions } from '../../../src/health/checks/index.js'
import { makeCertificate } from './certificate.js'
import { type Client, connected, outOfTime, run, serve, stopAnywhere } from './loopback.js'
import { overTls } from './tls-server.js'

const field = (request: string, name: string) =>
  new RegExp(`^${name}: (.*)\r$`, 'im').exec(request)?.[1] ?? ''

interface Saying {
  readonly line?: string
  readonly via?: string
  readonly callId?: string
  readonly cseq?: string
  readonly more?: readonly string[]
  readonly body?: string
}

function response(request: string, saying: Saying = {}): string {
  const { line = 'SIP/2.0 200 OK', via = field(request, 'Via'), more = [], body = '' } = saying
  const { callId = field(request, 'Call-ID'), cseq = field(request, 'CSeq') } = saying
  return [
    line,
    `Via: ${via}`,
    `Call-ID: ${callId}`,
    `CSeq: ${cseq}`,
    ...more,
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n')
}

const heard: string[] = []
const answers = (sayings: readonly (Saying | string)[]) => (request: string) => {
  heard.push(request)
  return sayings.map((one) => (typeof one === 'string' ? one : response(request, one)))
}
const overUdp = (...sayings: (Saying | string)[]) =>
  serve({
    udp: (query, reply) => {
      for (const text of answers(sayings)(query.toString())) reply(Buffer.from(text))
    },
  })
const overTcp = (...sayings: (Saying | string)[]) =>
  serve({
    tcp: (socket) =>
      socket.once('data', (data) => socket.write(answers(sayings)(data.toString()).join(''))),
  })
const any = ({ datagrams, bytes }: Client) => datagrams > 0 || bytes > 0

describe('checks.sip', () => {
  it('asks with OPTIONS', async () => {
    const { member } = await overUdp({})
    const check = checks.sip()
    for (let i = 0; i < 2; i++) expect(await run(check, member)).toBe('healthy: status 200')
    const [first = '', second = ''] = heard.slice(-2)
    const id = field(first, 'Call-ID').replace('@ipvs.invalid', '')
    expect(id).toMatch(/^[0-9a-f]{16}$/)
    expect(second).not.toContain(id)
    expect(first.split('\r\n')).toEqual([
      `OPTIONS sip:${member.key} SIP/2.0`,
      `Via: SIP/2.0/UDP ipvs.invalid;branch=z9hG4bK${id};rport`,
      'Max-Forwards: 70',
      `From: <sip:check@ipvs.invalid>;tag=${id}`,
      `To: <sip:${member.key}>`,
      `Call-ID: ${id}@ipvs.invalid`,
      'CSeq: 1 OPTIONS',
      'Contact: <sip:check@ipvs.invalid>',
      'Accept: application/sdp',
      'User-Agent: ipvs',
      'Content-Length: 0',
      '',
      '',
    ])
    expect(await run(checks.sip({ uri: 'sip:pbx.test;lr' }), member)).toMatch(/^healthy/)
    expect(heard.at(-1)).toMatch(/^OPTIONS sip:pbx\.test;lr SIP\/2\.0\r\n/)
  })

  it('asks over TCP and TLS', async () => {
    const tcp = await overTcp({ body: 'v=0\r\n' })
    expect(await run(checks.sip({ protocol: 'tcp' }), tcp.member)).toBe('healthy: status 200')
    expect(field(heard.at(-1)!, 'Via')).toMatch(/^SIP\/2\.0\/TCP /)
    const certificate = makeCertificate({ name: 'sip.test' })
    const secure = await serve({
      tcp: overTls(certificate, (socket) =>
        socket.once('data', (data) => socket.write(answers([{}])(data.toString()).join(''))),
      ),
    })
    const tls = { ca: certificate.cert, serverName: 'sip.test' }
    expect(await run(checks.sip({ tls }), secure.member)).toBe('healthy: status 200')
    expect(field(heard.at(-1)!, 'Via')).toMatch(/^SIP\/2\.0\/TLS /)
  })

  const kinds = [
    ['udp', overUdp],
    ['tcp', overTcp],
  ] as const
  describe.each(kinds)('over %s', (protocol, answering) => {
    const sip = (options: SipCheckOptions = {}) => checks.sip({ protocol, ...options })

    it.each([
      [[{ line: 'SIP/2.0 100 Trying' }, {}], {}, undefined],
      [
        [{ line: 'SIP/2.0 100 Trying' }, { line: 'SIP/2.0 183 Progress', body: 'v=0\r\n' }, {}],
        {},
        undefined,
      ],
      [
        [{ line: 'SIP/2.0 503 Service Unavailable' }],
        {},
        'answered "SIP/2.0 503 Service Unavailable": status 503, expected 200 to 299',
      ],
      [[{ line: 'SIP/2.0 404 Not Found' }], { status: ['200-299', 404] }, 404],
      [[{ line: 'SIP/2.0 603 Decline' }], { status: '100-599' }, /^answered "SIP\/2\.0 603 Decl/],
      [[{ line: 'SIP/2.0 200' }], {}, undefined],
    ] as [Saying[], SipCheckOptions, string | RegExp | number | undefined][])(
      '%j %j: %s',
      async (sayings, options, wrong) => {
        const { member } = await answering(...sayings)
        const said = await run(sip(options), member)
        if (wrong === undefined || typeof wrong === 'number')
          expect(said).toBe(`healthy: status ${wrong ?? 200}`)
        else if (typeof wrong === 'string') expect(said).toBe(`sip ${protocol} HOST: ${wrong}`)
        else expect(said.replace(`sip ${protocol} HOST: `, '')).toMatch(wrong)
      },
    )

    it('reads short names and lines that end in LF', async () => {
      const { member } = await serve({
        udp: (query, reply) => reply(Buffer.from(short(query.toString()))),
        tcp: (socket) => socket.once('data', (data) => socket.write(short(data.toString()))),
      })
      expect(await run(sip(), member)).toBe('healthy: status 200')
      function short(request: string): string {
        const via = field(request, 'Via').toUpperCase()
        const id = field(request, 'Call-ID')
        return `SIP/2.0 200 OK\nv:${via}, SIP/2.0/UDP other\ni : ${id}\ncseq: 1 OPTIONS\nl: 0\n\n`
      }
    })

    it('says nothing of a response that does not come', async () => {
      const silent = await serve({ udp: () => {}, tcp: (socket) => socket.resume() })
      const asked = (client: Client) => silent.datagrams.length === 1 || connected(client)
      expect(await outOfTime(sip(), silent.member, asked)).toMatch(
        new RegExp(`^sip ${protocol} HOST: no answer within 80 ms`),
      )
      const trying = await answering({ line: 'SIP/2.0 100 Trying' })
      expect(await outOfTime(sip(), trying.member, any)).toMatch(
        new RegExp(`^sip ${protocol} HOST: no answer within 80 ms`),
      )
      const { member } = await serve({})
      expect(await run(sip(), member)).toBe(`sip ${protocol} HOST: connection refused`)
    })

    it('leaves nothing open at an abort, whenever it comes', async () => {
      const { member } = await answering({})
      for (const reason of await stopAnywhere(sip(), member))
        expect(reason).toMatch(new RegExp(`^sip ${protocol} HOST: stopped`))
    })
  })

  const others: [string, Saying | string][] = [
    ['another branch', { via: 'SIP/2.0/UDP ipvs.invalid;branch=z9hG4bKother' }],
    ['another call', { callId: 'other@ipvs.invalid' }],
    ['another method', { cseq: '1 INVITE' }],
    ['another number', { cseq: '2 OPTIONS' }],
    ['no status', { line: 'SIP/2.0 OK' }],
    ['a request', { line: 'OPTIONS sip:check@ipvs.invalid SIP/2.0' }],
    ['another protocol', 'HTTP/1.1 200 OK\r\n\r\n'],
  ]
  it.each(others)('ignores over UDP what has %s', async (_, other) => {
    const lying = await overUdp(other)
    expect(await outOfTime(checks.sip(), lying.member, any)).toMatch(
      /^sip udp HOST: no answer within 80 ms \(1 ignored: ".*", no response to our request\)$/,
    )
    const both = await overUdp(other, {})
    expect(await run(checks.sip(), both.member)).toBe('healthy: status 200')
  })
  it.each(others)('but fails over TCP: %s', async (_, other) => {
    const { member } = await overTcp(other)
    expect(await run(checks.sip({ protocol: 'tcp' }), member)).toMatch(
      /^sip tcp HOST: answered ".*", no response to our request$/,
    )
  })

  it('ignores a datagram that is not all of a response', async () => {
    const { member } = await overUdp('SIP/2.0 200 OK\r\nVia: x', {})
    expect(await run(checks.sip(), member)).toBe('healthy: status 200')
  })

  it('waits over TCP for all of it, byte by byte', async () => {
    const { member } = await serve({
      tcp: (socket) =>
        socket.once('data', (data) => {
          socket.setNoDelay(true)
          for (const byte of Buffer.from(response(data.toString(), { body: 'v=0' })))
            socket.write(Buffer.of(byte))
        }),
    })
    expect(await run(checks.sip({ protocol: 'tcp' }), member)).toBe('healthy: status 200')
    const endless = await overTcp(`SIP/2.0 200 OK\r\n${'A: b\r\n'.repeat(4000)}`)
    expect(await run(checks.sip({ protocol: 'tcp' }), endless.member)).toMatch(
      /^sip tcp HOST: more than 16384 bytes without an end/,
    )
    const closed = await serve({
      tcp: (socket) => socket.once('data', () => socket.end('SIP/2.0 200 OK\r\n')),
    })
    expect(await run(checks.sip({ protocol: 'tcp' }), closed.member)).toBe(
      'sip tcp HOST: the server closed the connection after "SIP/2.0 200 OK\\r\\n", expected a response',
    )
  })

  it.each([
    [{ protocol: 'tls' }, 'options.protocol'],
    [{ protocol: 'udp', tls: true }, 'options.tls'],
    [{ uri: 'pbx.test' }, 'options.uri'],
    [{ uri: 'sip:a b' }, 'options.uri'],
    [{ uri: 'sip:a\r\nX: y' }, 'options.uri'],
    [{ uri: 'sip:<a>' }, 'options.uri'],
    [{ uri: 5 }, 'options.uri'],
    [{ status: 600 }, 'options.status'],
    [{ method: 'OPTIONS' }, 'options.method'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.sip(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
