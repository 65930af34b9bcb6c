// Servers from a real etcd: away, back, compacted, restored, with TLS, with users.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { inTime } from '../../src/director/config/etcd.js'
import { SharedVerdicts } from '../../src/director/verdicts/shared.js'
import { EtcdClient, type EtcdOptions, followPrefix } from '../../src/etcd/index.js'
import { etcdServers } from '../../src/index.js'
import { follow } from '../../src/pool/follow.js'
import type { ServerList } from '../../src/pool/held-servers.js'
import { direct, twoPools } from '../unit/director/directed.js'
import { makeCertificate } from '../unit/health/certificate.js'
import { authority, good } from './certificates.js'
import { etcdPlan } from './plans.js'
import { Server } from './server.js'

const url = (port: number) => `http://127.0.0.1:${port}`

function client(options: EtcdOptions): EtcdClient {
  const made = new EtcdClient(options)
  onTestFinished(() => made.close())
  return made
}

/** What becomes of a pool that follows etcd. */
function followed(etcd: EtcdClient, prefix: string, together?: string) {
  const lists: ServerList[] = []
  const reports: string[] = []
  const target = {
    setServers: async (list: ServerList) => void lists.push(list),
    report: (_: string, error: Error & { code?: string }) =>
      void reports.push(`${error.code} ${error.message}`),
  }
  const end = new AbortController()
  onTestFinished(() => end.abort())
  void follow(target, etcdServers(etcd, prefix, { together }), { retryMs: 20, signal: end.signal })
  return { lists, reports, last: () => lists.at(-1)?.map(textOf) }
}

function textOf(server: ServerList[number]): string {
  if (typeof server === 'string') return server
  const { address, port, ...more } = server
  const at = port === undefined ? address : `${address}:${port}`
  return [at, ...Object.entries(more).map(([name, value]) => `${name}=${value}`)].join(' ')
}

