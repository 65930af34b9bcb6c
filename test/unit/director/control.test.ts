import { once } from 'node:events'
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, connect as dial, type Socket } from 'node:net'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  askDirector,
  type ControlRequest,
  type DirectorState,
  followDirector,
  serveControl,
} from '../../../src/director/index.js'
import { direct, folder, twoPools } from './directed.js'

async function served() {
  const directed = await direct(twoPools)
  const socket = path.join(folder(), 'director.sock')
  const server = await serveControl(directed.director, socket, {
    reload: () => directed.reload(twoPools),
  })
  onTestFinished(() => server.close())
  return { ...directed, socket, server }
}

async function open(socket: string): Promise<Socket> {
  const client = dial(socket)
  onTestFinished(() => void client.destroy())
  await once(client, 'connect')
  return client
}

/** The next line that comes. */
async function line(client: Socket): Promise<unknown> {
  let text = ''
  while (!text.includes('\n')) text += String((await once(client, 'data'))[0])
  return JSON.parse(text.slice(0, text.indexOf('\n')))
}

test('answers a request a line, by its id', async () => {
  const { socket, kernel } = await served()
  expect(statSync(socket).mode & 0o777).toBe(0o600)
  const client = await open(socket)
  client.write('{"id":7,"do":"set","target":"dns/10.1.0.2","admin":"drain"}\n')
  expect(await line(client)).toMatchObject({ id: 7, result: { state: { admin: 'drain' } } })
  expect(kernel.rules()).toContain('-r 10.1.0.2:53 -g -w 0')
  client.write('{"id":"x","do":"reload"}\n')
  expect(await line(client)).toEqual({
    id: 'x',
    result: { added: [], changed: [], removed: [], same: 2 },
  })
  const state = (await askDirector(socket, { do: 'state' })) as DirectorState
  expect(state.pools.map(({ pool }) => pool)).toEqual(['dns', 'ldap'])
  expect(await askDirector(socket, { do: 'connections', target: 'dns/10.1.0.2' })).toEqual({
    active: 0,
    inactive: 0,
    persistent: 0,
  })
  expect(await askDirector(socket, { do: 'check', target: 'dns/10.1.0.2' })).toMatchObject({
    check: 'none',
  })
})

test('events come to whoever follows, until it ends', async () => {
  const { socket, director } = await served()
  const seen: unknown[] = []
  const end = new AbortController()
  for await (const event of followDirector(socket, end.signal)) {
    seen.push(event)
    if (event === undefined) await director.set('dns/10.1.0.1', { weight: 9 })
    else end.abort()
  }
  expect(seen).toEqual([
    undefined,
    expect.objectContaining({ event: 'set', pool: 'dns', server: '10.1.0.1:53' }),
  ])
  await expect.poll(() => director.listenerCount('event')).toBe(1)
})

test.each<[string, string, RegExp]>([
  ['{', 'ERR_IPVS_ARGUMENT', /one line of JSON/],
  ['[]', 'ERR_IPVS_ARGUMENT', /an object with "do"/],
  ['null', 'ERR_IPVS_ARGUMENT', /an object with "do"/],
  ['{"do":"stat"}', 'ERR_IPVS_ARGUMENT', /did you mean "state"/],
  ['{"do":"__proto__"}', 'ERR_IPVS_ARGUMENT', /there is no "do"/],
  ['{"do":"set","traget":"dns/10.1.0.1"}', 'ERR_IPVS_ARGUMENT', /"traget".*"target"/],
  ['{"do":"set"}', 'ERR_IPVS_ARGUMENT', /change/],
  ['{"do":"set","admin":"drain"}', 'ERR_IPVS_ARGUMENT', /target/],
  ['{"do":"set","target":"dns/10.1.0.1","admin":"dran"}', 'ERR_IPVS_ARGUMENT', /"drain"/],
  ['{"do":"set","target":"dns/10.1.0.1","weight":-1}', 'ERR_IPVS_ARGUMENT', /change\.weight/],
  ['{"do":"set","target":"dns/10.1.0.9","admin":"drain"}', 'ERR_IPVS_NO_SERVER', /no server/],
  ['{"do":"check","target":"x/y"}', 'ERR_IPVS_NO_SERVER', /no pool "x"/],
])('refuses %s', async (text, code, message) => {
  const { socket, sent } = await served()
  sent.length = 0
  const client = await open(socket)
  client.write(`${text}\n`)
  expect(await line(client)).toEqual({
    ...(text.includes('"id"') ? { id: 1 } : {}),
    error: { code, message: expect.stringMatching(message) },
  })
  expect(sent).toEqual([])
  client.write('{"do":"state"}\n')
  expect(await line(client)).toHaveProperty('result')
})

