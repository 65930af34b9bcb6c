import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { httpServers } from '../../../src/index.js'
import { listsOf } from './lists.js'
import { nobody, webServer } from './web-server.js'

const often = { intervalMs: 100 }

/** Gives the same until it is told otherwise. */
async function list(first: string, headers: Record<string, string> = {}) {
  const now = { status: 200, text: first, headers }
  const server = await webServer((request, response) => {
    const isKnown = request.headers['if-none-match'] === now.headers.etag && now.headers.etag
    if (isKnown) response.writeHead(304, now.headers).end()
    else response.writeHead(now.status, now.headers).end(now.text)
  })
  return { server, now, url: `${server.origin}/pools/dns?rack=1` }
}

describe('httpServers', () => {
  it('gives what there is, and what there is after each change', async () => {
    const { server, now, url } = await list('["10.1.0.1", { "address": "10.1.0.2", "weight": 3 }]')
    const lists = listsOf(httpServers(url, often))
    expect(await lists.next()).toEqual([
      { address: '10.1.0.1' },
      { address: '10.1.0.2', weight: 3 },
    ])
    const next = lists.next()
    await expect.poll(() => server.requests.length).toBeGreaterThan(3)
    now.text = '[]'
    expect(await next).toEqual([])
    expect(server.requests[0]!.url).toBe('/pools/dns?rack=1')
  })

  it('asks for what has an ETag only if it has changed', async () => {
    const { server, now, url } = await list('["10.1.0.1"]', { etag: 'W/"1"' })
    const lists = listsOf(httpServers(url, often))
    expect(await lists.next()).toEqual([{ address: '10.1.0.1' }])
    const next = lists.next()
    await expect.poll(() => server.requests.length).toBeGreaterThan(2)
    expect(server.requests[0]!.headers['if-none-match']).toBe(undefined)
    expect(server.requests[2]!.headers['if-none-match']).toBe('W/"1"')
    now.text = '["10.1.0.2"]'
    now.headers = { etag: '"2"' }
    expect(await next).toEqual([{ address: '10.1.0.2' }])
  })

  it('reads its token for each request', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ipvs-token-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'token')
    await writeFile(file, 'one\n')
    const { server, url } = await list('["10.1.0.1"]')
    const lists = listsOf(httpServers(url, { ...often, token: { file } }))
    await lists.next()
    void lists.next().catch(() => {})
    expect(server.requests[0]!.headers.authorization).toBe('Bearer one')
    await writeFile(file, 'two')
    await expect.poll(() => server.requests.at(-1)!.headers.authorization).toBe('Bearer two')
  })

  it.each<[what: string, status: number, text: string, error: RegExp, code: string | undefined]>([
    ['no such page', 404, 'not\nhere', /answered 404: "not\\nhere"/, 'ERR_HTTP_STATUS'],
    ['nothing new, unasked', 304, '', /answered 304/, 'ERR_HTTP_STATUS'],
    ['lines of text', 200, '10.1.0.1\n10.1.0.2', /not valid JSON/, undefined],
    ['a list that broke off', 200, '["10.1.0.1", "10.1', /not valid JSON/, undefined],
    ['an object', 200, '{"servers":[]}', /is an object, but should be an array/, undefined],
    ['no address', 200, '["web1"]', /dns\?rack=1\[0\] must be an IPv4/, 'ERR_IPVS_ARGUMENT'],
    ['one twice', 200, '["10.1.0.1","10.1.0.1"]', /not there twice/, 'ERR_IPVS_ARGUMENT'],
  ])('ends with an error: %s', async (_, status, text, message, code) => {
    const { now, url } = await list(text)
    now.status = status
    const error = await listsOf(httpServers(url, often)).error()
    expect(error.message).toMatch(message)
    expect(error.code).toBe(code)
  })

  it('does not follow where it is sent', async () => {
    const { now, url } = await list('')
    now.status = 302
    now.headers = { location: 'http://192.0.2.1/' }
    const { message } = await listsOf(httpServers(url)).error()
    expect(message).toMatch(
      /answered 302: ask at http:\/\/192.0.2.1\/; redirects are not followed$/,
    )
  })

  it('tells who is not there, is silent, hangs up or does not end', async () => {
    expect(await listsOf(httpServers(nobody)).error()).toMatchObject({
      code: 'ECONNREFUSED',
      message: `${nobody}: connection refused (ECONNREFUSED)`,
    })
    const silent = await webServer(() => {})
    const timeoutMs = 100
    expect(await listsOf(httpServers(silent.origin, { timeoutMs })).error()).toMatchObject({
      code: 'ETIMEDOUT',
      message: `${silent.origin}: no answer within 100 ms`,
    })
    await expect.poll(() => silent.open.size).toBe(0)
    const half = await webServer((_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('["10.1.0.1"]')
      setImmediate(() => response.destroy())
    })
    expect((await listsOf(httpServers(half.origin)).error()).code).toBe('ECONNRESET')
    const endless = await webServer((_, response) => {
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(2 ** 20, ' ')));
      }
      response.on('drain', write)
      write()
    })
    expect(await listsOf(httpServers(endless.origin)).error()).toMatchObject({ code: 'EMSGSIZE' })
    await expect.poll(() => endless.open.size).toBe(0)
  })

  it('ends at once when it is told to, and closes what it has opened', async () => {
    const waiting: ServerResponse[] = []
    const server = await webServer((_, response) => void waiting.push(response))
    const lists = listsOf(httpServers(server.origin))
    const first = lists.next().catch((error: Error) => error.message)
    await expect.poll(() => waiting.length).toBe(1)
    await lists.end()
    expect(await first).toBe('the iteration has ended')
    await expect.poll(() => server.open.size).toBe(0)
  })

  it.each<[unknown, unknown, RegExp]>([
    [1, {}, /^url must be an http: or https: address/],
    ['ftp://x/', {}, /^url must be an http: or https: address/],
    ['http://a:b@x/', {}, /without user and password/],
    [nobody, { intervalMs: 99 }, /^options.intervalMs must be an integer from 100/],
    [nobody, { timeoutMs: 60_001 }, /^options.timeoutMs/],
    [nobody, { token: '' }, /^options.token must be a token, or \{ file: PATH \}/],
    [nobody, { token: { file: 1 } }, /^options.token/],
    [nobody, { ca: 'x' }, /^options.ca must be certificates in PEM/],
    [nobody, { cert: { file: 'x' } }, /^options.cert must be given together with "key"/],
    [nobody, { serverName: '10.0.0.1' }, /^options.serverName must be a host name/],
    [nobody, { every: 1 }, /^options.every must be left out/],
  ])('refuses %j with %j', (url, options, message) => {
    expect(() => httpServers(url as string, options as object)).toThrow(message)
  })
})
