import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { expect, test } from 'vitest'
import { MemoryKernel } from '../../../src/testing/index.js'
import { direct, folder, twoPools } from './directed.js'

const rules = (kernel: MemoryKernel) => kernel.rules().trim().split('\n').toSorted()

test('makes the kernel what the file says', async () => {
  const { kernel, director } = await direct(twoPools)
  expect(rules(kernel)).toEqual([
    '-A -t 192.0.2.53:389 -s wrr',
    '-A -t 192.0.2.53:53 -s wrr',
    '-A -u 192.0.2.53:53 -s wrr -o',
    '-a -t 192.0.2.53:389 -r 10.2.0.1:389 -g -w 1',
    '-a -t 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1',
    '-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
    '-a -u 192.0.2.53:53 -r 10.1.0.1:53 -g -w 1',
    '-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
  ])
  expect(director.state()).toMatchObject({ ready: true, troubles: [] })
})

test('a reload of the same sends nothing', async () => {
  const { reload, sent } = await direct(twoPools)
  sent.length = 0
  expect(await reload(`# only a comment\n${twoPools}`)).toEqual({
    added: [],
    changed: [],
    removed: [],
    same: 2,
  })
  expect(sent).toEqual([])
})

test('a reload with one weight changed sends the changes of that server alone', async () => {
  const { reload, sent } = await direct(twoPools)
  sent.length = 0
  expect(await reload(twoPools.replace('weight: 3', 'weight: 4'))).toMatchObject({
    changed: ['dns'],
    same: 1,
  })
  expect(sent.map((change) => [change.op, 'destination' in change && change.destination])).toEqual([
    ['replace-destination', expect.objectContaining({ address: '10.1.0.2', weight: 4 })],
    ['replace-destination', expect.objectContaining({ address: '10.1.0.2', weight: 4 })],
  ])
})

test('a pool with another scheduler is changed in place: nothing is removed', async () => {
  const { reload, sent, kernel } = await direct(twoPools)
  sent.length = 0
  await reload(twoPools.replace('ldap:\n', 'ldap:\n    scheduler: rr\n'))
  expect(sent.filter(({ op }) => /remove|no-/.test(op))).toEqual([])
  expect(rules(kernel)).toContain('-A -t 192.0.2.53:389 -s rr')
  expect(rules(kernel)).toContain('-a -t 192.0.2.53:389 -r 10.2.0.1:389 -g -w 1')
})

test('a pool with another address is there before the old one goes', async () => {
  const { reload, sent, kernel } = await direct(twoPools)
  sent.length = 0
  await reload(twoPools.replace('192.0.2.53:389', '192.0.2.54:389'))
  const ops = sent.map(({ op }) => op)
  expect(ops.at(-1)).toBe('ensure-no-service')
  expect(ops.filter((op) => op === 'ensure-no-service')).toHaveLength(1)
  expect(rules(kernel).filter((rule) => rule.includes(':389'))).toEqual([
    '-A -t 192.0.2.54:389 -s wrr',
    '-a -t 192.0.2.54:389 -r 10.2.0.1:389 -g -w 1',
  ])
})

test('what one pool gives up, another takes over without a gap', async () => {
  const { reload, sent } = await direct(twoPools)
  sent.length = 0
  await reload(twoPools.replace('ldap:', 'directory:'))
  expect(sent.filter(({ op }) => /remove|no-/.test(op))).toEqual([])
})

test('a pool that is no longer in the file goes', async () => {
  const { reload, kernel } = await direct(twoPools)
  expect(await reload(twoPools.replace(/ {2}ldap:[\s\S]*/, ''))).toMatchObject({
    removed: ['ldap'],
  })
  expect(rules(kernel).filter((rule) => rule.includes(':389'))).toEqual([])
})

test('another network namespace takes a new start', async () => {
  const { reload } = await direct(twoPools)
  await expect(reload(`netns: other\n${twoPools}`)).rejects.toThrow(/netns.*takes a new start/)
})

