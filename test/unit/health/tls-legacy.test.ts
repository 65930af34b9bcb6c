// Servers that OpenSSL refuses by default: what takes them, for every check that speaks TLS, and that the reason says so.
import { constants } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import type { CheckTlsOptions } from '../../../src/health/checks/tls-client.js'
import { optionNames } from './builtin.js'
import { makeCertificate } from './certificate.js'
import { answer, frame, run, serve, type TcpHandler } from './loopback.js'
import { withoutSecureRenegotiation } from './old-tls-server.js'
import { overTls } from './tls-server.js'

const old = makeCertificate({ name: 'old', rsaBits: 2048 })
const short = makeCertificate({ name: 'short', rsaBits: 512 })
const all = '@SECLEVEL=0'

const servers: [name: string, server: TcpHandler, reason: RegExp][] = [
  [
    'without secure renegotiation',
    withoutSecureRenegotiation(old, '', () => ''),
    /unsafe legacy renegotiation disabled/,
  ],
  [
    'with TLS 1.0 only',
    overTls(old, undefined, { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: `ALL:${all}` }),
    /tlsv1 alert protocol version/,
  ],
  [
    'with TLS 1.1 only',
    overTls(old, undefined, {
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: `ALL:${all}`,
    }),
    /tlsv1 alert protocol version/,
  ],
  [
    'with an old cipher only',
    overTls(old, undefined, { maxVersion: 'TLSv1.2', ciphers: `CAMELLIA128-SHA:${all}` }),
    /sslv3 alert handshake failure/,
  ],
]

describe('servers of old', () => {
  it.each(servers)('%s are taken with legacy, and the reason names it', async (_, tcp, reason) => {
    const { member } = await serve({ tcp })
    const said = await run(checks.tls(), member)
    expect(said).toMatch(reason)
    expect(said).toMatch(/^tls HOST: TLS: .* \(options\.legacy may take it\)$/)
    expect(await run(checks.tls({ legacy: true }), member)).toMatch(/^healthy: TLSv1/)
  })

  it('with a short key are refused only where the certificate is verified', async () => {
    const options = { maxVersion: 'TLSv1.2', ciphers: `ALL:${all}` } as const
    const { member } = await serve({ tcp: overTls(short, undefined, options) })
    const ca = short.cert
    expect(await run(checks.tls(), member)).toMatch(/^healthy: TLSv1.2/)
    expect(await run(checks.tls({ ca }), member)).toBe(
      'tls HOST: certificate: not secure enough (options.legacy may take it)',
    )
    expect(await run(checks.tls({ ca, legacy: true }), member)).toMatch(/^healthy: TLSv1.2/)
  })

  it('may ask for a certificate with a short key', async () => {
    const options = { maxVersion: 'TLSv1.2', ciphers: `ALL:${all}`, requestCert: true } as const
    const { member } = await serve({ tcp: overTls(old, undefined, options) })
    const { cert, key } = short
    expect(() => checks.tls({ cert, key })).toThrow(/ee key too small.*/)
    expect(await run(checks.tls({ cert, key, legacy: true }), member)).toMatch(/^healthy: TLSv1.2/)
  })

  it('cost newer ones nothing: the best version is taken all the same', async () => {
    const { member } = await serve({ tcp: overTls(makeCertificate({ name: 'new' })) })
    expect(await run(checks.tls({ legacy: true }), member)).toMatch(
      /^healthy: TLSv1.3, TLS_AES_256_GCM_SHA384/,
    )
  })

  it.each([
    [0, { secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT }],
    [1, { minVersion: 'TLSv1' }],
    [2, { minVersion: 'TLSv1.1' }],
    [1, { minVersion: 'TLSv1', ciphers: `AES128-SHA:${all}` }],
    [3, { ciphers: `CAMELLIA128-SHA:${all}` }],
  ] satisfies [number, CheckTlsOptions][])(
    'number %i is taken by the options of tls.connect() too: %j',
    async (which, options) => {
      const [, tcp] = servers[which]!
      const { member } = await serve({ tcp })
      expect(await run(checks.tls(options), member)).toMatch(/^healthy: TLSv1/)
    },
  )

  it('are not taken by what is for others, nor below a version that was asked for', async () => {
    const [, renegotiates] = servers[0]!
    const first = await serve({ tcp: renegotiates })
    expect(await run(checks.tls({ minVersion: 'TLSv1' }), first.member)).toBe(
      'tls HOST: TLS: unsafe legacy renegotiation disabled (options.legacy may take it)',
    )
    const [, one] = servers[1]!
    const second = await serve({ tcp: one })
    const newer = { legacy: true, minVersion: 'TLSv1.2' } as const
    expect(await run(checks.tls(newer), second.member)).toBe(
      'tls HOST: TLS: tlsv1 alert protocol version',
    )
  })

  it.each([
    ['plain text', (socket) => socket.write('220 mail ESMTP\r\n')],
    ['a closed connection', (socket) => socket.once('data', () => socket.end())],
  ] satisfies [string, TcpHandler][])('are not suspected behind %s', async (_, tcp) => {
    const { member } = await serve({ tcp })
    expect(await run(checks.tls(), member)).not.toMatch(/legacy/)
  })
})

