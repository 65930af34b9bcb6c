import { createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2'
import { describe, expect, it } from 'vitest'
import { checks, type GrpcCheckOptions } from '../../../src/health/checks/index.js'
import { makeCertificate } from './certificate.js'
import { connected, outOfTime, run, serve, stopAnywhere, type TcpHandler } from './loopback.js'
import { hex } from './script.js'

interface Saying {
  readonly message?: Buffer
  readonly trailers?: Record<string, string>
  readonly head?: Record<string, string | number>
  readonly isTrailersOnly?: true
}

const serving = hex('00 00000002 0801')
const seen: unknown[] = []

function say(
  stream: ServerHttp2Stream,
  { message = serving, trailers, head, isTrailersOnly }: Saying,
) {
  const whole = { ':status': 200, 'content-type': 'application/grpc', ...head }
  stream.on('error', () => {})
  if (isTrailersOnly) return stream.respond({ ...whole, ...trailers }, { endStream: true })
  stream.respond(whole, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? { 'grpc-status': '0' }))
  return stream.end(message)
}

function answering(saying: Saying): { tcp: TcpHandler } {
  const server = createServer().on('stream', (stream, headers) => {
    const heard: Buffer[] = []
    stream.on('data', (bytes: Buffer) => heard.push(bytes))
    stream.on('end', () => {
      seen.push({ ...JSON.parse(JSON.stringify(headers)), body: Buffer.concat(heard) })
      say(stream, saying)
    })
  })
  server.on('sessionError', () => {})
  return { tcp: (socket) => server.emit('connection', socket) }
}

const grpc = (options: GrpcCheckOptions = {}) => checks.grpc(options)

