import type { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { checks, type TlsCheckOptions } from '../../../src/health/checks/index.js'
import { daysFromNow, makeCertificate } from './certificate.js'
import { connected, outOfTime, run, serve, stopAnywhere } from './loopback.js'
import { overTls } from './tls-server.js'

const authority = makeCertificate({ name: 'test authority', authority: true })
const fine = makeCertificate({ name: 'www.example.org', issuer: authority })
const expired = makeCertificate({
  name: 'www.example.org',
  issuer: authority,
  notBefore: daysFromNow(-40),
  notAfter: daysFromNow(-3),
})
const future = makeCertificate({
  name: 'www.example.org',
  issuer: authority,
  notBefore: daysFromNow(2),
})
const stranger = makeCertificate({ name: 'www.example.org' })

const runTls = (options: TlsCheckOptions, member: Parameters<typeof run>[1]) =>
  run(checks.tls(options), member)
const healthy = 'healthy: TLSv1.3, TLS_AES_256_GCM_SHA384, 30 days left'
const ca = authority.cert

describe('checks.tls', () => {
  it.each([
    ['is healthy after the handshake', fine, {}, healthy],
    ['is not with a wrong certificate', stranger, { ca }, /^tls HOST: certificate: /],
  ])('%s, and closes with a reset', async (_name, certificate, options, expected) => {
    let seen: string | undefined
    const { member } = await serve({
      tcp: overTls(certificate, (secure) => {
        secure.on('error', (error: NodeJS.ErrnoException) => {
          seen = error.code
        })
      }),
    })
    expect(await runTls(options, member)).toMatch(expected)
    await expect.poll(() => seen).toBe('ECONNRESET')
  })

  it('works over IPv6 and from another address', async () => {
    const six = await serve({ tcp: overTls(fine) }, '::1')
    expect(await runTls({}, six.member)).toBe(healthy)
    const from: (string | undefined)[] = []
    const { member } = await serve({
      tcp: overTls(fine, (secure) => from.push(secure.remoteAddress)),
    })
    expect(await runTls({ localAddress: '127.0.0.9' }, member)).toBe(healthy)
    expect(from).toEqual(['127.0.0.9'])
  })

  it.each([
    ['nobody asks for the chain', stranger, {}, healthy],
    ['the authority is the one given', fine, { ca }, healthy],
    [
      'the authority is given as bytes, among others',
      fine,
      { ca: [stranger.cert, Buffer.from(ca)] },
      healthy,
    ],
    ['the name is right', fine, { ca, serverName: 'www.example.org' }, healthy],
    [
      'the name is wrong',
      fine,
      { ca, serverName: 'mail.example.org' },
      'tls HOST: certificate: not for mail.example.org, but for DNS:www.example.org',
    ],
    ['the name is wrong, but nobody asks', fine, { serverName: 'mail.example.org' }, healthy],
    [
      'the authority is another',
      stranger,
      { ca },
      'tls HOST: certificate: depth zero self signed cert',
    ],
    [
      'no authority of Node.js has signed it',
      fine,
      { verify: true },
      'tls HOST: certificate: unable to verify leaf signature',
    ],
    ['it has expired', expired, { ca }, 'tls HOST: certificate: cert has expired'],
    ['it is not valid yet', future, { ca }, 'tls HOST: certificate: cert not yet valid'],
    [
      'it has expired, but nobody asks',
      expired,
      {},
      /^healthy: TLSv1.3, \w+, expired on \d{4}-\d\d-\d\d$/,
    ],
    ['it is valid for long enough', fine, { minDaysLeft: 30 }, healthy],
    [
      'it is not',
      fine,
      { minDaysLeft: 31 },
      'tls HOST: certificate: 30 days left, at least 31 days expected',
    ],
    [
      'it has expired and must not have',
      expired,
      { minDaysLeft: 0 },
      /^tls HOST: certificate: expired on \d{4}-\d\d-\d\d, at least 0 days expected$/,
    ],
  ] satisfies [string, typeof fine, TlsCheckOptions, string | RegExp][])(
    'certificate: %s',
    async (_name, certificate, options, expected) => {
      const { member } = await serve({ tcp: overTls(certificate) })
      const said = await runTls(options, member)
      if (typeof expected === 'string') expect(said).toBe(expected)
      else expect(said).toMatch(expected)
    },
  )

  it('asks for the name, and only when told', async () => {
    const names: string[] = []
    const { member } = await serve({
      tcp: overTls(fine, () => {}, {
        SNICallback: (name, found) => {
          names.push(name)
          found(null)
        },
      }),
    })
    expect(await runTls({}, member)).toBe(healthy)
    expect(await runTls({ serverName: 'www.example.org' }, member)).toBe(healthy)
    expect(names).toEqual(['www.example.org'])
  })

  it('shows its own certificate to servers that ask', async () => {
    const ours = makeCertificate({ name: 'director', issuer: authority })
    const seen: unknown[] = []
    const note = (secure: TLSSocket) =>
      secure.once('secure', () => seen.push(secure.getPeerCertificate().subject.CN))
    const { member } = await serve({
      tcp: overTls(fine, note, { requestCert: true, maxVersion: 'TLSv1.2', ca }),
    })
    expect(await runTls({ cert: ours.cert, key: ours.key }, member)).toMatch(/^healthy/)
    expect(seen).toEqual(['director'])
  })

  it('needs the version and one of the protocols it is told', async () => {
    const old = await serve({ tcp: overTls(fine, () => {}, { maxVersion: 'TLSv1.2' }) })
    expect(await runTls({}, old.member)).toMatch(
      /^healthy: TLSv1.2, TLS_ECDHE_ECDSA_\w+, 30 days left$/,
    )
    expect(await runTls({ minVersion: 'TLSv1.3' }, old.member)).toBe(
      'tls HOST: TLS: tlsv1 alert protocol version',
    )
    expect(await runTls({ alpn: ['h2'] }, old.member)).toBe(
      'tls HOST: the server takes no application protocol of h2',
    )
    const h2 = await serve({ tcp: overTls(fine, () => {}, { ALPNProtocols: ['h2'] }) })
    expect(await runTls({ alpn: ['http/1.1', 'h2'] }, h2.member)).toBe(healthy)
    expect(await runTls({ alpn: ['http/1.1'] }, h2.member)).toMatch(/^tls HOST: /)
  })

  describe('fails when the server', () => {
    it('refuses', async () => {
      const { member } = await serve({})
      expect(await runTls({}, member)).toBe('tls HOST: connection refused')
    })

    it('accepts and says nothing', async () => {
      const { member } = await serve({ tcp: (socket) => socket.resume() })
      expect(await outOfTime(checks.tls(), member, connected)).toBe(
        'tls HOST: no answer within 80 ms (no TLS handshake)',
      )
    })

    it('speaks something else', async () => {
      const { member } = await serve({ tcp: (socket) => socket.write('220 mail ESMTP\r\n') })
      expect(await runTls({}, member)).toBe('tls HOST: TLS: wrong version number')
    })

    it('hangs up in the handshake', async () => {
      const closed = await serve({ tcp: (socket) => socket.once('data', () => socket.end()) })
      expect(await runTls({}, closed.member)).toBe(
        'tls HOST: the server closed the connection in the TLS handshake',
      )
      const reset = await serve({
        tcp: (socket) => socket.once('data', () => socket.resetAndDestroy()),
      })
      expect(await runTls({}, reset.member)).toMatch(
        /^tls HOST: (connection reset by peer|the server closed the connection in the TLS handshake)$/,
      )
    })

    it('sends half of its answer', async () => {
      const half = Buffer.from('160303007a0200007603030000', 'hex')
      const { member } = await serve({ tcp: (socket) => socket.write(half) })
      const said = await outOfTime(checks.tls(), member, ({ bytes }) => bytes === half.length)
      expect(said).toBe('tls HOST: no answer within 80 ms (no TLS handshake)')
    })
  })

  it('leaves nothing open at an abort, whenever it comes', async () => {
    const { member } = await serve({ tcp: overTls(fine) })
    const reasons = await stopAnywhere(checks.tls(), member)
    expect(reasons.length).toBeGreaterThan(2)
    for (const reason of reasons) expect(reason).toMatch(/^tls HOST: stopped/)
  })

  it.each([
    [{ serverName: '127.0.0.1' }, 'options.serverName'],
    [{ serverName: 'a b' }, 'options.serverName'],
    [{ serverName: 5 }, 'options.serverName'],
    [{ verify: 'yes' }, 'options.verify'],
    [{ ca: 'nonsense' }, 'options.ca'],
    [{ ca: [] }, 'options.ca'],
    [{ ca, verify: false }, 'options.ca'],
    [{ cert: fine.cert }, 'options.key'],
    [{ key: fine.key }, 'options.cert'],
    [{ cert: fine.cert, key: stranger.key }, 'options.key'],
    [{ cert: fine.cert, key: 'nonsense' }, 'options.key'],
    [{ minVersion: 'TLSv1.4' }, 'options.minVersion'],
    [{ alpn: [] }, 'options.alpn'],
    [{ alpn: 'h2' }, 'options.alpn'],
    [{ minDaysLeft: -1 }, 'options.minDaysLeft'],
    [{ rejectUnauthorized: false }, 'options.rejectUnauthorized'],
  ])('refuses %#', (options, option) => {
    expect(() => checks.tls(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })

  it('shows no private key in an error', () => {
    expect(() => checks.tls({ cert: fine.cert, key: stranger.key })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('PRIVATE') }),
    )
  })
})
