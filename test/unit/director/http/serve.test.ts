import { once } from 'node:events'
import { connect } from 'node:net'
import { Registry } from 'prom-client'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { serveHttp } from '../../../../src/director/index.js'
import { registerMetrics } from '../../../../src/metrics/index.js'
import { ask, dialled, directed, served } from './served.js'

const PATHS = ['/', '/events', '/healthz', '/metrics', '/readyz', '/state']

describe('what it answers', () => {
  it('is the state as JSON, with what the kernel holds of its pools', async () => {
    const { kernel, client, url, count } = await served()
    const service = { protocol: 'udp', address: '192.0.2.1', port: 53 } as const
    await client.addService({ fwmark: 7, scheduler: 'rr' })
    kernel.traffic(service, { address: '10.1.0.1', port: 53 }, { connections: 8, packets: 8 })
    count()
    const { status, headers, body } = await ask(`${url}state`)
    expect([status, headers['content-type']]).toEqual([200, 'application/json'])
    const state = JSON.parse(body)
    expect(state).toMatchObject({ version: 1, ready: true, healthy: true })
    expect(state.pools[0]).toMatchObject({ pool: 'dns', open: true })
    // What is not of its pools is none of its business.
    expect(Object.keys(state.table.services).sort()).toEqual([
      'tcp 192.0.2.1:53',
      'udp 192.0.2.1:53',
    ])
    const { destinations } = state.table.services['udp 192.0.2.1:53']
    expect(destinations['10.1.0.1:53']).toMatchObject({ connections: 8, active: 0 })
  })

  it('is the state without a table where that cannot be read', async () => {
    const { kernel, url } = await served()
    kernel.fail({ of: 'read', errno: 'EPERM' })
    const { status, body } = await ask(`${url}state`)
    expect(status).toBe(200)
    expect(JSON.parse(body).table).toBeUndefined()
  })

  it('reads the table once for many who ask at the same time, and never zeroes it', async () => {
    const { client, director, url } = await served()
    let reads = 0
    const snapshot = client.snapshot.bind(client)
    client.snapshot = (options) => {
      reads++
      return snapshot(options)
    }
    client.zero = () => Promise.reject(new Error('zeroed'))
    await Promise.all(Array.from({ length: 20 }, () => ask(`${url}state`)))
    director.emit('event', { sequence: 9, time: 0, event: 'reload', text: 'x' })
    await ask(`${url}state`)
    expect(reads).toBe(1)
  })

  it('is not ready until every server has had its verdict, and says who has not', async () => {
    const file = `
pools:
  web:
    fronts: ['tcp/192.0.2.1:80']
    scheduler: wrr
    forwarding: masquerade
    check: { tcp: { port: 1 }, interval: 1h, timeout: 1h, rise: 2, fall: 2 }
    servers: ['127.0.0.1', '127.0.0.2']
`
    const { url } = await served({}, { file })
    const { status, body } = await ask(`${url}readyz`)
    expect(status).toBe(503)
    expect(JSON.parse(body)).toEqual({
      ready: false,
      missing: [
        'web/127.0.0.1:80 has had no verdict yet',
        'web/127.0.0.2:80 has had no verdict yet',
      ],
    })
  })

  it('is ready and healthy otherwise', async () => {
    const { director, url } = await served()
    const ready = await ask(`${url}readyz`)
    expect([ready.status, JSON.parse(ready.body)]).toEqual([200, { ready: true, missing: [] }])
    const healthy = await ask(`${url}healthz`)
    expect([healthy.status, JSON.parse(healthy.body)]).toEqual([
      200,
      { healthy: true, name: expect.any(String), instance: expect.any(String) },
    ])
    director.isHealthy = () => false
    await expect.poll(async () => (await ask(`${url}healthz`)).status).toBe(503)
  })

  it('is the figures of the registry that it was given', async () => {
    const registry = new Registry()
    const { director, url } = await served({}, { registry })
    const undo = registerMetrics(registry, {
      ipvs: director.client,
      pools: () => director.pools(),
      checkers: () => director.checkers(),
    })
    onTestFinished(undo)
    const { status, headers, body } = await ask(`${url}metrics`)
    expect([status, headers['content-type']]).toEqual([200, registry.contentType])
    expect(body).toContain('ipvs_pool_servers_up{pool="dns"} 2\n')
  })

  it('is a sentence without one, and when a figure cannot be had', async () => {
    const { url } = await served()
    const none = await ask(`${url}metrics`)
    expect([none.status, none.body]).toEqual([
      404,
      'no metrics: whoever serves this has given no registry\n',
    ])
    const registry = {
      contentType: 'text/plain',
      metrics: () => Promise.reject(new Error('two pools are named "a"')),
    }
    const { url: other } = await served({}, { registry })
    const failed = await ask(`${other}metrics`)
    expect([failed.status, failed.body]).toEqual([500, 'two pools are named "a"\n'])
  })

  it('is the page, which may do nothing but what is in it', async () => {
    const { url } = await served()
    const { status, headers, body } = await ask(url)
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    const policy = String(headers['content-security-policy'])
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-/)
    expect(policy).not.toContain('unsafe')
    // Nothing of it comes from elsewhere, or is written into its elements.
    expect(body).not.toMatch(/https?:|\bon[a-z]+="|style="|innerHTML/)
  })

  it('is a head without a body where only that is asked for', async () => {
    const { url } = await served()
    const { status, headers, body } = await ask(`${url}state`, { method: 'HEAD' })
    expect([status, body]).toEqual([200, ''])
    expect(Number(headers['content-length'])).toBeGreaterThan(100)
  })

  it.each(PATHS)('at %s is for no other page, and kept by nobody', async (path) => {
    const { url } = await served()
    const { headers } = await ask(url + path.slice(1), { method: 'HEAD' })
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    })
    expect(headers['access-control-allow-origin']).toBeUndefined()
    expect(headers['content-security-policy']).toMatch(/frame-ancestors 'none'/)
  })
})

