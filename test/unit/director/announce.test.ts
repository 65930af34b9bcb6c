import { appendFileSync, chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Announcement } from '../../../src/director/announce.js'
import { readConfig } from '../../../src/director/index.js'
import { direct, folder } from './directed.js'

/** A program that writes down what it is told. It fails while a file `broken` is beside it, and waits while there is `busy`. */
function route() {
  const made = folder()
  const at = (name: string) => path.join(made, name)
  const script = `#!/bin/sh
echo "begin $2" >> ${at('calls')}
while [ -e ${at('busy')} ]; do sleep 0.01; done
if [ -e ${at('broken')} ]; then exit 7; fi
echo "$1 $2 $IPVS_POOL $IPVS_ADDRESSES" >> ${at('calls')}
`
  writeFileSync(at('route'), script)
  chmodSync(at('route'), 0o755)
  const lines = () =>
    existsSync(at('calls')) ? readFileSync(at('calls'), 'utf8').split('\n').filter(Boolean) : []
  return {
    program: at('route'),
    lines,
    /** Calls that have ended well. */
    done: () => lines().filter((line) => !line.startsWith('begin')),
    begun: () => lines().filter((line) => line.startsWith('begin')),
    set: (name: 'broken' | 'busy', is: boolean) =>
      is ? appendFileSync(at(name), '') : rmSync(at(name)),
  }
}

async function listen(port = 0): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as { port: number }).port, server }
}

const file = (program: string, port: number, more = '') => `
defaults: { scheduler: wrr, forwarding: masquerade, reconcileInterval: 0s }
pools:
  web:
    fronts: ['tcp/192.0.2.80:80', 'tcp/192.0.2.80:443', 'tcp/192.0.2.81:80']
    check: { tcp: {}, interval: 50ms, timeout: 50ms, rise: 1, fall: 1 }
    servers: ['127.0.0.1:${port}']
    announce: { exec: [${program}, word]${more} }
`

const unchecked = (program: string) => `
defaults: { scheduler: wrr, forwarding: masquerade, reconcileInterval: 0s }
pools:
  web:
    fronts: ['tcp/192.0.2.80:80']
    servers: ['10.1.0.1', '10.1.0.2']
    quorum: { up: 2 }
    announce: { exec: [${program}, word] }
`
const said = (word: string) => `word ${word} web 192.0.2.80`

test('tells a program once the state is known, and at each change', async () => {
  const { program, done } = route()
  const { port, server } = await listen()
  const { director, events } = await direct(file(program, port))
  await expect.poll(done).toEqual(['word announce web 192.0.2.80 192.0.2.81'])
  server.close()
  await expect.poll(() => done().at(-1)).toBe('word withdraw web 192.0.2.80 192.0.2.81')
  await listen(port)
  await expect.poll(() => done().at(-1)).toBe('word announce web 192.0.2.80 192.0.2.81')
  expect(done()).toHaveLength(3)
  await expect
    .poll(() => director.state().pools[0]!.announce)
    .toEqual({ wanted: 'announce', done: 'announce', since: expect.any(Number) })
  expect(events.filter(({ event }) => event === 'announce').map(({ text }) => text)).toEqual([
    'web is announced: 192.0.2.80, 192.0.2.81',
    'web is withdrawn: 192.0.2.80, 192.0.2.81',
    'web is announced: 192.0.2.80, 192.0.2.81',
  ])
})

test('a server that nobody has looked at yet is no reason to withdraw', async () => {
  const { program, done } = route()
  const { port } = await listen()
  await direct(file(program, port))
  await expect.poll(() => done()[0]).toMatch(/announce/)
})

test('without a quorum at the start it withdraws what a former life may have announced', async () => {
  const { program, done } = route()
  await direct(file(program, 1))
  await expect.poll(done).toEqual(['word withdraw web 192.0.2.80 192.0.2.81'])
})

test('one call at a time, and the last wanted state wins', async () => {
  const { program, done, begun, set } = route()
  set('busy', true)
  const { director } = await direct(unchecked(program))
  await expect.poll(begun).toEqual(['begin announce'])
  await director.set('web/10.1.0.1', { admin: 'maintenance' })
  await director.set('web/10.1.0.1', { admin: 'ready' })
  await director.set('web/10.1.0.1', { admin: 'maintenance' })
  expect(director.state().pools[0]!.announce).toEqual({ wanted: 'withdraw' })
  expect(begun()).toHaveLength(1)
  set('busy', false)
  await expect.poll(done).toEqual([said('announce'), said('withdraw')])
})

