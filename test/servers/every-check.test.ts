// Every known server with its own checks, good, slow, silent and gone; with every other check; and all at once in the hands of a
// HealthChecker. CONTRIBUTING.md, "A new check", says what to add for another one.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HealthChecker } from '../../src/health/checker.js'
import { TestTarget } from '../unit/health/target.js'
import { judge, place } from './judge.js'
import { slowly } from './proxy.js'
import { Server } from './server.js'

/** What is wrong with a server of another kind: an answer that is no answer, the end, or silence. */
const wrong =
  /HOST: (answered .*|status 40[04], .*|not HTTP: .*|TLS: .*|the server closed the (?:connection|stream).*|connection reset by peer.*|broken pipe|no answer within 300 ms.*|malformed reply.*|HTTP\/2: .*|REFUSED|SERVFAIL|NXDOMAIN|connection refused|.*more than \d+ bytes.*)$/

const placed = place(7000)
const all = placed.flatMap(({ name, checks }) =>
  checks.map((known) => ({ server: name, ...known })),
)
const servers = new Map<string, Server>()

beforeAll(async () => {
  const started = placed.map(async ({ name, plan }) => {
    servers.set(name, await Server.start(plan))
  })
  await Promise.all(started)
})
afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.remove()))
})

// A connection is all that tcp wants, and ping not even that: they take everybody for their own.
const choosy = all.filter(({ name }) => name !== 'tcp' && name !== 'ping')

it.each(choosy)('$label knows $server, and nobody else', async ({ check, member, healthy }) => {
  expect(await judge(check, member)).toMatch(healthy)
  const others = all.filter((other) => other.member.port !== member.port)
  const said = await Promise.all(
    others.map(async (other) => `${other.label}: ${await judge(check, other.member, 300)}`),
  )
  for (const one of said) expect(one).toMatch(wrong)
})

describe.each(all)(
  '$label, of $server',
  ({ server: name, label, check, member, healthy, silent, partly }) => {
    const server = () => servers.get(name)!

    it('is healthy a hundred times, without a trace', async () => {
      for (let i = 0; i < 100; i++) expect(await judge(check, member)).toMatch(healthy)
    })
    if (silent === undefined || partly === undefined) return

    it('is healthy when every byte comes by itself', async () => {
      const proxy = await slowly(member, 0, 'byte')
      expect(await judge(check, proxy.member)).toMatch(healthy)
      await proxy.close()
    })

    it('is too slow, but healthy with more time', async () => {
      const tooSlow = new RegExp(`^${label} HOST: no answer within 200 ms`)
      const late = await slowly(member, 300, 'chunk')
      expect(await judge(check, late.member, 200)).toMatch(tooSlow)
      expect(await judge(check, late.member, 5000)).toMatch(healthy)
      await late.close()
      const trickle = await slowly(member, 80, 'byte')
      const some = await judge(check, trickle.member, 200)
      expect(some).toMatch(tooSlow)
      expect(some).toMatch(partly)
      await trickle.close()
    })

    it('is silent while the server is stopped, healthy when it goes on', async () => {
      await server().freeze()
      expect(await judge(check, member, 200)).toBe(
        `${label} HOST: no answer within 200 ms${silent}`,
      )
      server().thaw()
      await expect.poll(() => judge(check, member), { timeout: 10_000 }).toMatch(healthy)
    })

    it('is refused when the server has ended, healthy when it is back', async () => {
      await server().stop()
      expect(await judge(check, member)).toBe(`${label} HOST: connection refused`)
      await server().start()
      await expect.poll(() => judge(check, member), { timeout: 10_000 }).toMatch(healthy)
    })
  },
)

it('a checker sees all of them up, silent, back, and gone', async () => {
  const ofPort = (port: number) => choosy.findIndex(({ member }) => member.port === port)
  const watched = choosy.filter(({ member }, index) => ofPort(member.port) === index)
  const byKey = new Map(watched.map(({ member, check }) => [member.key, check]))
  const target = new TestTarget(...watched.map(({ member }) => member))
  const checker = new HealthChecker(target, {
    check: (member, context) => byKey.get(member.key)?.(member, context) ?? Promise.reject(),
    intervalMs: 300,
    timeoutMs: 250,
    retryDelayMs: 50,
    rise: 1,
    fall: 2,
  })
  const states = () => checker.status().map(({ state }) => state)
  const every = (state: string) => watched.map(() => state)
  const within = { timeout: 20_000 }
  checker.start()
  try {
    await expect.poll(states, within).toEqual(every('up'))
    await Promise.all([...servers.values()].map((server) => server.freeze()))
    await expect.poll(states, within).toEqual(every('down'))
    for (const { verdict } of target.reports.slice(-watched.length))
      expect(verdict.reason).toMatch(/no answer within 250 ms/)
    for (const server of servers.values()) server.thaw()
    await expect.poll(states, within).toEqual(every('up'))
    await Promise.all([...servers.values()].map((server) => server.stop()))
    await expect.poll(states, within).toEqual(every('down'))
    // The first failure may still be the reset of a connection that was open.
    const others = () =>
      checker.status().filter(({ reason }) => !reason.includes('connection refused'))
    await expect.poll(others, within).toEqual([])
  } finally {
    await checker.stop()
  }
  // Whoever comes next finds them as they were.
  await Promise.all([...servers.values()].map((server) => server.start()))
})
