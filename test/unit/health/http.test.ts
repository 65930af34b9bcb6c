import { createHook } from 'node:async_hooks'
import { createServer, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { checks, type HttpCheckOptions } from '../../../src/health/checks/index.js'
import { makeCertificate } from './certificate.js'
import { connected, outOfTime, run, serve, stopAnywhere, type TcpHandler } from './loopback.js'
import { overTls } from './tls-server.js'

/** A web server as one knows it. */
function web(listener: RequestListener): { tcp: TcpHandler } {
  const server = createServer(listener)
  return { tcp: (socket) => server.emit('connection', socket) }
}

/** A server that sends these pieces after a request, a turn of the event loop apart. */
function raw(...pieces: string[]): { tcp: TcpHandler } {
  return {
    tcp: (socket) =>
      socket.once('data', async () => {
        for (const piece of pieces) {
          if (!socket.destroyed) socket.write(piece)
          await turn()
        }
      }),
  }
}

const ok = web((_request, response) => response.end('service ready\n'))
const body = (text: string, length = text.length) =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${text}`
const runHttp = (options: HttpCheckOptions, member: Parameters<typeof run>[1]) =>
  run(checks.http(options), member)

describe('checks.http', () => {
  it('asks for / and is healthy with a status from 200 to 399', async () => {
    const seen: unknown[] = []
    const { member } = await serve(
      web(({ method, url, httpVersion, headers }, response) => {
        seen.push({ method, url, httpVersion, headers })
        response.end()
      }),
    )
    expect(await runHttp({}, member)).toBe('healthy: status 200')
    expect(seen).toEqual([
      {
        method: 'GET',
        url: '/',
        httpVersion: '1.1',
        headers: { host: member.key, connection: 'close', 'user-agent': 'ipvs' },
      },
    ])
  })

  it('asks as told', async () => {
    const seen: unknown[] = []
    const { member } = await serve(
      web(({ method, url, headers }, response) => {
        seen.push(method, url, headers)
        response.end()
      }),
    )
    const options = {
      method: 'HEAD',
      path: '/health?full=1',
      host: 'www.example.org',
      headers: { 'User-Agent': 'probe', Authorization: 'Bearer x' },
      body: undefined,
    }
    expect(await runHttp(options, member)).toBe('healthy: status 200')
    expect(seen).toEqual([
      'HEAD',
      '/health?full=1',
      {
        host: 'www.example.org',
        connection: 'close',
        'user-agent': 'probe',
        authorization: 'Bearer x',
      },
    ])
  })

  it('works over IPv6 and from another address', async () => {
    const six = await serve(ok, '::1')
    expect(await runHttp({}, six.member)).toBe('healthy: status 200')
    const from: (string | undefined)[] = []
    const { member } = await serve(
      web((request, response) => {
        from.push(request.socket.remoteAddress)
        response.end()
      }),
    )
    expect(await runHttp({ localAddress: '127.0.0.9' }, member)).toBe('healthy: status 200')
    expect(from).toEqual(['127.0.0.9'])
  })

  it.each([
    ['a whole answer', (socket: Socket) => socket.write(body('ready')), 'healthy: status 200'],
    [
      'the server has hung up',
      (socket: Socket) => socket.end(body('rea', 5)),
      'http HOST: the server closed the connection in the middle of its answer',
    ],
  ])('closes with a reset, also after %s', async (_name, answer, expected) => {
    let seen: string | undefined
    const { member } = await serve({
      tcp: (socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => {
          seen = error.code
        })
        socket.once('data', () => answer(socket))
      },
    })
    expect(await runHttp({ body: /^ready$/ }, member)).toBe(expected)
    await expect.poll(() => seen).toBe('ECONNRESET')
  })

  it.each([
    [204, {}, undefined],
    [301, {}, undefined],
    [404, {}, 'status 404, expected 200 to 399'],
    [503, {}, 'status 503, expected 200 to 399'],
    [503, { status: 503 }, undefined],
    [200, { status: 503 }, 'status 200, expected 503'],
    [204, { status: [200, 204] }, undefined],
    [201, { status: [200, 204, '300-399'] }, 'status 201, expected 200, 204, 300 to 399'],
    [304, { status: [200, 204, '300-399'] }, undefined],
  ] satisfies [number, HttpCheckOptions, string | undefined][])(
    'status %i with %j: %s',
    async (status, options, wrong) => {
      const { member } = await serve(web((_request, response) => response.writeHead(status).end()))
      const expected = wrong === undefined ? `healthy: status ${status}` : `http HOST: ${wrong}`
      expect(await runHttp(options, member)).toBe(expected)
    },
  )

  it('follows no redirect', async () => {
    let requests = 0
    const { member } = await serve(
      web((_request, response) => {
        requests++
        response.writeHead(302, { location: '/' }).end()
      }),
    )
    expect(await runHttp({}, member)).toBe('healthy: status 302')
    expect(requests).toBe(1)
  })

  it.each([
    [{ 'X-Ready': 'yes' }, undefined],
    [{ 'x-ready': /^y/g }, undefined],
    [{ 'x-ready': 'no' }, 'header x-ready is "yes", expected "no"'],
    [{ 'x-ready': /^no/ }, 'header x-ready is "yes", expected /^no/'],
    [{ 'x-ready': 'yes', 'x-other': 'a' }, 'no header x-other'],
    [{ 'set-cookie': /b=2/ }, undefined],
  ])('headers %j: %s', async (expectHeaders, wrong) => {
    const { member } = await serve(
      web((_request, response) =>
        response.writeHead(200, { 'x-ready': 'yes', 'set-cookie': ['a=1', 'b=2'] }).end(),
      ),
    )
    const expected = wrong === undefined ? 'healthy: status 200' : `http HOST: ${wrong}`
    expect(await runHttp({ expectHeaders }, member)).toBe(expected)
  })

  describe('body', () => {
    it.each([
      ['ready', undefined],
      ['READY', 'body: no "READY" in "service ready\\n"'],
      [Buffer.from('ready'), undefined],
      [/^service \w+$/m, undefined],
      [/^ready/, 'body: /^ready/ does not match "service ready\\n"'],
      [(content: Buffer) => content.length === 14, undefined],
      [() => false, 'body: not what is expected'],
      [() => 'two backends down', 'body: two backends down'],
    ] satisfies [HttpCheckOptions['body'], string | undefined][])('%s: %s', async (rule, wrong) => {
      const { member } = await serve(ok)
      const expected = wrong === undefined ? 'healthy: status 200' : `http HOST: ${wrong}`
      expect(await runHttp({ body: rule }, member)).toBe(expected)
    })

    it('fails when the function for it throws', async () => {
      const { member } = await serve(ok)
      const rule = () => {
        throw new Error('not JSON')
      }
      expect(await runHttp({ body: rule }, member)).toBe('http HOST: not JSON')
    })

    it('is found across the pieces it comes in', async () => {
      const { member } = await serve(
        raw('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n', 's', 'yst', 'em r', 'ea', 'dy', '!'),
      )
      expect(await runHttp({ body: 'system ready' }, member)).toBe('healthy: status 200')
    })

    it('is read no further than needed', async () => {
      const endless = web(async (_request, response) => {
        for (let line = 0; !response.destroyed; line++) {
          response.write(`line ${line} `)
          await turn()
        }
      })
      const { member } = await serve(endless)
      expect(await runHttp({ body: 'line 3 ' }, member)).toBe('healthy: status 200')
      expect(await runHttp({ body: /line 2 l/, maxBodyBytes: 30 }, member)).toBe(
        'healthy: status 200',
      )
      expect(await runHttp({ body: 'line 9 ', maxBodyBytes: 20 }, member)).toBe(
        'http HOST: body: no "line 9 " in "line 0 line 1 line 2"',
      )
    })

    it('may be as large as allowed', async () => {
      const large = `${'x'.repeat(300_000)}end`
      const { member } = await serve(web((_request, response) => response.end(large)))
      const whole = { body: (content: Buffer) => content.toString() === large }
      expect(await runHttp({ ...whole, maxBodyBytes: 1_000_000 }, member)).toBe(
        'healthy: status 200',
      )
      const start = { body: (content: Buffer) => content.length === 65_536 }
      expect(await runHttp(start, member)).toBe('healthy: status 200')
    })

    it('is not waited for when nobody asks', async () => {
      const { member } = await serve(raw(body('', 100)))
      expect(await runHttp({}, member)).toBe('healthy: status 200')
    })
  })

  describe('fails when the server', () => {
    it('refuses', async () => {
      const { member } = await serve({})
      expect(await runHttp({}, member)).toBe('http HOST: connection refused')
    })

    it('says nothing', async () => {
      const { member } = await serve({ tcp: (socket) => socket.resume() })
      expect(await outOfTime(checks.http(), member, connected)).toBe(
        'http HOST: no answer within 80 ms',
      )
    })

    it.each([
      ['half a status line', 'HTTP/1.1 20'],
      ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ])('sends %s and no more', async (_name, piece) => {
      const { member } = await serve(raw(piece))
      const said = await outOfTime(checks.http(), member, ({ bytes }) => bytes === piece.length)
      expect(said).toBe('http HOST: no answer within 80 ms')
    })

    it('sends half a body and no more', async () => {
      const half = body('rea', 5)
      const { member } = await serve(raw(half))
      const check = checks.http({ body: 'ready' })
      const said = await outOfTime(check, member, ({ bytes }) => bytes === half.length)
      expect(said).toBe('http HOST: no answer within 80 ms')
    })

    it('trickles', async () => {
      const slow = Array.from({ length: 200 }, () => 'X-Slow: 1\r\n')
      const { member } = await serve(raw('HTTP/1.1 200 OK\r\n', ...slow))
      const said = await outOfTime(checks.http(), member, ({ bytes }) => bytes > 100)
      expect(said).toBe('http HOST: no answer within 80 ms')
    })

    it('hangs up', async () => {
      const early = await serve({ tcp: (socket) => socket.once('data', () => socket.end()) })
      expect(await runHttp({}, early.member)).toBe(
        'http HOST: the server closed the connection before it answered',
      )
      const midway = await serve({
        tcp: (socket) => socket.once('data', () => socket.end(body('rea', 5))),
      })
      expect(await runHttp({ body: 'ready' }, midway.member)).toBe(
        'http HOST: the server closed the connection in the middle of its answer',
      )
      const reset = await serve({
        tcp: (socket) => socket.once('data', () => socket.resetAndDestroy()),
      })
      expect(await runHttp({}, reset.member)).toMatch(
        /^http HOST: (connection reset by peer|the server closed the connection before it answered)$/,
      )
    })

    it('speaks something else', async () => {
      const mail = await serve({ tcp: (socket) => socket.write('220 mail ESMTP\r\n') })
      expect(await runHttp({}, mail.member)).toMatch(/^http HOST: not HTTP: /)
      const endless = await serve(raw(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(400_000)}`))
      expect(await runHttp({}, endless.member)).toMatch(/^http HOST: not HTTP: /)
    })
  })

  it('takes a body that ends with the connection', async () => {
    const { member } = await serve({
      tcp: (socket) => socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nready')),
    })
    expect(await runHttp({ body: /^ready$/ }, member)).toBe('healthy: status 200')
  })

  it('waits through the answers that are none yet, and takes an upgrade', async () => {
    const hints = await serve(raw('HTTP/1.1 103 Early Hints\r\n\r\n', body('')))
    expect(await runHttp({}, hints.member)).toBe('healthy: status 200')
    const upgrade = await serve(
      raw('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nX'),
    )
    const headers = { Connection: 'upgrade', Upgrade: 'websocket' }
    expect(await runHttp({ headers, status: 101 }, upgrade.member)).toBe('healthy: status 101')
    expect(await runHttp({ headers }, upgrade.member)).toBe(
      'http HOST: status 101, expected 200 to 399',
    )
  })

  describe('with TLS', () => {
    const authority = makeCertificate({ name: 'test authority', authority: true })
    const certificate = makeCertificate({ name: 'www.example.org', issuer: authority })
    const secure = (names: string[] = []): { tcp: TcpHandler } => {
      const server = createServer((request, response) => response.end(request.headers.host))
      return {
        tcp: overTls(certificate, (socket) => server.emit('connection', socket), {
          ALPNProtocols: ['http/1.1'],
          SNICallback: (name, found) => {
            names.push(name)
            found(null)
          },
        }),
      }
    }

    it('asks over HTTPS, for the name of the host', async () => {
      const names: string[] = []
      const { member } = await serve(secure(names))
      expect(await runHttp({ tls: true, body: member.key }, member)).toBe('healthy: status 200')
      expect(names).toEqual([])
      const host = 'www.example.org:8443'
      expect(await runHttp({ tls: true, host, body: host }, member)).toBe('healthy: status 200')
      expect(names).toEqual(['www.example.org'])
    })

    it('takes a body that ends with the connection, though TLS was not ended', async () => {
      const { member } = await serve({
        tcp: (socket, self) =>
          overTls(certificate, (stream) =>
            stream.once('data', () => {
              stream.write('HTTP/1.0 200 OK\r\n\r\nyes', () => socket.end())
            }),
          )(socket, self),
      })
      expect(await runHttp({ tls: true, body: /^yes$/ }, member)).toBe('healthy: status 200')
    })

    it('verifies the certificate when told', async () => {
      const { member } = await serve(secure())
      const ca = authority.cert
      const host = 'www.example.org'
      expect(await runHttp({ tls: { ca }, host }, member)).toBe('healthy: status 200')
      expect(await runHttp({ tls: { ca }, host: 'other.example.org' }, member)).toBe(
        'https HOST: certificate: not for other.example.org, but for DNS:www.example.org',
      )
      expect(await runHttp({ tls: { verify: true }, host }, member)).toBe(
        'https HOST: certificate: unable to verify leaf signature',
      )
    })

    it('tells a server without TLS from one with it', async () => {
      const plain = await serve(ok)
      expect(await runHttp({ tls: true }, plain.member)).toBe(
        'https HOST: TLS: wrong version number',
      )
      const { member } = await serve(secure())
      expect(await runHttp({ tls: false }, member)).toMatch(/^http HOST: /)
    })

    it('leaves nothing open at an abort, whenever it comes', async () => {
      const { member } = await serve(secure())
      const reasons = await stopAnywhere(checks.http({ tls: true }), member)
      expect(reasons.length).toBeGreaterThan(2)
      for (const reason of reasons) expect(reason).toMatch(/^https HOST: stopped/)
    })
  })

  it('never asks the thread pool', async () => {
    const { member } = await serve(ok)
    const seen = new Set<string>()
    const hook = createHook({ init: (_id, type) => seen.add(type) }).enable()
    await runHttp({ body: 'ready' }, member)
    hook.disable()
    expect(seen).toContain('TCPWRAP')
    expect([...seen].filter((type) => /GETADDRINFO|QUERYWRAP|FSREQ/.test(type))).toEqual([])
  })

  // All that it takes is in http-answer.test.ts.
  it('takes what clients take', async () => {
    const bytes =
      'http/1.1 200\nA: b\rc\n d\nA : \x07\nContent-Length: 9\nTransfer-Encoding : chunked\n\n3;x\nyes\n0\n\nmore'
    const { member } = await serve({
      tcp: (socket) => socket.once('data', () => socket.end(bytes, 'latin1')),
    })
    const options = {
      body: (read: Buffer) => String(read) === 'yes',
      expectHeaders: { a: 'b c d, \x07' },
    }
    expect(await runHttp(options, member)).toBe('healthy: status 200')
    expect(await runHttp({}, member)).toBe('healthy: status 200')
  })

  it('of headers that come twice one is enough', async () => {
    const { member } = await serve(raw('HTTP/1.1 200 OK\r\nA: b\r\nA: c\r\n\r\n'))
    expect(await runHttp({ expectHeaders: { a: 'c' } }, member)).toBe('healthy: status 200')
    expect(await runHttp({ expectHeaders: { A: /^b, c$/ } }, member)).toBe('healthy: status 200')
    expect(await runHttp({ expectHeaders: { a: 'd' } }, member)).toBe(
      'http HOST: header a is "b, c", expected "d"',
    )
  })

  it.each([
    ['GET', {}, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nUser-Agent: ipvs\r\n\r\n'],
    [
      'PUT',
      { CONNECTION: 'keep-alive', 'X-A': 'b\xe9' },
      'PUT / HTTP/1.1\r\nHost: h\r\nCONNECTION: keep-alive\r\nUser-Agent: ipvs\r\nContent-Length: 0\r\nX-A: b\xe9\r\n\r\n',
    ],
  ])('%s with %j is asked in one piece', async (method, headers, request) => {
    const asked: string[] = []
    const { member } = await serve({
      tcp: (socket) =>
        socket.on('data', (data) => {
          asked.push(data.toString('latin1'))
          socket.write('HTTP/1.1 204 No\r\n\r\n')
        }),
    })
    expect(await runHttp({ method, headers, host: 'h' }, member)).toBe('healthy: status 204')
    expect(asked).toEqual([request])
  })

  it.each([
    [{ path: 'health' }, 'options.path'],
    [{ path: '/a b' }, 'options.path'],
    [{ path: '/a\r\nX: 1' }, 'options.path'],
    [{ path: 5 }, 'options.path'],
    [{ method: 'get' }, 'options.method'],
    [{ method: 'CONNECT' }, 'options.method'],
    [{ host: 'a b' }, 'options.host'],
    [{ host: 5 }, 'options.host'],
    [{ headers: { Host: 'a' } }, 'options.headers.Host'],
    [{ headers: { 'transfer-encoding': 'chunked' } }, 'options.headers.transfer-encoding'],
    [{ headers: { 'a b': 'c' } }, 'options.headers.a b'],
    [{ headers: { a: 'b\r\nc: d' } }, 'options.headers.a'],
    [{ headers: { a: 5 } }, 'options.headers.a'],
    [{ headers: [] }, 'options.headers'],
    [{ status: 99 }, 'options.status'],
    [{ status: '200' }, 'options.status'],
    [{ status: '399-200' }, 'options.status'],
    [{ status: '200-999' }, 'options.status'],
    [{ status: [] }, 'options.status'],
    [{ expectHeaders: { a: 5 } }, 'options.expectHeaders.a'],
    [{ expectHeaders: { 'a b': 'c' } }, 'options.expectHeaders.a b'],
    [{ body: '' }, 'options.body'],
    [{ body: 200 }, 'options.body'],
    [{ maxBodyBytes: 0 }, 'options.maxBodyBytes'],
    [{ tls: 'yes' }, 'options.tls'],
    [{ tls: { serverName: '::1' } }, 'options.tls.serverName'],
    [{ tls: { alpn: ['h2'] } }, 'options.tls.alpn'],
    [{ url: 'http://a/' }, 'options.url'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.http(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
