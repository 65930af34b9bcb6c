import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { readConfig, serveHttp } from '../../../src/director/index.js'
import { type OwnRole, Peers } from '../../../src/director/peers.js'
import { direct, twoPools } from './directed.js'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function serve(answer: Answer): Promise<string> {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const says = (value: unknown, status = 200) =>
  serve((_, response) => {
    response.statusCode = status
    response.end(typeof value === 'string' ? value : JSON.stringify(value))
  })

const row = {
  server: '10.1.0.1:53',
  health: 'up',
  admin: 'ready',
  weight: { effective: 1 },
  serves: true,
}
const state = (change: object = {}, server: object = row) => ({
  version: 1,
  name: 'lb2',
  ready: true,
  pools: [{ pool: 'dns', servers: [server] }],
  ...change,
})

const alone = { instance: 'own', warn: () => {} }

test('one table of what all directors say, with what differs, and who does not answer', async () => {
  const second = await direct(`name: lb2\n${twoPools}`)
  const http = await serveHttp(second.director, {
    host: '127.0.0.1',
    port: 0,
    hosts: [],
    token: 'secret',
  })
  onTestFinished(() => http.close())
  const url = http.url.replace(/\/$/, '')
  const { director } = await direct(
    `name: lb1\npeers: [{ url: '${url}', token: secret }, 'http://127.0.0.1:1']\n${twoPools}`,
  )
  await second.director.set('dns/10.1.0.2', { admin: 'drain' })
  // The state that is told over HTTP may be a moment old.
  await expect
    .poll(async () => (await director.fleet()).rows.filter(({ differs }) => differs).length)
    .toBe(1)
  const { directors, rows } = await director.fleet()
  expect(directors).toEqual([
    { name: 'lb1', ready: true },
    { name: 'lb2', url, ready: true },
    {
      name: '127.0.0.1:1',
      url: 'http://127.0.0.1:1',
      error: expect.stringMatching(/ECONNREFUSED|bad port/),
    },
  ])
  const word = { health: 'up', admin: 'ready', weight: 1, serves: true }
  expect(rows).toEqual([
    { pool: 'dns', server: '10.1.0.1:53', words: [word, word, null], differs: false },
    {
      pool: 'dns',
      server: '10.1.0.2:53',
      words: [
        { ...word, weight: 3 },
        { health: 'up', admin: 'drain', weight: 0, serves: expect.any(Boolean) },
        null,
      ],
      differs: true,
    },
    { pool: 'ldap', server: '10.2.0.1:389', words: [word, word, null], differs: false },
  ])
})

test('a pool that one director does not have differs', async () => {
  const second = await direct(`name: lb2\n${twoPools.replace(/ {2}ldap:[\s\S]*/, '')}`)
  const http = await serveHttp(second.director, { host: '127.0.0.1', port: 0, hosts: [] })
  onTestFinished(() => http.close())
  const { director } = await direct(`peers: ['${http.url.replace(/\/$/, '')}']\n${twoPools}`)
  const { rows } = await director.fleet()
  expect(rows.map(({ pool, differs }) => [pool, differs])).toEqual([
    ['dns', false],
    ['dns', false],
    ['ldap', true],
  ])
})

test.each<[string, () => Promise<string>, RegExp]>([
  ['no JSON', () => says('<html>'), /its answer is no JSON/],
  ['another status', () => says({}, 404), /it answers 404/],
  ['a token that is wanted', () => says({}, 401), /wants a token/],
  ['another version', () => says(state({ version: 2 })), /of another version/],
  ['pools that are none', () => says(state({ pools: {} })), /pools is not as a director has it/],
  [
    'a server without health',
    () => says(state({}, { ...row, health: 'fine' })),
    /pools\[0\]\.servers\[0\]\.health/,
  ],
  [
    'a weight that is none',
    () => says(state({}, { ...row, weight: { effective: -1 } })),
    /servers\[0\]\.weight/,
  ],
  [
    'what a terminal would obey',
    () => says(state({}, { ...row, server: '\u001b[2J' })),
    /servers\[0\]\.server/,
  ],
  ['nothing at all', () => says('null'), /its state is not as a director has it/],
  [
    'a redirection',
    () =>
      serve((_, response) => {
        response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
      }),
    /redirect/,
  ],
  [
    'an answer without end',
    () =>
      serve((_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 20, 32)));
        }
        response.on('drain', more)
        more()
      }),
    /more than 67108864 bytes/,
  ],
])('%s is said of a peer', async (_, start, message) => {
  const peers = new Peers({ ...alone, role: () => undefined, twoActive: () => {} })
  peers.use([{ url: await start() }])
  onTestFinished(() => peers.close())
  const [answer] = await peers.ask()
  expect(answer!.director.error).toMatch(message)
  expect(answer!.servers).toBe(undefined)
})