test('whoever sends without end is ended, and nobody else', async () => {
  const { socket } = await served()
  const good = await open(socket)
  const hostile = await open(socket)
  hostile.on('error', () => {})
  hostile.resume()
  hostile.write('x'.repeat(70_000))
  await once(hostile, 'close')
  const flood = await open(socket)
  flood.on('error', () => {})
  flood.resume()
  flood.write('{"do":"reload"}\n'.repeat(200))
  await once(flood, 'close')
  good.write('{"do":"state"}\n')
  expect(await line(good)).toHaveProperty('result')
})

test('whoever does not read is ended', async () => {
  const { socket, director } = await served()
  const silent = await open(socket)
  silent.pause()
  silent.on('error', () => {})
  silent.write('{"do":"events"}\n')
  await expect.poll(() => director.listenerCount('event')).toBe(2)
  const text = 'x'.repeat(100_000)
  await expect
    .poll(() => {
      for (let n = 0; n < 20; n++) director.refuseReload(text)
      return director.listenerCount('event')
    })
    .toBe(1)
})

test('only so many at the same time', async () => {
  const { socket } = await served()
  const clients = await Promise.all(Array.from({ length: 64 }, () => open(socket)))
  const refused = dial(socket)
  refused.on('error', () => {})
  await once(refused, 'close')
  clients[0]!.destroy()
  await expect
    .poll(() => askDirector(socket, { do: 'reload' }).catch(() => undefined))
    .toMatchObject({ same: 2 })
})

test('a socket that somebody has removed is made again; who was there stays', async () => {
  const { socket } = await served()
  const before = await open(socket)
  rmSync(socket)
  await expect.poll(() => existsSync(socket), { timeout: 10_000 }).toBe(true)
  expect(await askDirector(socket, { do: 'reload' })).toMatchObject({ same: 2 })
  before.write('{"do":"reload"}\n')
  expect(await line(before)).toHaveProperty('result')
})

test('takes the place of a socket that nobody serves, and of nothing else', async () => {
  const { director, socket } = await served()
  const options = { reload: () => Promise.reject(new Error('no')) }
  await expect(serveControl(director, socket, options)).rejects.toThrow(/answers at .* already/)
  const file = path.join(folder(), 'file')
  writeFileSync(file, 'mine')
  await expect(serveControl(director, file, options)).rejects.toThrow(/is no socket/)
  expect(existsSync(file)).toBe(true)
})

test('removes its socket at the end; then no director answers', async () => {
  const { socket, server } = await served()
  await server.close()
  expect(existsSync(socket)).toBe(false)
  await expect(askDirector(socket, { do: 'state' })).rejects.toMatchObject({
    code: 'ERR_IPVS_NO_DIRECTOR',
  })
})

test('a director that says what is no answer does no harm to who asks', async () => {
  const socket = path.join(folder(), 'other.sock')
  const other = createServer((client) => client.end('hello\n'))
  other.listen(socket)
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const request: ControlRequest = { do: 'state' }
  await expect(askDirector(socket, request)).rejects.toMatchObject({ code: 'ERR_IPVS_NO_DIRECTOR' })
})

test('an answer may be larger than what may be left unread', async () => {
  const servers = Array.from(
    { length: 24_000 },
    (_, at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`,
  )
  const text = `
pools:
  big: { fronts: ['fwmark/1'], scheduler: rr, forwarding: direct, reconcileInterval: 0s, servers: [${servers.join(', ')}] }
`
  const { director } = await direct(text)
  const socket = path.join(folder(), 'director.sock')
  const server = await serveControl(director, socket, {
    reload: () => director.reload(director.config),
  })
  onTestFinished(() => server.close())
  const state = (await askDirector(socket, { do: 'state' })) as DirectorState
  expect(JSON.stringify(state).length).toBeGreaterThan(4 * 1024 * 1024)
  expect(state.pools[0]!.servers).toHaveLength(24_000)
  const none = (await askDirector(socket, { do: 'state', pool: '' })) as DirectorState
  expect([none.pid, none.pools]).toEqual([process.pid, []])
})

test('one connection follows the events once', async () => {
  const { socket, director } = await served()
  const client = await open(socket)
  client.write('{"do":"events"}\n')
  expect(await line(client)).toEqual({ result: {} })
  client.write('{"do":"events"}\n')
  expect(await line(client)).toMatchObject({ error: { code: 'ERR_IPVS_ARGUMENT' } })
  expect(director.listenerCount('event')).toBe(2)
})