/** What the client has no method for. */
async function ask(origin: string, path: string, body: object, token?: string): Promise<unknown> {
  const headers = token === undefined ? {} : { authorization: token }
  const answer = await fetch(`${origin}${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  const json = (await answer.json()) as { error?: string }
  expect(json.error).toBe(undefined)
  return json
}

/** What has begun by now has lived for longer than a second: it is taken up again. */
function later(): void {
  const now = performance.now.bind(performance)
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 2000)
  onTestFinished(() => clock.mockRestore())
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A way to etcd that can be held up, and cut. */
async function line(port: number) {
  const sockets = new Set<Socket>()
  let isHeld = false
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('data', (data) => {
        if (!isHeld) to.write(data)
      })
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    server.close()
    cut()
  })
  return {
    origin: url((server.address() as AddressInfo).port),
    cut,
    hold: () => {
      isHeld = true
    },
  }
}

describe('etcd', () => {
  const port = 2479
  const origin = url(port)
  let server: Server
  beforeAll(async () => {
    server = await Server.start(etcdPlan({ port, peerPort: port + 1 }))
  })
  afterAll(() => server?.remove())

  it('has a key for each server', async () => {
    const etcd = client({ endpoints: [origin] })
    await etcd.put('one/10.1.0.1', '')
    await etcd.put('one/10.1.0.2:5353', '10')
    await etcd.put('one/[2001:db8::1]:53', '{ "weight": 3, "admin": "drain" }')
    await etcd.put('one0', 'of another')
    const pool = followed(etcd, 'one/')
    const six = '2001:db8::1:53 weight=3 admin=drain'
    await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2:5353 weight=10', six])
    await etcd.put('one/10.1.0.1', '7')
    await expect.poll(pool.last).toContain('10.1.0.1 weight=7')
    await etcd.delete('one/10.1.0.2:5353')
    await expect.poll(pool.last).toEqual(['10.1.0.1 weight=7', six])
    // The last one goes: an empty list is not believed.
    await etcd.delete('one/10.1.0.1')
    await etcd.delete('one/[2001:db8::1]:53')
    await expect.poll(() => pool.reports.at(-1)).toMatch(/the source gave 0 servers/)
    expect(pool.last()).toEqual([six])
  })

  it('has a value that is none: the pool keeps its servers, and hears of the key', async () => {
    const etcd = client({ endpoints: [origin] })
    await etcd.put('bad/10.1.0.1', '1')
    const pool = followed(etcd, 'bad/')
    await expect.poll(pool.last).toEqual(['10.1.0.1 weight=1'])
    await etcd.put('bad/10.1.0.2', 'heavy')
    await expect
      .poll(() => pool.reports[0])
      .toBe(
        'ERR_IPVS_ARGUMENT bad/10.1.0.2 must be empty, a weight, or JSON such as { "weight": 3, "admin": "drain" }; received "heavy"',
      )
    expect(pool.last()).toEqual(['10.1.0.1 weight=1'])
    await etcd.put('bad/10.1.0.2', '2')
    await expect.poll(pool.last).toEqual(['10.1.0.1 weight=1', '10.1.0.2 weight=2'])
  })

  it('has more keys than are read at once', async () => {
    const etcd = client({ endpoints: [origin] })
    for (let from = 0; from < 5120; from += 128) {
      const success = Array.from({ length: 128 }, (_, i) => ({
        request_put: { key: base64(`many/${from + i}`), value: base64(String(from + i)) },
      }))
      await ask(origin, '/v3/kv/txn', { success })
    }
    const { entries } = await etcd.range('many/')
    expect(new Set(entries.map(({ key }) => key)).size).toBe(5120)
    expect(entries.every(({ key, value }) => key === `many/${value}`)).toBe(true)
  })

  it('takes a server away when its lease is over', async () => {
    const etcd = client({ endpoints: [origin] })
    const lease = await etcd.grant(1)
    await etcd.put('lease/10.1.0.1', '')
    await etcd.put('lease/10.1.0.2', '', { lease })
    const pool = followed(etcd, 'lease/')
    await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2'])
    expect(await etcd.keepAlive(lease)).toBeGreaterThan(0)
    await expect.poll(pool.last).toEqual(['10.1.0.1'])
    expect(await etcd.keepAlive(lease)).toBe(0)
    await etcd.revoke(lease)
    await expect(etcd.put('lease/10.1.0.2', '', { lease })).rejects.toMatchObject({
      code: 'ERR_ETCD_NO_LEASE',
    })
  })

  it('takes many changes in one moment, or none of them', async () => {
    const etcd = client({ endpoints: [origin] })
    await etcd.put('commit/old', 'x')
    const lease = await etcd.grant(60)
    const fresh = Array.from({ length: 100 }, (_, at) => ({ key: `commit/${at}`, value: `${at}` }))
    await etcd.commit([...fresh, { key: 'commit/old' }], { lease })
    const { entries } = await etcd.range('commit/')
    expect(entries).toHaveLength(100)
    expect(new Set(entries.map(({ modRevision }) => modRevision)).size).toBe(1)
    await etcd.revoke(lease)
    expect((await etcd.range('commit/')).entries).toEqual([])
    await expect(etcd.commit(fresh, { lease })).rejects.toMatchObject({ code: 'ERR_ETCD_NO_LEASE' })
    expect((await etcd.range('commit/')).entries).toEqual([])
  })

  it('has the verdicts of three directors, which believe themselves while it is away', async () => {
    const counts = new Map<string, boolean>()
    const troubles: (string | undefined)[] = []
    const own = new Map<string, boolean>()
    const verdict = (healthy: boolean) => ({ healthy, initial: false, reason: 'said', at: 0 })
    const all = ['a', 'b', 'c'].map((name) => {
      const hear = (pool: string, where: string) => {
        const said = verdict(own.get(`${name} ${where}`)!)
        counts.set(`${name} ${where}`, shared.hear(pool, where, said).healthy)
      }
      const shared: SharedVerdicts = new SharedVerdicts({
        client: client({ endpoints: [origin], timeoutMs: 1000 }),
        config: { prefix: 'verdicts/', down: 2, ttlMs: 2000 },
        name,
        again: hear,
        trouble: (text) => troubles.push(text),
        warn: () => {},
      })
      onTestFinished(() => shared.close())
      return (where: string, healthy: boolean) => {
        own.set(`${name} ${where}`, healthy)
        hear('dns', where)
      }
    })
    const of = (where: string) => ['a', 'b', 'c'].map((name) => counts.get(`${name} ${where}`))
    for (const say of all) for (const where of ['s1', 's2']) say(where, true)
    const etcd = client({ endpoints: [origin] })
    await expect
      .poll(async () => (await etcd.range('verdicts/')).entries.length, { timeout: 10_000 })
      .toBe(6)
    all[0]!('s1', false)
    // What etcd has comes to them a moment later.
    await expect.poll(() => of('s1')).toEqual([true, true, true])
    all[1]!('s1', false)
    await expect.poll(() => of('s1')).toEqual([false, false, false])
    await server.stop()
    await expect.poll(() => of('s1'), { timeout: 10_000 }).toEqual([false, false, true])
    expect(troubles[0]).toMatch(/this one believes its own checks: etcd is away/)
    await server.start()
    await expect.poll(() => of('s1'), { timeout: 20_000 }).toEqual([false, false, false])
    await expect.poll(() => troubles.filter((text) => text === undefined)).toHaveLength(3)
  })

  it('hangs at one endpoint: verdicts go by way of the other one before the lease is over', async () => {
    const near = await line(Number(new URL(origin).port))
    const counts = new Map<string, boolean>()
    const troubles: (string | undefined)[] = []
    const said = { healthy: true, initial: false, reason: 'said', at: 0 }
    const hear = (pool: string, where: string) =>
      void counts.set(where, shared.hear(pool, where, said).healthy)
    const shared: SharedVerdicts = new SharedVerdicts({
      client: client(inTime({ endpoints: [near.origin, origin] }, 1000)),
      config: { prefix: 'hanging/', down: 1, ttlMs: 2000 },
      name: 'a',
      again: hear,
      trouble: (text) => troubles.push(text),
      warn: () => {},
    })
    onTestFinished(() => shared.close())
    hear('dns', 's1')
    const etcd = client({ endpoints: [origin] })
    const key = 'hanging/dns/s1/a'
    const written = async () =>
      (await etcd.range('hanging/')).entries.find((one) => one.key === key)
    await expect.poll(written, { timeout: 10_000 }).toBeDefined()
    const { modRevision } = (await written())!
    near.hold()
    await etcd.commit([
      { key: 'hanging/dns/s1/b', value: 'down' },
      { key: 'hanging/dns/s2/b', value: 'up' },
    ])
    await expect.poll(() => counts.get('s1'), { timeout: 10_000 }).toBe(false)
    // It is still the one that was written at first: its lease was kept alive.
    expect((await written())!.modRevision).toBe(modRevision)
    expect(troubles).toEqual([])
  })

  it.each([
    ['alone', undefined],
    ['together', 'together/'],
  ])(
    'is stopped, and comes back: the pool keeps its servers, and hears of what was missed (%s)',
    async (name, together) => {
      const prefix = `${together ?? ''}${name}/`
      const etcd = client({ endpoints: [origin] })
      await etcd.put(`${prefix}10.1.0.1`, '')
      await etcd.put(`${prefix}10.1.0.2`, '')
      const pool = followed(etcd, prefix, together)
      await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2'])
      await server.stop()
      await expect.poll(() => pool.reports.length).toBeGreaterThan(2)
      for (const report of pool.reports.slice(1)) {
        expect(report).toBe(
          `ERR_ETCD_UNAVAILABLE etcd is away: ${origin}: connection refused (ECONNREFUSED)`,
        )
      }
      expect(pool.lists.length).toBe(1)
      await server.start()
      await etcd.put(`${prefix}10.1.0.3`, '')
      await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2', '10.1.0.3'])
      // It may have come back before the third was put.
      expect(pool.lists.map(({ length }) => length).filter((length) => length !== 2)).toEqual([3])
    },
  )

  it('breaks a watch that is taken up at another endpoint, where it was', async () => {
    const [first, second] = [await line(port), await line(port)]
    const direct = client({ endpoints: [origin] })
    await direct.put('other/10.1.0.1', '')
    const lists = followPrefix(
      client({ endpoints: [first.origin, second.origin] }),
      'other/',
      new AbortController().signal,
    )
    await lists.next()
    await direct.put('other/10.1.0.2', '')
    expect([...(await lists.next()).value!.keys()]).toEqual(['other/10.1.0.1', 'other/10.1.0.2'])
    const next = lists.next()
    first.hold()
    later()
    await direct.put('other/10.1.0.3', '')
    first.cut()
    expect((await next).value!.size).toBe(3)
    await lists.return()
  })

  it('has compacted what was missed: it is read anew, and nobody seems to go', async () => {
    const [first, second] = [await line(port), await line(port)]
    const direct = client({ endpoints: [origin] })
    await direct.put('old/10.1.0.1', '')
    const pool = followed(client({ endpoints: [first.origin, second.origin] }), 'old/')
    await expect.poll(pool.last).toEqual(['10.1.0.1'])
    await direct.put('old/10.1.0.2', '')
    await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2'])
    first.hold()
    later()
    await direct.delete('old/10.1.0.1')
    await direct.put('old/10.1.0.3', '')
    const { revision } = await direct.range('old/')
    await ask(origin, '/v3/kv/compaction', { revision: String(revision) })
    await expect(direct.watch('old/', { fromRevision: revision - 1 }).next()).rejects.toMatchObject(
      {
        code: 'ERR_ETCD_COMPACTED',
        compactRevision: revision,
      },
    )
    first.cut()
    await expect.poll(pool.last).toEqual(['10.1.0.2', '10.1.0.3'])
    expect(pool.lists.length).toBe(3)
    expect(pool.reports).toEqual([])
  })

  it('is where a director has its servers from, and what it forwards to while etcd is away', async () => {
    const etcd = client({ endpoints: [origin] })
    await etcd.put('pools/dns/10.1.0.1', '')
    await etcd.put('pools/dns/10.1.0.2', '{ "weight": 3 }')
    const { director, kernel, reload, events } = await direct(`
etcd: { endpoints: ['${origin}'] }
${twoPools.replace(/servers: \['10.1.0.1.*/, 'servers: { etcd: pools/dns/, retry: 50ms }')}`)
    const weights = () =>
      [...kernel.rules().matchAll(/-a -u .* -r (\S+):53 -g -w (\d+)/g)]
        .map(([, server, weight]) => `${server} ${weight}`)
        .toSorted()
    await expect.poll(weights).toEqual(['10.1.0.1 1', '10.1.0.2 3'])
    const trouble = () => director.state().pools[0]!.trouble
    // In etcd the administrator's word counts whenever it is said.
    await etcd.put('pools/dns/10.1.0.2', '{ "weight": 3, "admin": "drain" }')
    await expect.poll(weights).toEqual(['10.1.0.1 1', '10.1.0.2 0'])
    await etcd.put('pools/dns/10.1.0.2', '3')
    await expect.poll(weights).toEqual(['10.1.0.1 1', '10.1.0.2 3'])
    await server.stop()
    await expect.poll(trouble).toMatch(/^etcd pools\/dns\/: etcd is away: .*ECONNREFUSED/)
    expect(weights()).toEqual(['10.1.0.1 1', '10.1.0.2 3'])
    await server.start()
    await expect.poll(trouble).toBe(undefined)
    await etcd.put('pools/dns/10.1.0.3', '')
    await expect.poll(weights).toContain('10.1.0.3 1')
    // From another prefix, while it runs.
    await etcd.put('pools/other/10.1.0.4', '')
    await reload(`
etcd: { endpoints: ['${origin}'], timeout: 2s }
${twoPools.replace(/servers: \['10.1.0.1.*/, 'servers: { etcd: pools/other/ }')}`)
    await expect.poll(weights).toEqual(['10.1.0.4 1'])
    expect(events.filter(({ event }) => event === 'error')).toEqual([])
  })

  it('keeps no process alive that only waits for a change', async () => {
    const etcd = client({ endpoints: [origin] })
    await etcd.put('waits/10.1.0.1', '')
    const program = `
      import { EtcdClient, etcdServers } from 'ipvs'
      const client = new EtcdClient({ endpoints: ['${origin}'] })
      const lists = etcdServers(client, 'waits/')[Symbol.asyncIterator]()
      await lists.next()
      const stays = setInterval(() => {}, 1000)
      setTimeout(() => clearInterval(stays), 500)
      await lists.next()`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    // Node.js: nothing is left to do, and the program still awaits something.
    expect(await once(child, 'exit')).toEqual([13, null])
  })

  it('is another store after a restore: a watch from a later revision says so', async () => {
    const etcd = client({ endpoints: [origin] })
    await etcd.put('new/10.1.0.1', '')
    const { revision, clusterId } = await etcd.range('new/')
    const restored = { code: 'ERR_ETCD_RESTORED' }
    const later = etcd.watch('new/', { fromRevision: revision + 1000 })
    await expect(later.next()).rejects.toMatchObject(restored)
    const other = etcd.watch('new/', { fromRevision: revision, clusterId: `${clusterId}1` })
    await expect(other.next()).rejects.toMatchObject(restored)
    const pool = followed(etcd, 'new/')
    await expect.poll(pool.last).toEqual(['10.1.0.1'])
    await server.stop()
    rmSync(path.join(server.folder, 'data'), { recursive: true })
    await server.start()
    expect((await etcd.range('new/')).entries).toEqual([])
    await expect.poll(() => pool.reports.at(-1)).toMatch(/the source gave 0 servers/)
    expect(pool.last()).toEqual(['10.1.0.1'])
  })
})

describe('three members of etcd', () => {
  const ports = [2490, 2492, 2494]
  const peerPorts = ports.map((port) => port + 1)
  const members: Server[] = []
  beforeAll(async () => {
    const plans = ports.map((port) => etcdPlan({ port, peerPort: port + 1, peerPorts }))
    const started = await Promise.allSettled(plans.map((plan) => Server.start(plan)))
    for (const one of started) if (one.status === 'fulfilled') members.push(one.value)
    expect(members.length).toBe(3)
  })
  afterAll(async () => {
    for (const member of members) await member.remove()
  })

  it('one of them that has lost the others says so, and is not believed; another one is asked', async () => {
    const [first, second, third] = members as [Server, Server, Server]
    const endpoints = ports.map(url)
    const writer = client({ endpoints: endpoints.toReversed() })
    await writer.put('three/10.1.0.1', '')
    const alone = followed(client({ endpoints: [endpoints[0]!], timeoutMs: 1000 }), 'three/')
    const all = followed(client({ endpoints, timeoutMs: 1000 }), 'three/')
    await expect.poll(alone.last).toEqual(['10.1.0.1'])
    await expect.poll(all.last).toEqual(['10.1.0.1'])
    // Without a majority a watch would stay silent for ever.
    await second.freeze()
    await third.freeze()
    await expect.poll(() => alone.reports[0]).toMatch(/^ERR_ETCD_.*no leader/)
    await expect.poll(() => all.reports.at(-1)).toMatch(/^ERR_ETCD_UNAVAILABLE /)
    second.thaw()
    third.thaw()
    await writer.put('three/10.1.0.2', '').catch(() => writer.put('three/10.1.0.2', ''))
    await expect.poll(alone.last).toEqual(['10.1.0.1', '10.1.0.2'])
    await expect.poll(all.last).toEqual(['10.1.0.1', '10.1.0.2'])
    await first.stop()
    await writer.put('three/10.1.0.3', '').catch(() => writer.put('three/10.1.0.3', ''))
    await expect.poll(all.last).toEqual(['10.1.0.1', '10.1.0.2', '10.1.0.3'])
    expect(alone.last()).toEqual(['10.1.0.1', '10.1.0.2'])
    for (const { lists } of [alone, all]) {
      const lengths = lists.map(({ length }) => length)
      expect(lengths).toEqual(lengths.toSorted())
    }
  })
})

describe('etcd with TLS', () => {
  const port = 2482
  const ours = makeCertificate({ name: 'director', issuer: authority })
  const plan = etcdPlan({
    port,
    peerPort: port + 1,
    tls: { ca: authority.cert, cert: good.cert, key: good.key },
  })
  let server: Server
  beforeAll(async () => {
    server = await Server.start(plan)
  })
  afterAll(() => server?.remove())

  it('takes whom its authority has signed, and is only taken as who it is', async () => {
    const endpoints = [`https://127.0.0.1:${port}`]
    const files = { ca: 'ours-ca.pem', cert: 'ours.pem', key: 'ours-key.pem' }
    const at = (name: keyof typeof files) => path.join(server.folder, files[name])
    writeFileSync(at('ca'), authority.cert)
    writeFileSync(at('cert'), ours.cert)
    writeFileSync(at('key'), ours.key)
    const trust = { ca: { file: at('ca') }, serverName: good.name }
    const etcd = client({
      endpoints,
      ...trust,
      cert: { file: at('cert') },
      key: { file: at('key') },
    })
    await etcd.put('tls/10.1.0.1', '')
    const pool = followed(etcd, 'tls/')
    await expect.poll(pool.last).toEqual(['10.1.0.1'])
    await etcd.put('tls/10.1.0.2', '')
    await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2'])

    const away = (message: RegExp) => ({
      code: 'ERR_ETCD_UNAVAILABLE',
      message: expect.stringMatching(message),
    })
    await expect(client({ endpoints, ...trust }).range('tls/')).rejects.toMatchObject(
      away(/certificate|ECONNRESET/),
    )
    const stranger = client({ endpoints, ca: { file: at('ca') } })
    await expect(stranger.range('tls/')).rejects.toMatchObject(away(/does not match/))
    const unsure = client({ endpoints, serverName: good.name })
    await expect(unsure.range('tls/')).rejects.toMatchObject(away(/certificate/))
    const lost = client({ endpoints, ca: { file: '/nonexistent' } })
    await expect(lost.range('tls/')).rejects.toMatchObject(away(/nonexistent|ENOENT/))
  })
})

describe('etcd with users', () => {
  const port = 2485
  const origin = url(port)
  let server: Server
  const root = { name: 'root', password: 'hunter2' }
  beforeAll(async () => {
    server = await Server.start(etcdPlan({ port, peerPort: port + 1 }))
    // A client that knows a user works before authentication is turned on.
    const early = new EtcdClient({ endpoints: [origin], user: 'ipvs', password: 'secret' })
    await early.put('auth/10.1.0.1', '')
    const end = base64('auth0')
    await ask(origin, '/v3/auth/user/add', root)
    await ask(origin, '/v3/auth/user/grant', { user: 'root', role: 'root' })
    await ask(origin, '/v3/auth/user/add', { name: 'ipvs', password: 'secret' })
    await ask(origin, '/v3/auth/role/add', { name: 'reader' })
    await ask(origin, '/v3/auth/role/grant', {
      name: 'reader',
      perm: { permType: 'READWRITE', key: base64('auth/'), range_end: end },
    })
    await ask(origin, '/v3/auth/user/grant', { user: 'ipvs', role: 'reader' })
    await ask(origin, '/v3/auth/enable', {})
    // And goes on when it is.
    expect((await early.range('auth/')).entries).toHaveLength(1)
    early.close()
  })
  afterAll(() => server?.remove())

  it('tells who may not, and takes who may', async () => {
    const password = { file: path.join(server.folder, 'password') }
    const denied = { code: 'ERR_ETCD_PERMISSION' }
    const endpoints = [origin]
    await expect(client({ endpoints }).range('auth/')).rejects.toMatchObject(denied)
    const wrong = client({ endpoints, user: 'ipvs', password: 'secre' })
    const outcome = await wrong.range('auth/').catch((error: Error) => error)
    expect(outcome).toMatchObject(denied)
    expect((outcome as Error).message).not.toContain('secre;')
    const etcd = client({ endpoints, user: 'ipvs', password })
    await expect(etcd.range('auth/')).rejects.toMatchObject(denied)
    writeFileSync(password.file, 'secret\n')
    await expect(etcd.range('other/')).rejects.toMatchObject(denied)
    await expect(etcd.watch('other/', { fromRevision: 1 }).next()).rejects.toMatchObject(denied)
    const pool = followed(etcd, 'auth/')
    await expect.poll(pool.last).toEqual(['10.1.0.1'])
    await etcd.put('auth/10.1.0.2', '')
    await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2'])
    // Its tokens are over with it.
    await server.stop()
    await server.start()
    await expect.poll(() => etcd.put('auth/10.1.0.3', '').then(() => 'put', String)).toBe('put')
    await expect.poll(pool.last).toEqual(['10.1.0.1', '10.1.0.2', '10.1.0.3'])
  })
})