describe('every check that speaks TLS', () => {
  const http = 'HTTP/1.1 200 OK\r\n\r\n'
  const search = Buffer.from('300c02010265070a010004000400', 'hex').toString('latin1')
  const hi = Buffer.from('0a38002a0000000102030405060708000008210000', 'hex')
  const mysqlHello = Buffer.concat([Buffer.from([hi.length + 34, 0, 0, 0]), hi, Buffer.alloc(34)])
  /** The response to OPTIONS, by three lines of the request. */
  const sip = (heard: string) => {
    const same = heard.split('\r\n').filter((line) => /^(Via|Call-ID|CSeq):/.test(line))
    return ['SIP/2.0 200 OK', ...same, '', ''].join('\r\n')
  }
  const dns = (heard: string) =>
    frame(answer(Buffer.from(heard, 'latin1').subarray(2))).toString('latin1')
  /** What the server says by itself, and what it answers. */
  const speaks: Record<string, readonly [greeting: string, answer: (heard: string) => string]> = {
    dns: ['', dns],
    http: ['', () => http],
    tls: ['', () => ''],
    expect: ['', () => 'hello\r\n'],
    smtp: ['220 hi\r\n', () => '250 ok\r\n'],
    pop3: ['+OK hi\r\n', () => '+OK bye\r\n'],
    imap: ['* OK hi\r\n', () => 'a1 OK done\r\n'],
    ldap: ['', () => search],
    redis: ['', () => '+PONG\r\n'],
    memcached: ['', () => 'VERSION 1\r\n'],
    mysql: ['', () => '\x03\0\0\x03\0\0\0'],
    sip: ['', sip],
    // It has no ALPN to choose HTTP/2 by.
    grpc: ['', () => ''],
  }
  const taken: Record<string, RegExp> = {
    grpc: /^grpc HOST: the server takes no application protocol of h2$/,
  }
  const more: Record<string, object> = {
    dns: { name: 'example.org' },
    expect: { dialogue: [{ send: 'x', expect: 'hello' }] },
  }
  /** What comes before TLS, after whose answer of so many bytes it begins. */
  const before: Record<string, readonly [said: Buffer, answerBytes: number]> = {
    mysql: [mysqlHello, 36],
  }
  const withTls = Object.entries<(options: never) => unknown>(checks)
    .map(([name, make]) => ({ name, names: optionNames(make) }))
    .filter(({ name, names }) => name === 'tls' || names.includes('tls'))
    .map(({ name }) => name)

  it.each(withTls)('%s takes an old server, in the middle of it too', async (name) => {
    const secure = withoutSecureRenegotiation(old, ...speaks[name]!)
    const plain = before[name]
    const { member } = await serve({
      tcp: (socket, self) => {
        if (plain === undefined) return secure(socket, self)
        socket.write(plain[0])
        socket.once('data', (bytes) => {
          socket.unshift(bytes.subarray(plain[1]))
          secure(socket, self)
        })
      },
    })
    const make = (options: CheckTlsOptions) => {
      if (name === 'tls') return checks.tls(options)
      return checks[name as 'http']({ ...more[name], tls: options })
    }
    const option = name === 'tls' ? 'options.legacy' : 'options.tls.legacy'
    expect(await run(make({}), member)).toContain(`renegotiation disabled (${option} may take it)`)
    expect(await run(make({ legacy: true }), member)).toMatch(taken[name] ?? /^healthy/)
  })

  it('names the option of STARTTLS', async () => {
    const { member } = await serve({
      tcp: (socket, self) => {
        socket.write('+OK hi\r\n')
        socket.once('data', () => {
          socket.write('+OK go\r\n')
          withoutSecureRenegotiation(old, '', () => '+OK bye\r\n')(socket, self)
        })
      },
    })
    expect(await run(checks.pop3({ startTls: true }), member)).toBe(
      'pop3 HOST: TLS: unsafe legacy renegotiation disabled (options.startTls.legacy may take it)',
    )
    expect(await run(checks.pop3({ startTls: { legacy: true } }), member)).toMatch(/^healthy/)
  })
})

it.each([
  [{ legacy: 1 }, 'options.legacy'],
  [{ ciphers: 5 }, 'options.ciphers'],
  [{ ciphers: 'NO-SUCH-CIPHER' }, 'options.ciphers'],
  [{ secureOptions: 'SSL_OP_ALL' }, 'options.secureOptions'],
  [{ secureOptions: -1 }, 'options.secureOptions'],
  [{ minVersion: 'SSLv3' }, 'options.minVersion'],
])('refuses %j', (options, option) => {
  expect(() => checks.tls(options as never)).toThrow(
    expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
  )
})