test('what is said by hand outlives a reload and a restart, and is forgotten with "ready"', async () => {
  const state = `state: ${path.join(folder(), 'state.json')}\n`
  const kernel = new MemoryKernel()
  const first = await direct(state + twoPools, kernel)
  const said = await first.director.set('dns/10.1.0.2', { admin: 'drain' })
  expect(said).toEqual({ pool: 'dns', state: expect.objectContaining({ admin: 'drain' }) })
  await first.director.set('ldap/10.2.0.1', { weight: 7 })
  const held = [
    '-a -t 192.0.2.53:389 -r 10.2.0.1:389 -g -w 7',
    '-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 0',
    '-a -u 192.0.2.53:53 -r 10.1.0.2:53 -g -w 0',
  ]
  expect(rules(kernel)).toEqual(expect.arrayContaining(held))
  await first.reload(state + twoPools.replace('weight: 3', 'weight: 4'))
  expect(rules(kernel)).toEqual(expect.arrayContaining(held))
  await first.reload(state + twoPools.replace('wrr', 'wlc'))
  expect(rules(kernel)).toEqual(expect.arrayContaining(held))
  await first.director.stop()

  const second = await direct(state + twoPools, kernel)
  expect(rules(kernel)).toEqual(expect.arrayContaining(held))
  // Not for a moment has it had another weight.
  const weights = second.sent.flatMap((change) =>
    'destination' in change &&
    'weight' in change.destination &&
    change.destination.address === '10.1.0.2'
      ? [change.destination.weight]
      : [],
  )
  expect(weights.filter((weight) => weight !== 0)).toEqual([])
  await second.director.set('dns/10.1.0.2', { admin: 'ready' })
  await second.director.set('ldap/10.2.0.1', { weight: 'file' })
  expect(rules(kernel)).toEqual(
    expect.arrayContaining([
      '-a -t 192.0.2.53:389 -r 10.2.0.1:389 -g -w 1',
      '-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3',
    ]),
  )
})

test('a server that is away keeps what was said of it', async () => {
  const { director, reload, kernel } = await direct(twoPools)
  await director.set('dns/10.1.0.2', { admin: 'maintenance' })
  const without = twoPools.replace(', { address: 10.1.0.2, weight: 3 }', '')
  await reload(without)
  expect(director.state().pools[0]!.absent).toEqual({
    '10.1.0.2': { admin: { word: 'maintenance' } },
  })
  await reload(twoPools)
  expect(rules(kernel).filter((rule) => rule.includes('10.1.0.2'))).toEqual([])
  await reload(without)
  await director.set('dns/10.1.0.2', { admin: 'ready' })
  await reload(twoPools)
  expect(rules(kernel).filter((rule) => rule.includes('10.1.0.2'))).toHaveLength(2)
})

test.each([
  ['nopool/10.1.0.1', /no pool "nopool".*"dns", "ldap"/],
  ['dnss/10.1.0.1', /did you mean "dns"/],
  ['dns/10.9.9.9', /has no server 10\.9\.9\.9:53.*10\.1\.0\.1:53/],
  ['dns', /a pool and a server/],
])('refuses to set %s', async (target, message) => {
  const { director, sent } = await direct(twoPools)
  sent.length = 0
  await expect(director.set(target, { admin: 'drain' })).rejects.toThrow(message)
  expect(sent).toEqual([])
})

test('servers come from a file; until there is a list nothing is touched', async () => {
  const list = path.join(folder(), 'servers')
  const kernel = new MemoryKernel({
    rules: '-A -t 192.0.2.53:389 -s wrr\n-a -t 192.0.2.53:389 -r 10.2.0.9:389 -g -w 1\n',
  })
  const text = twoPools.replace("servers: ['10.2.0.1']", `servers: { file: ${list}, retry: 10ms }`)
  const { director } = await direct(text, kernel)
  await expect.poll(() => director.state().pools[1]!.trouble).toMatch(/servers/)
  expect(rules(kernel)).toContain('-a -t 192.0.2.53:389 -r 10.2.0.9:389 -g -w 1')
  writeFileSync(list, '10.2.0.5 4\n')
  await expect
    .poll(() => rules(kernel).filter((rule) => rule.includes('-r 10.2')), { timeout: 10_000 })
    .toEqual(['-a -t 192.0.2.53:389 -r 10.2.0.5:389 -g -w 4'])
  expect(director.state().pools[1]).toMatchObject({ open: true, source: `file ${list}` })
})