describe('checks.grpc', () => {
  it('asks about the server, or about a service of it', async () => {
    const { member } = await serve(answering({}))
    expect(await run(grpc(), member)).toBe('healthy: SERVING')
    expect(seen.at(-1)).toEqual({
      ':method': 'POST',
      ':scheme': 'http',
      ':authority': member.key,
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'ipvs',
      body: hex('00 00000000'),
    })
    expect(await run(grpc({ service: 'a.B', host: 'b.test' }), member)).toBe('healthy: SERVING')
    expect(seen.at(-1)).toMatchObject({
      ':authority': 'b.test',
      body: hex('00 00000005 0a03 612e42'),
    })
    const long = 'x'.repeat(300)
    expect(await run(grpc({ service: long }), member)).toBe('healthy: SERVING')
    expect(seen.at(-1)).toMatchObject({
      body: Buffer.concat([hex('00 0000012f 0aac02'), Buffer.from(long)]),
    })
  })

  it.each([
    [{ message: hex('00 00000002 0802') }, 'NOT_SERVING, expected SERVING'],
    [{ message: hex('00 00000002 0803') }, 'SERVICE_UNKNOWN, expected SERVING'],
    [{ message: hex('00 00000000') }, 'UNKNOWN, expected SERVING'],
    [{ message: hex('00 00000003 08ff01') }, 'status 255, expected SERVING'],
    [{ message: hex('00 00000004 0802 0801') }, undefined],
    [
      // Fields of every kind that we do not know.
      { message: hex('00 00000019 1001 1902030405060708 09 2202aabb 2d01020304 0801 a20600') },
      undefined,
    ],
    [{ message: Buffer.alloc(0) }, 'answered nothing, no answer of grpc.health.v1'],
    [
      { message: hex('01 00000002 0801') },
      'answered bytes 01000000020801, no answer of grpc.health.v1',
    ],
    [{ message: hex('00 00000003 0801') }, /^answered .*, no answer of grpc\.health\.v1$/],
    [{ message: hex('00 00000001 0801') }, /^answered .*, no answer of grpc\.health\.v1$/],
    [{ message: hex('00 00000002 08ff') }, /^answered .*, no answer of grpc\.health\.v1$/],
    [{ message: hex('00 00000002 0a05') }, /^answered .*, no answer of grpc\.health\.v1$/],
    [{ message: hex('00 00000002 0b01') }, /^answered .*, no answer of grpc\.health\.v1$/],
    [{ message: hex('00 0000000c 08 ffffffffffffffffffff 01') }, /no answer of grpc/],
    [{ message: Buffer.alloc(5000) }, 'answered with more than 4096 bytes'],
    [
      { trailers: { 'grpc-status': '14', 'grpc-message': 'too%20late' } },
      'answered status 14 (UNAVAILABLE) "too late"',
    ],
    [{ trailers: { 'grpc-status': '99' } }, 'answered status "99"'],
    [
      { isTrailersOnly: true, trailers: { 'grpc-status': '5', 'grpc-message': '%zz' } },
      'answered status 5 (NOT_FOUND) "%zz"',
    ],
    [{ isTrailersOnly: true, trailers: { 'grpc-status': '12' } }, /status 12 \(UNIMPLEMENTED\)$/],
    [
      { isTrailersOnly: true, trailers: { 'grpc-status': '0' } },
      'answered nothing, no answer of grpc.health.v1',
    ],
    [{ trailers: { other: '1' } }, 'answered status "undefined"'],
    [{ head: { ':status': 503 } }, 'status 503, expected 200'],
    [
      { head: { 'content-type': 'text/html' } },
      'answered with "text/html", expected application/grpc',
    ],
    [{ head: { 'content-type': 'application/grpc-web' } }, /expected application\/grpc$/],
    [{ head: { 'content-type': 'application/grpc+proto' } }, undefined],
  ] as [Saying, string | RegExp | undefined][])('%j: %s', async (saying, wrong) => {
    const { member } = await serve(answering(saying))
    const said = await run(grpc(), member)
    if (wrong === undefined) expect(said).toBe('healthy: SERVING')
    else if (typeof wrong === 'string') expect(said).toBe(`grpc HOST: ${wrong}`)
    else expect(said.replace('grpc HOST: ', '')).toMatch(wrong)
  })

  it('asks over TLS', async () => {
    const certificate = makeCertificate({ name: 'grpc.test' })
    const server = createSecureServer({ ...certificate })
    server.on('stream', (stream) => say(stream as ServerHttp2Stream, {}))
    server.on('sessionError', () => {})
    const { member } = await serve({ tcp: (socket) => server.emit('connection', socket) })
    const tls = { ca: certificate.cert, serverName: 'grpc.test' }
    expect(await run(grpc({ tls }), member)).toBe('healthy: SERVING')
    expect(await run(grpc(), member)).toMatch(/^grpc HOST: /)
  })

  it('says what is wrong with the connection', async () => {
    const { member } = await serve({})
    expect(await run(grpc(), member)).toBe('grpc HOST: connection refused')
    const web = await serve({ tcp: (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') })
    expect(await run(grpc(), web.member)).toMatch(/^grpc HOST: HTTP\/2: /)
    const early = await serve({ tcp: (socket) => socket.once('data', () => socket.end()) })
    expect(await run(grpc(), early.member)).toMatch(/^grpc HOST: the server closed the /)
    const silent = await serve({ tcp: (socket) => socket.resume() })
    expect(await outOfTime(grpc(), silent.member, connected)).toBe(
      'grpc HOST: no answer within 80 ms',
    )
  })

  it('wants the end of the answer: a message without a status is none', async () => {
    const server = createServer().on('stream', (stream) => {
      stream.on('error', () => {})
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.end(serving)
    })
    server.on('sessionError', () => {})
    const { member } = await serve({ tcp: (socket) => server.emit('connection', socket) })
    expect(await run(grpc(), member)).toBe('grpc HOST: the server closed the stream')
  })

  it('leaves nothing open at an abort, whenever it comes', async () => {
    const { member } = await serve(answering({}))
    const reasons = await stopAnywhere(grpc(), member)
    expect(reasons.length).toBeGreaterThan(1)
    for (const reason of reasons) expect(reason).toMatch(/^grpc HOST: stopped/)
  })

  it.each([
    [{ service: 5 }, 'options.service'],
    [{ service: 'x'.repeat(1025) }, 'options.service'],
    [{ host: 'a b' }, 'options.host'],
    [{ tls: 1 }, 'options.tls'],
    [{ name: 'a' }, 'options.name'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.grpc(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
