// checks.http with `http2: true`.
import { createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { checks, type HttpCheckOptions } from '../../../src/health/checks/index.js'
import { makeCertificate } from './certificate.js'
import { connected, outOfTime, run, serve, stopAnywhere, type TcpHandler } from './loopback.js'
import { hex } from './script.js'
import { overTls } from './tls-server.js'

type Answer = (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>) => void

/** A server that speaks nothing but HTTP/2. */
function web(answer: Answer): { tcp: TcpHandler } {
  const server = createServer().on('stream', (stream, headers) => {
    stream.on('error', () => {})
    answer(stream, headers)
  })
  server.on('sessionError', () => {})
  return { tcp: (socket) => server.emit('connection', socket) }
}

const saying =
  (text: string, status = 200): Answer =>
  (stream) => {
    stream.respond({ ':status': status, 'content-type': 'text/plain', 'x-weight': '30' })
    stream.end(text)
  }
const certificate = makeCertificate({ name: 'web.test' })
const http2 = (options: HttpCheckOptions = {}) => checks.http({ http2: true, ...options })

/** A server that says this in answer to anything. */
const raw = (...bytes: Buffer[]): { tcp: TcpHandler } => ({
  tcp: (socket) =>
    socket.once('data', () => {
      socket.resume()
      socket.write(Buffer.concat(bytes))
    }),
})
const settings = hex('000000 04 00 00000000')
/** With status 200, in HPACK's static table. */
const headers = (flags: string) => hex(`000001 01 ${flags} 00000001 88`)

describe('checks.http over HTTP/2', () => {
  it('asks as told', async () => {
    const seen: unknown[] = []
    const server = await serve(
      web((stream, all) => {
        seen.push(JSON.parse(JSON.stringify(all)))
        saying('fine')(stream, {})
      }),
    )
    expect(await run(http2(), server.member)).toBe('healthy: status 200')
    expect(seen).toEqual([
      {
        ':method': 'GET',
        ':scheme': 'http',
        ':authority': server.member.key,
        ':path': '/',
        'user-agent': 'ipvs',
      },
    ])
    const host = 'www.example.org'
    const other = http2({ method: 'POST', path: '/a?b=c', host, headers: { 'X-One': '1' } })
    expect(await run(other, server.member)).toBe('healthy: status 200')
    expect(seen.at(-1)).toEqual({
      ':method': 'POST',
      ':scheme': 'http',
      ':authority': host,
      ':path': '/a?b=c',
      'user-agent': 'ipvs',
      'content-length': '0',
      'x-one': '1',
    })
  })

  it('judges status, headers, body and weight', async () => {
    const { member } = await serve(web(saying('{"state":"ready"}')))
    expect(await run(http2({ status: 204 }), member)).toBe('http HOST: status 200, expected 204')
    expect(await run(http2({ expectHeaders: { 'Content-Type': /html/ } }), member)).toBe(
      'http HOST: header content-type is "text/plain", expected /html/',
    )
    expect(await run(http2({ body: 'ready' }), member)).toBe('healthy: status 200')
    expect(await run(http2({ body: 'down' }), member)).toMatch(/^http HOST: body: no "down" in /)
    expect(await run(http2({ body: /y"}$/ }), member)).toBe('healthy: status 200')
    expect(await run(http2({ expectJson: { state: 'ready' } }), member)).toBe('healthy: status 200')
    expect(await run(http2({ weight: { header: 'x-weight', max: 40 } }), member)).toBe(
      'healthy: status 200, weight 30 of 40',
    )
    expect(await run(http2({ method: 'HEAD', body: () => true }), member)).toBe(
      'healthy: status 200',
    )
  })

  it('reads no more than allowed of a body without an end', async () => {
    const { member } = await serve(
      web((stream) => {
        stream.respond({ ':status': 200 })
        const more = () => {
          if (!stream.destroyed) stream.write(Buffer.alloc(16_384, 'x'), more)
        }
        more()
      }),
    )
    const check = http2({ body: /y/, maxBodyBytes: 200_000 })
    expect(await run(check, member)).toMatch(/^http HOST: body: \/y\/ does not match /)
  })

  it('asks over TLS, if the server takes h2', async () => {
    const server = createSecureServer({ ...certificate }).on('stream', saying('fine') as never)
    server.on('sessionError', () => {})
    const { member } = await serve({ tcp: (socket) => server.emit('connection', socket) })
    const tls = { ca: certificate.cert, serverName: 'web.test' }
    expect(await run(http2({ tls, body: 'fine' }), member)).toBe('healthy: status 200')
    const old = await serve({ tcp: overTls(certificate) })
    expect(await run(http2({ tls }), old.member)).toBe(
      'https HOST: the server takes no application protocol of h2',
    )
    const other = await serve({
      tcp: overTls(certificate, () => {}, { ALPNProtocols: ['http/1.1'] }),
    })
    expect(await run(http2({ tls }), other.member)).toMatch(/^https HOST: TLS: .*protocol/)
  })

  it('says what is wrong with the server', async () => {
    const { member } = await serve({})
    expect(await run(http2(), member)).toBe('http HOST: connection refused')
    const old = await serve(raw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')))
    expect(await run(http2(), old.member)).toMatch(/^http HOST: HTTP\/2: /)
    const early = await serve({ tcp: (socket) => socket.once('data', () => socket.end()) })
    expect(await run(http2(), early.member)).toMatch(/^http HOST: the server closed the /)
    const reset = await serve({
      tcp: (socket) => socket.once('data', () => socket.resetAndDestroy()),
    })
    expect(await run(http2(), reset.member)).toBe('http HOST: connection reset by peer')
    const half = await serve(web((stream) => stream.session?.destroy()))
    expect(await run(http2(), half.member)).toMatch(/^http HOST: /)
    // REFUSED_STREAM, 7.
    const refused = await serve(raw(settings, hex('000004 03 00 00000001 00000007')))
    expect(await run(http2(), refused.member)).toMatch(/^http HOST: HTTP\/2: .*REFUSED_STREAM/)
    // Half a body, and CANCEL, 8; half a body, and the end of the connection.
    const part = hex('000002 00 00 00000001 6869')
    const stopped = await serve(
      raw(settings, headers('04'), part, hex('000004 03 00 00000001 00000008')),
    )
    expect(await run(http2({ body: /./ }), stopped.member)).toMatch(/^http HOST: the server closed/)
    const closed = await serve({
      tcp: (socket) =>
        socket.once('data', () => socket.end(Buffer.concat([settings, headers('04'), part]))),
    })
    expect(await run(http2({ body: /./ }), closed.member)).toMatch(/^http HOST: the server closed/)
    // GOAWAY with ENHANCE_YOUR_CALM, 11.
    const calm = await serve(raw(settings, hex('000008 07 00 00000000 00000000 0000000b')))
    expect(await run(http2(), calm.member)).toMatch(/^http HOST: HTTP\/2: /)
    const noStatus = await serve(raw(settings, hex('000001 01 05 00000001 84')))
    expect(await run(http2(), noStatus.member)).toMatch(/^http HOST: /)
  })

  it('times out, whatever has come by then', async () => {
    const silent = await serve({ tcp: (socket) => socket.resume() })
    expect(await outOfTime(http2(), silent.member, connected)).toBe(
      'http HOST: no answer within 80 ms',
    )
    const part = await serve(raw(settings, headers('04')))
    const has = ({ bytes }: { bytes: number }) => bytes >= 19
    expect(await outOfTime(http2({ body: /./ }), part.member, has)).toBe(
      'http HOST: no answer within 80 ms',
    )
    const pushing = await serve(
      raw(settings, Buffer.alloc(17 * 1000, hex('000008 06 00 00000000 0102030405060708'))),
    )
    expect(await outOfTime(http2(), pushing.member, has)).toMatch(/^http HOST: /)
  })

  it('leaves nothing open at an abort, whenever it comes', async () => {
    const { member } = await serve(web(saying('fine')))
    const reasons = await stopAnywhere(http2({ body: 'fine' }), member)
    expect(reasons.length).toBeGreaterThan(1)
    for (const reason of reasons) expect(reason).toMatch(/^http HOST: stopped/)
  })

  it.each([
    [{ http2: 1 }, 'options.http2'],
    [{ http2: true, headers: { Connection: 'close' } }, 'options.headers.Connection'],
    [{ http2: true, headers: { te: 'gzip' } }, 'options.headers.te'],
    [{ http2: true, headers: { ':path': '/' } }, 'options.headers.:path'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.http(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