describe('what it refuses', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'])(
    '%s: it is for reading',
    async (method) => {
      const { url } = await served()
      for (const path of PATHS) {
        const { status, headers } = await ask(url + path.slice(1), { method })
        expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
      }
    },
  )

  it.each([
    '/nothing',
    '/state/',
    '//state',
    '/../etc/passwd',
    '/constructor',
    '/__proto__',
    '/%2e',
  ])('the path %s', async (path) => {
    const { port } = await served()
    const { socket, said } = await dialled(port)
    socket.end(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
    expect(await said).toMatch(/^HTTP\/1.1 404 /)
  })

  it.each(['CONNECT evil.example:443', 'GET http://evil.example/state', 'GET *'])(
    '%s: it is no proxy',
    async (line) => {
      const { port } = await served()
      const { socket, said } = await dialled(port)
      socket.end(`${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      expect(await said).toMatch(/^$|^HTTP\/1.1 4/)
    },
  )

  it.each([
    ['evil.example', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost.evil.example', 421],
    ['user@localhost', 421],
    ['[evil]', 421],
    ['127.0.0.1', 200],
    ['127.0.0.1:80', 200],
    ['192.0.2.7', 200],
    ['[2001:db8::1]:9480', 200],
    ['LOCALHOST:9480', 200],
    ['director.example.org', 200],
    ['Director.Example.Org.:9480', 200],
  ])('the host "%s" if it is not ours: %i', async (host, expected) => {
    const { url } = await served({ hosts: ['director.example.org'] })
    for (const path of PATHS.filter((one) => !['/events', '/metrics'].includes(one))) {
      const { status } = await ask(url + path.slice(1), { headers: { host } })
      expect([path, status]).toEqual([path, expected])
    }
  })

  it('who names no host', async () => {
    const { port } = await served()
    const { socket, said } = await dialled(port)
    socket.end('GET /state HTTP/1.0\r\n\r\n')
    expect(await said).toMatch(/^HTTP\/1.1 421 /)
  })

  it('who does not know the token, where there is one', async () => {
    const { url } = await served({ token: 'a secret' })
    const asked = async (path: string, authorization?: string) => {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
      return ask(url + path, { headers })
    }
    for (const path of ['state', 'metrics', 'events']) {
      for (const wrong of [undefined, 'Bearer a', 'Bearer', 'Basic a secret', 'a secret']) {
        const { status, headers } = await asked(path, wrong)
        expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer'])
      }
    }
    expect((await asked('state', 'Bearer a secret')).status).toBe(200)
    const { url: other } = await served({ token: 's3cret' })
    const right = { headers: { authorization: 'bearer s3cret' } }
    expect((await ask(`${other}state`, right)).status).toBe(200)
    // The page asks for it; whether it is healthy and ready is a word for whoever balances its load.
    expect((await ask(other)).status).toBe(200)
    expect(JSON.parse((await ask(`${other}readyz`)).body)).toEqual({ ready: true })
    expect(JSON.parse((await ask(`${other}healthz`)).body)).toEqual({
      healthy: true,
      name: expect.any(String),
      instance: expect.any(String),
    })
  })
})

describe('whom it does not wait for', () => {
  it('is who sends a long head', async () => {
    const { port } = await served()
    const { socket, said } = await dialled(port)
    socket.write(`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`)
    expect(await said).toMatch(/^HTTP\/1.1 431 /)
  })

  it('is who sends a body', async () => {
    const { port } = await served()
    const { socket, said } = await dialled(port)
    socket.write('POST /state HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\nx')
    expect(await said).toMatch(/^HTTP\/1.1 405 /)
  })

  it('is who asks whether to send one', async () => {
    const { port } = await served()
    const { socket, said } = await dialled(port)
    socket.write(
      'PUT /state HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n',
    )
    expect(await said).toMatch(/^HTTP\/1.1 405 /)
  })

  it('is who does not read the answer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const text = 'x'.repeat(64 * 1024 * 1024)
    const registry = { contentType: 'text/plain', metrics: async () => text }
    const { port } = await served({}, { registry })
    const { socket, said } = await dialled(port)
    socket.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await once(socket, 'data')
    socket.pause()
    vi.advanceTimersByTime(30_000)
    socket.resume()
    expect((await said).length).toBeLessThan(text.length)
  })

  it('is who comes when 64 are there already', async () => {
    const { port, url } = await served()
    const all = await Promise.all(Array.from({ length: 64 }, () => dialled(port)))
    const one = connect(port, '127.0.0.1')
    one.on('error', () => {})
    await once(one, 'close')
    all[0]!.socket.destroy()
    await expect
      .poll(() =>
        ask(`${url}healthz`).then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200)
  })
})

describe('where it listens', () => {
  it.each([
    [{ host: 'localhost' }, {}, 'config.host must be an IPv4 or IPv6 address'],
    [{ port: -1 }, {}, 'config.port must be an integer from 0 to 65535'],
    [{ token: '' }, {}, 'config.token must be a text that is not empty'],
    [{ hosts: 'a' }, {}, 'config.hosts must be a list of names'],
    [{}, { registry: {} }, 'options.registry must be a Registry of prom-client'],
    [{}, { registri: 1 }, 'did you mean "registry"?'],
  ])('has to be right: %o %o', async (config, options, message) => {
    const { director } = await directed()
    const where = { host: '127.0.0.1', port: 0, hosts: [], ...config }
    await expect(serveHttp(director, where as never, options as never)).rejects.toThrow(message)
  })

  it('is told; that others can reach it without a token is a warning', async () => {
    const { server } = await served()
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
    expect(server.warning).toBeUndefined()
    const open = await served({ host: '0.0.0.0' })
    expect(open.server.warning).toMatch(
      /^http 0\.0\.0\.0:0 is no loopback address and asks for no token/,
    )
    const closed = await served({ host: '0.0.0.0', token: 'x' })
    expect(closed.server.warning).toBeUndefined()
  })

  it('may be another one where somebody listens already', async () => {
    const { director, port } = await served()
    const events = director.listenerCount('event')
    await expect(serveHttp(director, { host: '127.0.0.1', port, hosts: [] })).rejects.toThrow(
      `http cannot listen on 127.0.0.1 port ${port}: another program listens there`,
    )
    expect(director.listenerCount('event')).toBe(events)
  })

  it('is nowhere after its end, and no connection is left', async () => {
    const { director } = await directed()
    const open = () => process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP'))
    const before = open()
    const listeners = director.listenerCount('event')
    const server = await serveHttp(director, { host: '127.0.0.1', port: 0, hosts: [] })
    const { port } = new URL(server.url)
    const idle = await dialled(Number(port))
    const follower = await dialled(Number(port))
    follower.socket.write('GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await once(follower.socket, 'data')
    await server.close()
    await Promise.all([idle.said, follower.said])
    await expect.poll(open).toEqual(before)
    expect(director.listenerCount('event')).toBe(listeners)
  })
})

describe('events', () => {
  async function following(port: number, more = '') {
    const { socket, said } = await dialled(port)
    let heard = ''
    socket.on('data', (text: string) => {
      heard += text
    })
    socket.write(`GET /events HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`)
    await expect.poll(() => heard).toContain('retry: 2000')
    return { socket, said, heard: () => heard }
  }

  it('come as they happen, by their sequence', async () => {
    const { director, port } = await served()
    const { heard } = await following(port)
    expect(heard()).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    expect(heard().toLowerCase()).toContain('content-type: text/event-stream')
    await director.set('dns/10.1.0.1', { admin: 'drain' })
    const { sequence } = director.changes.at(-1)!
    await expect.poll(heard).toContain(`id: ${sequence}\ndata: {"sequence":${sequence},`)
    expect(heard()).toContain('dns/10.1.0.1:53 by hand: drain')
  })

  it('that were missed come first, of another director all that are known', async () => {
    const { director, port } = await served()
    for (const weight of [2, 3, 4]) await director.set('dns/10.1.0.1', { weight })
    const sequences = director.changes.map(({ sequence }) => sequence)
    const [last] = sequences.slice(-2)
    const ids = async (lastId: number) => {
      const { heard } = await following(port, `last-event-id: ${lastId}\r\n`)
      const newest = `id: ${sequences.at(-1)}\n`
      await expect.poll(heard).toContain(newest)
      return [...heard().matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))
    }
    expect(await ids(last!)).toEqual(sequences.slice(-1))
    expect(await ids(10_000)).toEqual(sequences)
  })

  it('drop a reader who does not read, and nobody else', async () => {
    const { director, port } = await served()
    const deaf = await following(port)
    const other = await following(port)
    deaf.socket.pause()
    let last = 0
    let tail = ''
    other.socket.on('data', (text: string) => {
      tail = (tail + text).slice(-70_000)
      last = Number(/.*^id: (\d+)$/ms.exec(tail)?.[1] ?? last)
    })
    // More than the kernel keeps for a connection.
    const text = 'x'.repeat(64 * 1024)
    for (let sequence = 1; sequence <= 256; sequence++) {
      director.emit('event', { sequence, time: 0, event: 'reload', text })
      await expect.poll(() => last, { interval: 0 }).toBe(sequence)
    }
    deaf.socket.resume()
    expect(await deaf.said).not.toContain('id: 256\n')
    expect(other.socket.destroyed).toBe(false)
  })

  it('are followed by 32 at most', async () => {
    const { url, port } = await served()
    const all = await Promise.all(Array.from({ length: 32 }, () => following(port)))
    const { status, headers } = await ask(`${url}events`)
    expect([status, headers['retry-after']]).toEqual([503, '5'])
    all[0]!.socket.destroy()
    await expect.poll(async () => (await ask(`${url}events`, { method: 'HEAD' })).status).toBe(200)
  })
})

it('ends with its connections when the process does: nothing of it keeps that alive', async () => {
  const { director } = await directed()
  const server = await serveHttp(director, { host: '127.0.0.1', port: 0, hosts: [] })
  onTestFinished(() => server.close())
  expect(process.getActiveResourcesInfo()).not.toContain('TCPServerWrap')
})