test('a pool that cannot be opened is opened later, and the others work meanwhile', async () => {
  const kernel = new MemoryKernel()
  // The first pool's first look.
  kernel.fail({ of: 'read', nth: 1, errno: 'ENOMEM' })
  const { director } = await direct(twoPools, kernel)
  const { pools, changes } = director.state()
  expect(pools.map(({ open }) => open).toSorted()).toEqual([false, true])
  expect(changes).toContainEqual(
    expect.objectContaining({
      event: 'warning',
      text: expect.stringMatching(/could not be opened: .*memory/i),
    }),
  )
  await expect.poll(() => rules(kernel).length, { timeout: 10_000 }).toBe(8)
  expect(director.state().pools.map(({ trouble }) => trouble)).toEqual([undefined, undefined])
})

test('stops as it is told', async () => {
  for (const [how, left] of [
    ['leave', 8],
    ['withdraw', 0],
    ['drain', 0],
  ] as const) {
    const { director, kernel } = await direct(`onStop: ${how}\n${twoPools}`)
    await director.stop()
    expect([how, kernel.rules().trim().split('\n').filter(Boolean).length]).toEqual([how, left])
    await expect(director.set('dns/10.1.0.1', { admin: 'drain' })).rejects.toMatchObject({
      code: 'ERR_IPVS_CLOSED',
    })
  }
})

test('checks servers by what each is to be asked, and says how it went', async () => {
  const text = `
defaults: { scheduler: wrr, forwarding: masquerade, reconcileInterval: 0s }
checks: { quick: { tcp: {}, interval: 50ms, timeout: 50ms, rise: 1, fall: 1 } }
pools:
  web:
    fronts: ['tcp/192.0.2.80:80']
    check: quick
    servers: ['127.0.0.1:1', { address: 127.0.0.1, port: 2, check: none }]
`
  const { director, kernel, events } = await direct(text)
  await expect.poll(() => director.state().ready).toBe(true)
  expect(rules(kernel)).toContain('-a -t 192.0.2.80:80 -r 127.0.0.1:2 -m -w 1')
  expect(rules(kernel).join()).not.toContain('127.0.0.1:1 ')
  const { steps, check, state } = await director.check('web/127.0.0.1:1')
  expect([check, steps]).toEqual([
    'quick',
    [expect.objectContaining({ name: 'tcp', outcome: 'failure' })],
  ])
  expect(state).toMatchObject({ health: 'down', check: { name: 'quick', decided: true } })
  expect(await director.check('web/127.0.0.1:2')).toMatchObject({ check: 'none', steps: [] })
  expect(events.map(({ event, server }) => [event, server])).toContainEqual(['down', '127.0.0.1:1'])
})

test('a check that stays goes on with what it knows when its pool opens anew', async () => {
  const text = (scheduler: string) => `
defaults: { scheduler: ${scheduler}, forwarding: masquerade, reconcileInterval: 0s }
pools:
  web:
    fronts: ['tcp/192.0.2.80:80']
    check: { tcp: {}, interval: 1h, timeout: 50ms, rise: 1, fall: 1, retryDelay: 10ms }
    servers: ['127.0.0.1:1']
`
  const { director, reload, kernel } = await direct(text('wrr'))
  await expect.poll(() => director.state().ready).toBe(true)
  await reload(text('wlc'))
  // The next check would come in an hour.
  await expect.poll(() => director.state().pools[0]!.servers[0]!.reason).toMatch(/refused/)
  expect(rules(kernel)).toEqual(['-A -t 192.0.2.80:80 -s wlc'])
})

test('each word has its own time: a weight for a while ends no drain', async () => {
  const { director, kernel } = await direct(twoPools)
  await director.set('dns/10.1.0.2', { admin: 'drain' })
  await director.set('dns/10.1.0.2', { weight: 50, forMs: 1000 })
  const hand = () => director.state({ pool: 'dns' }).pools[0]!.servers[1]!.hand
  expect(hand()).toEqual({
    admin: { word: 'drain' },
    weight: { word: 50, until: expect.any(Number) },
  })
  await expect.poll(hand, { timeout: 15_000 }).toEqual({ admin: { word: 'drain' } })
  expect(rules(kernel)).toContain('-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 0')
  await director.set('dns/10.1.0.2', { admin: 'ready' })
  expect(rules(kernel)).toContain('-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 3')
})