test('two that are active are told of, not at first sight, and when it is over', async () => {
  let role = 'standby'
  let asked = 0
  const url = await serve((_, response) => {
    asked++
    response.statusCode = 503
    response.end(JSON.stringify({ healthy: false, name: 'lb2', role }))
  })
  let own: OwnRole = { role: 'active', since: 0 }
  const told: (string | undefined)[] = []
  const peers = new Peers({ ...alone, role: () => own, twoActive: (text) => told.push(text) })
  peers.use([{ url }])
  onTestFinished(() => peers.close())
  await expect.poll(() => asked).toBe(1)
  role = 'active'
  await expect.poll(() => asked, { timeout: 10_000 }).toBe(2)
  expect(told).toEqual([])
  await expect
    .poll(() => told, { timeout: 10_000 })
    .toEqual([expect.stringContaining(`active here, and at ${url} too`)])
  own = { role: 'standby', since: 0 }
  await expect.poll(() => told.at(-1), { timeout: 10_000 }).toBe(undefined)
})

/** Two that are active, and what was told of it. The looks are two seconds apart. */
async function rivals(own: OwnRole) {
  const answers = { silent: false, asked: 0 }
  const url = await serve((_, response) => {
    answers.asked++
    if (answers.silent) response.destroy()
    else response.end(JSON.stringify({ healthy: true, name: 'lb2', role: 'active' }))
  })
  const told: (string | undefined)[] = []
  const peers = new Peers({ ...alone, role: () => own, twoActive: (text) => told.push(text) })
  peers.use([{ url }])
  onTestFinished(() => peers.close())
  await expect
    .poll(() => told, { timeout: 10_000 })
    .toEqual([expect.stringContaining(`active here, and at ${url} too`)])
  return { answers, told, url }
}

test('a clock that was set back since does not hide a second active one', async () => {
  await rivals({ role: 'active', since: Date.now() + 3_600_000 })
})

test('who does not answer any more is not said to have given way', async () => {
  vi.useFakeTimers({ toFake: ['performance'], now: 0 })
  onTestFinished(() => void vi.useRealTimers())
  const { answers, told, url } = await rivals({ role: 'active', since: 0 })
  answers.silent = true
  const { asked } = answers
  await expect.poll(() => answers.asked, { timeout: 10_000 }).toBeGreaterThan(asked + 1)
  expect(told).toHaveLength(1)
  vi.advanceTimersByTime(10_000)
  await expect
    .poll(() => told.slice(1), { timeout: 10_000 })
    .toEqual([
      `active here, and at ${url} too when that answered last: whether it still is, is not known`,
    ])
})

test('a director that has itself among its peers leaves itself out, and says so once', async () => {
  const text = `name: lb1\nrole: {}\n${twoPools}`
  const { director, events, reload } = await direct(text)
  const http = await serveHttp(director, { host: '127.0.0.1', port: 0, hosts: [] })
  onTestFinished(() => http.close())
  const url = http.url.replace(/\/$/, '')
  await director.become('active')
  const ask = vi.spyOn(globalThis, 'fetch')
  onTestFinished(() => ask.mockRestore())
  await reload(`peers: ['${url}']\n${text}`)
  await expect.poll(() => ask.mock.calls.length, { timeout: 20_000 }).toBeGreaterThan(3)
  const warnings = events.filter(({ event }) => event === 'warning').map(({ text }) => text)
  expect(warnings).toEqual([`peers: ${url} is this director itself, and is left out`])
  const { directors, rows } = await director.fleet()
  expect(directors).toHaveLength(1)
  expect(rows[0]!.words).toHaveLength(1)
})

test('one of the same name is another one all the same', async () => {
  const second = await direct(`name: lb1\n${twoPools}`)
  const http = await serveHttp(second.director, { host: '127.0.0.1', port: 0, hosts: [] })
  onTestFinished(() => http.close())
  const { director } = await direct(
    `name: lb1\npeers: ['${http.url.replace(/\/$/, '')}']\n${twoPools}`,
  )
  expect((await director.fleet()).directors).toHaveLength(2)
})

test('a director says its name and role where anybody may ask', async () => {
  const { director } = await direct(`name: lb1\n${twoPools}`)
  const http = await serveHttp(director, { host: '127.0.0.1', port: 0, hosts: [], token: 'x' })
  onTestFinished(() => http.close())
  expect(await (await fetch(`${http.url}healthz`)).json()).toEqual({
    healthy: true,
    name: 'lb1',
    instance: director.state().instance,
  })
})

test.each([
  ['name: lb 1', 'name must be a name'],
  ['peers: lb2', 'peers must be a list'],
  ["peers: ['http://lb2:9480/x']", 'peers[0] must be an http: or https: address without a path'],
  ["peers: [{ url: 'http://lb2' }, 'http://lb2']", 'peers[1] must be there once'],
  ['verdicts: { down: 2 }', 'verdicts must have "etcd" beside it'],
  ['verdicts: { ttl: 10s }', 'verdicts.down must be the number of directors'],
  ['verdicts: { down: 2, ttl: 100ms }', 'verdicts.ttl must be a time'],
  ['verdicts: { down: 2, prefix: ipvs }', 'verdicts.prefix must be printable'],
])('%s is a mistake', async (line, message) => {
  await expect(readConfig(`${line}\n${twoPools}`)).rejects.toThrow(message)
})