test('a failure is told once and tried again', async () => {
  const { program, done, set } = route()
  set('broken', true)
  const { director, events } = await direct(unchecked(program))
  const warnings = () => events.filter(({ event }) => event === 'warning').map(({ text }) => text)
  const trouble = `${program} word announce has failed: it ended with status 7; it is tried again`
  await expect.poll(warnings).toEqual([`web: ${trouble}`])
  expect(director.state().pools[0]!.announce).toEqual({ wanted: 'announce', trouble })
  set('broken', false)
  await expect.poll(done, { timeout: 10_000 }).toEqual([said('announce')])
  await expect.poll(() => director.state().pools[0]!.announce?.trouble).toBe(undefined)
})

test('a program that does not end is ended', async () => {
  const { program, set } = route()
  set('busy', true)
  const text = unchecked(program).replace('word]', 'word], timeout: 50ms')
  const { director } = await direct(text)
  await expect
    .poll(() => director.state().pools[0]!.announce?.trouble)
    .toMatch(/took too long and was ended/)
  set('busy', false)
})

test('one that flaps stays withdrawn for as long as "hold" says', async () => {
  const { program, done } = route()
  const text = unchecked(program).replace('word]', 'word], hold: 1h')
  const { director } = await direct(text)
  await expect.poll(done).toEqual([said('announce')])
  await director.set('web/10.1.0.1', { admin: 'maintenance' })
  await expect.poll(done).toHaveLength(2)
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('withdraw')
  await director.set('web/10.1.0.1', { admin: 'ready' })
  const { announce } = director.state().pools[0]!
  expect(announce).toMatchObject({ wanted: 'announce', done: 'withdraw' })
  expect(announce!.heldUntil! - Date.now()).toBeGreaterThan(3_000_000)
  expect(done()).toHaveLength(2)
})

test('one that is to be repeated is told again, and nobody else hears of it', async () => {
  const { program, done } = route()
  const { director, events } = await direct(
    unchecked(program).replace('word]', 'word], repeat: 1s'),
  )
  await expect.poll(done, { timeout: 10_000 }).toEqual([said('announce'), said('announce')])
  expect(events.filter(({ event }) => event === 'announce')).toHaveLength(1)
  expect(director.state().pools[0]!.announce).toMatchObject({ done: 'announce' })
})

test.each(['withdraw', 'drain'] as const)('%s withdraws before the services go', async (how) => {
  const { program, done, kernelRules } = await started()
  await program.stop(how)
  expect(done()).toEqual([said('announce'), said('withdraw')])
  expect(kernelRules()).toBe('')
})

test('with "leave" it stays announced', async () => {
  const { program, done } = await started()
  await program.stop('leave')
  expect(done()).toEqual([said('announce')])
})

async function started() {
  const { program, done } = route()
  const { director, kernel, client } = await direct(unchecked(program))
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  const apply = client.apply.bind(client)
  client.apply = (changes, options) => {
    const removes = changes.some(({ op }) => /remove|no-/.test(op))
    if (removes) expect(done()).toContain(said('withdraw'))
    return apply(changes, options)
  }
  return { program: director, done, kernelRules: () => kernel.rules() }
}

test('who stands by without services withdraws, and announces when it is active', async () => {
  const { program, done } = route()
  const { director } = await direct(`role: { standby: withdraw }\n${unchecked(program)}`)
  await director.become('active')
  await expect.poll(() => done().at(-1)).toBe(said('announce'))
  await director.become('standby')
  await expect.poll(() => done().at(-1)).toBe(said('withdraw'))
  await director.become('active')
  await expect.poll(() => done().at(-1)).toBe(said('announce'))
})

test('a pool that leaves the file is withdrawn; one that another takes over is not', async () => {
  const { program, done } = route()
  const text = unchecked(program)
  const { director, reload } = await direct(text)
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  await reload(text.replace('web:', 'site:'))
  await expect.poll(done).toHaveLength(2)
  expect(done()[1]).toBe('word announce site 192.0.2.80')
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  await reload(text.replace('  web:', '  other:').replace('192.0.2.80', '192.0.2.90'))
  await expect.poll(done).toHaveLength(4)
  expect(done().slice(2).toSorted()).toEqual([
    'word announce other 192.0.2.90',
    'word withdraw site 192.0.2.80',
  ])
})

test('an address that a pool has no more is withdrawn before the new one is announced', async () => {
  const { program, done } = route()
  const { director, reload } = await direct(unchecked(program))
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  await reload(unchecked(program).replace('192.0.2.80', '192.0.2.90'))
  await expect
    .poll(done)
    .toEqual([said('announce'), said('withdraw'), 'word announce web 192.0.2.90'])
})

