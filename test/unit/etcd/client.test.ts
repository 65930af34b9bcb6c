import { describe, expect, it, vi } from 'vitest'
import { EtcdClient, type EtcdOptions } from '../../../src/etcd/index.js'
import { nobody } from '../sources/web-server.js'
import { base64, client, gateway, header, type Said, stream } from './gateway.js'

const nothing = { header: header(7) }
const created = { result: { header: header(7), created: true } }

describe('a call', () => {
  it('reads what etcd says, and leaves out what is 0', async () => {
    const kvs = [
      { key: base64('p/ä'), mod_revision: '6', value: base64('ö') },
      { key: base64('p/empty'), mod_revision: '7' },
    ]
    const etcd = await gateway(() => ({ ...nothing, kvs, count: '2' }))
    expect(await client({ endpoints: [etcd.origin] }).range('p/')).toEqual({
      revision: 7,
      clusterId: '14841639068965178418',
      entries: [
        { key: 'p/ä', value: 'ö', modRevision: 6 },
        { key: 'p/empty', value: '', modRevision: 7 },
      ],
    })
    expect(etcd.asked[0]).toMatchObject({
      path: '/v3/kv/range',
      body: { key: base64('p/'), range_end: base64('p0') },
    })
  })

  it('reads many keys part by part, all as of one moment', async () => {
    const part = (...keys: readonly string[]) =>
      keys.map((key) => ({ key: base64(key), mod_revision: '5' }))
    const other = { header: { ...header(9), cluster_id: '1' } }
    const parts: Said[] = [
      { ...nothing, kvs: part('p/1', 'p/2'), more: true, count: '3' },
      { header: header(9), kvs: part('p/3'), count: '3' },
      { ...nothing, kvs: part('p/1'), more: true, count: '2' },
      { ...other, kvs: part('p/2'), count: '2' },
      { ...nothing, more: true },
    ]
    const etcd = await gateway(() => parts.shift()!)
    const one = client({ endpoints: [etcd.origin] })
    const { revision, entries } = await one.range('p/')
    expect([revision, entries.map(({ key }) => key)]).toEqual([7, ['p/1', 'p/2', 'p/3']])
    expect(etcd.asked.map(({ body }) => body)).toEqual([
      { key: base64('p/'), range_end: base64('p0'), limit: '5000' },
      { key: base64('p/2\0'), range_end: base64('p0'), limit: '5000', revision: '7' },
    ])
    await expect(one.range('p/')).rejects.toMatchObject({ code: 'ERR_ETCD_RESTORED' })
    await expect(one.range('p/')).rejects.toMatchObject({ code: 'ERR_ETCD_UNAVAILABLE' })
  })

  it('keeps numbers of 64 bits as they are', async () => {
    const etcd = await gateway(() => ({ ...nothing, ID: '7587862094812345678', TTL: '10' }))
    expect(await client({ endpoints: [etcd.origin] }).grant(10)).toBe('7587862094812345678')
    expect(etcd.asked[0]!.body).toEqual({ TTL: '10' })
  })

  it.each<[what: string, said: Said, message: RegExp]>([
    ['no header', {}, /no answer of etcd's: undefined/],
    ['no list', { ...nothing, kvs: {} }, /no answer of etcd's: \{\}/],
    ['no key', { ...nothing, kvs: [1] }, /no answer of etcd's: 1/],
    ['no text', { ...nothing, kvs: [{ key: '/w==' }] }, /no answer of etcd's: '\/w=='/],
    ['a number that is none', { header: { ...header(7), revision: '7x' } }, /etcd's: '7x'/],
    ['one too large', { header: { ...header(7), revision: '9'.repeat(18) } }, /etcd's: '999/],
    ['no JSON', (response) => response.end('hello'), /no answer of etcd's: 'hello'/],
    [
      'a page',
      (response) => response.writeHead(502).end('<h1>Bad gateway'),
      /as no etcd does: 502 "<h1>Bad gateway"/,
    ],
    [
      'that it has no gateway',
      (response) => response.writeHead(404).end('404 page not found\n'),
      /it has no JSON gateway \(404\): let it be 3.4 or newer, with "enable-grpc-gateway: true"/,
    ],
    ['no leader', { code: 14, message: 'etcdserver: no leader' }, /: etcdserver: no leader/],
    ['that it hangs up', (response) => response.destroy(), /hang up|reset/],
  ])('goes to the next endpoint when one says %s', async (_, said, message) => {
    const ill = await gateway(() => said)
    const well = await gateway(() => nothing)
    const etcd = client({ endpoints: [ill.origin, well.origin] })
    expect((await etcd.range('p/')).revision).toBe(7)
    // And stays there.
    await etcd.range('p/')
    expect([ill.asked.length, well.asked.length]).toEqual([1, 2])
    const alone = client({ endpoints: [ill.origin] })
    await expect(alone.range('p/')).rejects.toMatchObject({
      code: 'ERR_ETCD_UNAVAILABLE',
      message: expect.stringMatching(message),
    })
  })

  it('waits for a silent endpoint no longer than it is told to', async () => {
    const silent = await gateway(() => () => {})
    const well = await gateway(() => nothing)
    const etcd = client({ endpoints: [silent.origin, well.origin], timeoutMs: 100 })
    expect((await etcd.range('p/')).revision).toBe(7)
    await expect.poll(() => silent.server.open.size).toBe(0)
  })

  it('tells of every endpoint when all are away', async () => {
    const ill = await gateway(() => ({ code: 14, message: 'etcdserver: request timed out' }))
    const etcd = client({ endpoints: [nobody, ill.origin] })
    await expect(etcd.put('a', 'b')).rejects.toMatchObject({
      code: 'ERR_ETCD_UNAVAILABLE',
      message: `etcd is away: ${nobody}: connection refused (ECONNREFUSED); ${ill.origin}: etcdserver: request timed out`,
    })
  })

  it('asks nobody else for what one refuses', async () => {
    const one = await gateway(() => ({ code: 3, message: 'etcdserver: key is not provided' }))
    const etcd = client({ endpoints: [one.origin, nobody] })
    await expect(etcd.put('a', 'b')).rejects.toMatchObject({
      code: 'ERR_ETCD_REFUSED',
      message: `${one.origin}: etcdserver: key is not provided`,
    })
  })

  it('ends when it is told to, and with the client', async () => {
    const silent = await gateway(() => () => {})
    const etcd = client({ endpoints: [silent.origin] })
    const end = new AbortController()
    const calls = [etcd.range('p/', { signal: end.signal }), etcd.range('p/')]
    const outcomes = calls.map((call) => call.catch((error: Error) => error.message))
    await expect.poll(() => silent.asked.length).toBe(2)
    end.abort()
    expect(await outcomes[0]).toMatch(/ended by us/)
    etcd.close()
    expect(await outcomes[1]).toMatch(/ended by us/)
    await expect.poll(() => silent.server.open.size).toBe(0)
    await expect(etcd.range('p/')).rejects.toThrow(/ended by us/)
  })

  it('asks again over another connection when the one that was kept is over', async () => {
    const etcd = await gateway(() => nothing)
    const one = client({ endpoints: [etcd.origin] })
    await one.range('p/')
    etcd.server.cut()
    expect((await one.range('p/')).revision).toBe(7)
  })
})

describe('who we are', () => {
  const login = { user: 'ipvs', password: 'secret' }
  const invalid = { code: 16, message: 'etcdserver: invalid auth token' }

  /** Tokens `1`, `2` and so on, of which the last counts. */
  async function guarded() {
    let token = 0
    const etcd = await gateway(({ path, headers, body }) => {
      if (path !== '/v3/auth/authenticate')
        return headers.authorization === String(token) ? nothing : invalid
      if (body.password !== 'secret')
        return {
          code: 3,
          message: 'etcdserver: authentication failed, invalid user ID or password',
        }
      return { header: header(7), token: String(++token) }
    })
    const logins = () => etcd.asked.filter(({ path }) => path.includes('auth')).length
    return { etcd, logins, forget: () => void token++ }
  }

  it('is shown by one token for all calls, until etcd wants another', async () => {
    const { etcd, logins, forget } = await guarded()
    const one = client({ endpoints: [etcd.origin], ...login })
    await Promise.all([one.put('a', 'b'), one.put('c', 'd'), one.range('e')])
    expect(logins()).toBe(1)
    forget()
    await Promise.all([one.put('a', 'b'), one.put('c', 'd'), one.range('e')])
    expect(logins()).toBe(2)
  })

  it('is not believed with a wrong password, which nobody gets to see', async () => {
    const { etcd, logins } = await guarded()
    const one = client({ endpoints: [etcd.origin, nobody], user: 'ipvs', password: 'hunter2' })
    const error = await one.put('a', 'b').catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'ERR_ETCD_PERMISSION' })
    expect((error as Error).message).toMatch(/authentication failed/)
    expect(JSON.stringify(error) + (error as Error).message).not.toContain('hunter2')
    expect(logins()).toBe(1)
  })

  it('is not asked where authentication is off', async () => {
    const off = { code: 9, message: 'etcdserver: authentication is not enabled' }
    const etcd = await gateway(({ path }) => (path.includes('auth') ? off : nothing))
    const one = client({ endpoints: [etcd.origin], ...login })
    expect((await one.range('p/')).revision).toBe(7)
    expect(etcd.asked.at(-1)!.headers.authorization).toBe(undefined)
  })

  it('is tried once more for a watch, which says only that it may not', async () => {
    let token = 0
    const denied = {
      result: {
        header: { ...header(0), revision: undefined },
        created: true,
        canceled: true,
        cancel_reason: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
      },
    }
    const event = { kv: { key: base64('p/a'), mod_revision: '8' } }
    const etcd = await gateway(({ path, headers }) => {
      if (path !== '/v3/watch') return { header: header(7), token: String(++token) }
      const fits = headers.authorization === '2'
      return stream(
        ...(fits ? [created, { result: { header: header(8), events: [event] } }] : [denied]),
      ).said
    })
    const one = client({ endpoints: [etcd.origin], ...login })
    const changes = one.watch('p/', { fromRevision: 8 })
    expect((await changes.next()).value).toEqual({
      revision: 8,
      events: [{ type: 'put', key: 'p/a', value: '' }],
    })
    await changes.return()
    // With the next token it may not either.
    await expect(one.watch('p/', { fromRevision: 8 }).next()).resolves.toMatchObject({
      done: false,
    })
    const never = client({ endpoints: [etcd.origin], ...login })
    await expect(never.watch('p/', { fromRevision: 8 }).next()).rejects.toMatchObject({
      code: 'ERR_ETCD_PERMISSION',
    })
  })
})

describe('a watch', () => {
  const broken = { code: 'ERR_ETCD_BROKEN' }

  it('tells of changes, message by message', async () => {
    const line = stream(created)
    const etcd = await gateway(() => line.said)
    const changes = client({ endpoints: [etcd.origin] }).watch('p/', { fromRevision: 8 })
    const next = changes.next()
    await expect.poll(() => line.streams.length).toBe(1)
    expect(etcd.asked[0]).toMatchObject({
      body: { create_request: { key: base64('p/'), range_end: base64('p0'), start_revision: '8' } },
      headers: { 'grpc-metadata-hasleader': 'true' },
    })
    // Nothing has happened.
    line.write({ result: { header: header(20) } })
    const events = [
      { kv: { key: base64('p/a'), mod_revision: '21', value: base64('1') } },
      { type: 'DELETE', kv: { key: base64('p/b'), mod_revision: '22' } },
    ]
    // The store may have gone on since.
    line.write({ result: { header: header(30), events } })
    expect((await next).value).toEqual({
      revision: 22,
      events: [
        { type: 'put', key: 'p/a', value: '1' },
        { type: 'delete', key: 'p/b' },
      ],
    })
    await changes.return()
    await expect.poll(() => etcd.server.open.size).toBe(0)
  })

  it.each<[what: string, line: object]>([
    ['an error', { error: { grpc_code: 14, http_code: 503, message: 'etcdserver: no leader' } }],
    ['an error of newer ones', { error: { code: 14, message: 'etcdserver: no leader' } }],
    ['no message', { hello: 1 }],
    ['a kind that is none', { result: { header: header(8), events: [{ type: 'MOVE', kv: {} }] } }],
    ['that it is over', { result: { header: header(8), canceled: true, cancel_reason: 'bye' } }],
  ])('breaks with %s', async (_, message) => {
    const line = stream(created)
    const etcd = await gateway(() => line.said)
    const changes = client({ endpoints: [etcd.origin] }).watch('p/', { fromRevision: 8 })
    const next = changes.next()
    next.catch(() => {})
    await expect.poll(() => line.streams.length).toBe(1)
    line.write(message)
    await expect(next).rejects.toMatchObject(broken)
    await expect.poll(() => etcd.server.open.size).toBe(0)
  })

  it('goes to an endpoint that begins it', async () => {
    const well = stream(created)
    const first = await gateway(() => stream({ result: { header: header(7) } }).said)
    const second = await gateway(() => (response) => response.writeHead(200).flushHeaders())
    const third = await gateway(() => ({ code: 14, message: 'etcdserver: no leader' }))
    const last = await gateway(() => well.said)
    const endpoints = [first, second, third, last].map(({ origin }) => origin)
    const etcd = client({ endpoints, timeoutMs: 200 })
    const changes = etcd.watch('p/', { fromRevision: 8 })
    const next = changes.next()
    await expect.poll(() => well.streams.length).toBe(1)
    for (const { server } of [first, second, third]) {
      await expect.poll(() => server.open.size).toBe(0)
    }
    well.streams[0]!.end()
    await expect(next).rejects.toMatchObject(broken)
  })

  it('ends at once when it is told to', async () => {
    const line = stream(created)
    const etcd = await gateway(() => line.said)
    const end = new AbortController()
    const changes = client({ endpoints: [etcd.origin] }).watch('p/', {
      fromRevision: 8,
      signal: end.signal,
    })
    const next = changes.next()
    await expect.poll(() => line.streams.length).toBe(1)
    end.abort()
    expect(await next).toEqual({ done: true, value: undefined })
    await expect.poll(() => etcd.server.open.size).toBe(0)
  })

  it('breaks when etcd hangs, though its connection is there', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const line = stream(created)
      let hangs = false
      const etcd = await gateway(({ path }) => {
        if (path === '/v3/watch') return line.said
        return hangs ? () => {} : { code: 7, message: 'etcdserver: permission denied' }
      })
      const other = await gateway(() => nothing)
      const endpoints = [etcd.origin, other.origin]
      const one = client({ endpoints, timeoutMs: 100 })
      const changes = [1, 2].map((fromRevision) => one.watch('p/', { fromRevision }).next())
      for (const change of changes) change.catch(() => {})
      await expect.poll(() => line.streams.length).toBe(2)
      // It is asked every two times as long as an answer may take. All that happens before is told before.
      await expect.poll(() => vi.getTimerCount()).toBe(1)
      vi.advanceTimersByTime(200)
      await expect.poll(() => etcd.asked.length).toBe(3)
      expect(etcd.asked[2]!.path).toBe('/v3/maintenance/status')
      hangs = true
      vi.advanceTimersByTime(200)
      for (const change of changes) {
        await expect(change).rejects.toMatchObject({
          ...broken,
          message: `${etcd.origin}: no answer within 100 ms`,
        })
      }
      expect(vi.getTimerCount()).toBe(0)
      // The other one is asked first now.
      await one.range('p/')
      expect(other.asked.length).toBe(1)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('bad input', () => {
  it.each<[unknown, RegExp]>([
    [undefined, /^options must be an object with any of "endpoints"/],
    [{}, /^options.endpoints must be a list/],
    [{ endpoints: [] }, /^options.endpoints must be .*not empty/],
    [{ endpoints: ['10.0.0.5:2379'] }, /^options.endpoints\[0\] must be an address without a path/],
    [{ endpoints: ['http://x', 'http://x/v3'] }, /^options.endpoints\[1\]/],
    [{ endpoints: ['http://a:b@x'] }, /^options.endpoints\[0\]/],
    [
      { endpoints: ['http://x'], user: 'a' },
      /^options.password must be given together with "user"/,
    ],
    [{ endpoints: ['http://x'], password: 'a' }, /^options.user must be the name of a user/],
    [{ endpoints: ['http://x'], user: 'a', password: { path: 'x' } }, /^options.password/],
    [{ endpoints: ['http://x'], timeoutMs: 1 }, /^options.timeoutMs must be an integer from 100/],
    [{ endpoints: ['http://x'], key: 'secret' }, /^options.key must be given together/],
    [{ endpoints: ['http://x'], cert: 'a', key: 'secret' }, /^options.cert must be a certificate/],
    [{ endpoints: ['http://x'], hosts: 1 }, /^options.hosts must be left out/],
  ])('refuses %j', (options, message) => {
    let thrown: Error | undefined
    try {
      new EtcdClient(options as EtcdOptions)
    } catch (error) {
      thrown = error as Error
    }
    expect(thrown?.message).toMatch(message)
    expect(thrown?.message).not.toContain('secret')
  })

  it('refuses it in calls', async () => {
    const etcd = client({ endpoints: [nobody] })
    const calls: readonly (readonly [Promise<unknown>, RegExp])[] = [
      [etcd.range(''), /^prefix must be not empty/],
      [etcd.range(1 as unknown as string), /^prefix must be a text/],
      [etcd.put('', ''), /^key must be not empty/],
      [etcd.put('a', 1 as unknown as string), /^value must be a text/],
      [etcd.put('a', '', { lease: 'x' }), /^options.lease must be a lease/],
      [etcd.keepAlive(''), /^lease must be a lease/],
      [etcd.grant(0), /^ttlSeconds must be an integer from 1/],
      [etcd.range('a', { ttl: 1 } as object), /^options.ttl must be left out/],
      [etcd.watch('a', { fromRevision: 0 }).next(), /^options.fromRevision/],
    ]
    for (const [call, message] of calls) await expect(call).rejects.toThrow(message)
  })
})