test("the file's own word about a server holds beside a weight by hand, and changes with the file", async () => {
  const text = (admin: string) => twoPools.replace('weight: 3 }', `weight: 3, admin: ${admin} }`)
  const { director, kernel, reload } = await direct(text('maintenance'))
  const of = () => rules(kernel).filter((rule) => rule.includes('-t 192.0.2.53:53 -r 10.1.0.2'))
  expect(of()).toEqual([])
  await director.set('dns/10.1.0.2', { weight: 5 })
  expect(of()).toEqual([])
  await reload(text('drain'))
  expect(of()).toEqual(['-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 0'])
  await director.set('dns/10.1.0.2', { admin: 'ready' })
  expect(of()).toEqual(['-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 5'])
  await reload(text('drain').replace('wrr', 'wlc'))
  expect(of()).toEqual(['-a -t 192.0.2.53:53 -r 10.1.0.2:53 -g -w 5'])
})

test('a drain stays with its server when the fronts change their order', async () => {
  const text = (fronts: string) => twoPools.replace("['192.0.2.53:53']", fronts)
  const { director, kernel, reload } = await direct(text("['192.0.2.53:53', '192.0.2.53:5353']"))
  await director.set('dns/10.1.0.2', { admin: 'drain' })
  await reload(text("['192.0.2.53:5353', '192.0.2.53:53']"))
  const weights = rules(kernel).filter((rule) => rule.includes('-r 10.1.0.2'))
  expect(weights).toHaveLength(4)
  for (const rule of weights) expect(rule).toMatch(/-w 0$/)
})

test('a service goes when what takes its place is there, and not before', async () => {
  const kernel = new MemoryKernel()
  const { director, reload } = await direct(twoPools, kernel)
  const list = path.join(folder(), 'servers')
  const moved = twoPools
    .replace('192.0.2.53:389', '192.0.2.54:389')
    .replace("servers: ['10.2.0.1']", `servers: { file: ${list}, retry: 10ms }`)
  await reload(moved)
  // Until the source has a list, there is nothing that could take its place.
  expect(rules(kernel)).toContain('-a -t 192.0.2.53:389 -r 10.2.0.1:389 -g -w 1')
  expect(director.state().pools[1]!.open).toBe(false)
  // What is said of a server meanwhile is known when it comes.
  await director.set('ldap/10.2.0.9', { admin: 'drain' })
  writeFileSync(list, '10.2.0.9\n')
  await expect
    .poll(() => rules(kernel).filter((rule) => rule.includes(':389')), { timeout: 15_000 })
    .toEqual(['-A -t 192.0.2.54:389 -s wrr', '-a -t 192.0.2.54:389 -r 10.2.0.9:389 -g -w 0'])
})

test('checks know what they knew when their pool opens anew, and do not begin again', async () => {
  const server = createServer((socket) => socket.destroy())
  const text = (scheduler: string, port: number) => `
defaults: { scheduler: ${scheduler}, forwarding: masquerade, reconcileInterval: 0s }
pools:
  web:
    fronts: ['tcp/192.0.2.80:80']
    check: { tcp: {}, interval: 1h, timeout: 1s, rise: 1, fall: 1, retryDelay: 1h }
    servers: ['127.0.0.1:${port}']
`
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { director, reload } = await direct(text('wrr', port))
  const seen = () => director.state().pools[0]!.servers[0]!
  await expect.poll(() => seen().health).toBe('up')
  const { check } = seen()
  // Whoever asks it now finds it dead: the next check is in an hour.
  await new Promise((resolve) => server.close(resolve))
  await reload(text('wlc', port))
  await expect.poll(() => seen().health).toBe('up')
  expect(seen().check).toMatchObject({
    lastAt: (check as { lastAt: number }).lastAt,
    successes: (check as { successes: number }).successes,
  })
})