test('where one of two addresses leaves only that one is withdrawn', async () => {
  const { program, done } = route()
  const text = unchecked(program)
  const two = text.replace("['tcp/192.0.2.80:80']", "['tcp/192.0.2.80:80', 'tcp/192.0.2.81:80']")
  const { director, reload } = await direct(two)
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  await reload(text)
  await expect.poll(done).toHaveLength(3)
  expect(done().slice(1)).toEqual(['word withdraw web 192.0.2.81', said('announce')])
})

test('other addresses are held as those before were', async () => {
  const { program, done } = route()
  const text = unchecked(program).replace('word]', 'word], hold: 1h')
  const { director, reload } = await direct(text)
  await expect.poll(done).toEqual([said('announce')])
  await director.set('web/10.1.0.1', { admin: 'maintenance' })
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('withdraw')
  await director.set('web/10.1.0.1', { admin: 'ready' })
  await reload(text.replace('192.0.2.80', '192.0.2.90'))
  const { announce } = director.state().pools[0]!
  expect(announce!.wanted).toBe('announce')
  expect(announce!.heldUntil! - Date.now()).toBeGreaterThan(3_000_000)
  expect(done()).toEqual([said('announce'), said('withdraw')])
})

test('other ports are no reason to withdraw: what a check knows is news to the pool that opens then', async () => {
  const { program, done } = route()
  const { port } = await listen()
  const { director, reload } = await direct(file(program, port, ', hold: 1h'))
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  await reload(file(program, port, ', hold: 1h').replace(/:(80|443)'/g, ":8$1'"))
  await expect.poll(() => director.state().pools[0]!.quorum).toBe(true)
  expect(done()).toEqual(['word announce web 192.0.2.80 192.0.2.81'])
  expect(director.state().pools[0]!.announce).toMatchObject({ wanted: 'announce' })
})

test('a standby has its route withdrawn before its services go', async () => {
  const { program, done, set } = route()
  const { director, kernel, sent } = await direct(
    `role: { standby: withdraw }\n${unchecked(program)}`,
  )
  await director.become('active')
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  set('busy', true)
  sent.length = 0
  const standby = director.become('standby')
  await expect.poll(() => director.state().pools[0]!.announce?.wanted).toBe('withdraw')
  expect(sent).toEqual([])
  set('busy', false)
  await standby
  expect(done().at(-1)).toBe(said('withdraw'))
  expect(kernel.rules()).toBe('')
})

test('a route that does not go holds no standby up', async () => {
  const { program, set } = route()
  const { director, kernel } = await direct(`role: { standby: withdraw }\n${unchecked(program)}`)
  await director.become('active')
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  set('broken', true)
  await director.become('standby')
  expect(kernel.rules()).toBe('')
})

test('at the end there are eight programs at a time too', async () => {
  const { program, begun, lines, set } = route()
  set('busy', true)
  const all = Array.from({ length: 12 }, (_, at) => {
    const config = { exec: [program, 'word'], timeoutMs: 60_000, holdMs: 0, digest: '' }
    return new Announcement({ config, pool: `p${at}`, addresses: ['192.0.2.80'], tell: () => {} })
  })
  const ends = all.map((one) => one.close(['192.0.2.80']))
  await expect.poll(() => begun().length).toBeGreaterThanOrEqual(8)
  set('busy', false)
  await Promise.all(ends)
  let running = 0
  const counts = lines().map((line) => (running += line.startsWith('begin') ? 1 : -1))
  expect(Math.max(...counts)).toBe(8)
  expect(counts).toHaveLength(24)
})

test('a reload that changes nothing of it calls nobody', async () => {
  const { program, done, begun } = route()
  const { director, reload } = await direct(unchecked(program))
  await expect.poll(() => director.state().pools[0]!.announce?.done).toBe('announce')
  await reload(unchecked(program).replace('up: 2', 'up: 1'))
  expect(done()).toEqual([said('announce')])
  expect(begun()).toHaveLength(1)
  expect(director.state().pools[0]!.announce).toMatchObject({ done: 'announce' })
})

test.each([
  ['{ exec: /bin/true }', 'announce.exec must be a list: a program and its arguments'],
  ['{ exec: [] }', 'announce.exec must be a list'],
  ['{ exec: [/bin/true], hold: 5 }', 'announce.hold must be a time with a unit'],
  ['{ exec: [/bin/true], exce: [] }', 'announce.exce must be left out'],
])('%s is a mistake', async (value, message) => {
  const text = unchecked('/bin/true').replace(/announce: .*/, `announce: ${value}`)
  await expect(readConfig(text)).rejects.toThrow(`pools.web.${message}`)
})
