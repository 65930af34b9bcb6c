// With real time, real sockets and an event loop that is really blocked.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Check,
  checks,
  HealthChecker,
  type HealthResultEvent,
} from '../../../src/health/index.js'
import { answer, leftOpen, serve, tcpReply, udpReply } from './loopback.js'
import { failed, member, TestTarget } from './target.js'

let checker: HealthChecker | undefined

afterEach(async () => {
  await checker?.stop()
})

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

function start(target: TestTarget, check: Check, options = {}) {
  checker = new HealthChecker(target, { check, intervalMs: 1000, timeoutMs: 200, ...options })
  const results: HealthResultEvent[] = []
  checker.on('result', (event) => results.push(event))
  checker.start()
  return { checker, results }
}

const silent: Check = (_member, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

describe('a blocked event loop', () => {
  it('makes a time-out unknown', async () => {
    const { results } = start(new TestTarget(member(1, 'up')), silent)
    await sleep(20)
    block(400)
    await expect.poll(() => results.length).toBe(1)
    expect(results[0]).toMatchObject({ outcome: 'unknown', failures: 0 })
    expect(results[0]?.reason).toMatch(
      /^no answer within 200 ms, but our own event loop was blocked for [34]\d\d ms/,
    )
  })

  it('makes a time-out unknown when blocked within its time', async () => {
    const { results } = start(new TestTarget(member(1, 'up')), silent, { timeoutMs: 400 })
    await sleep(20)
    block(330)
    await expect.poll(() => results.length).toBe(1)
    expect(results[0]).toMatchObject({ outcome: 'unknown', failures: 0 })
  })

  it('makes unknown what a check says on timers of its own, but not what the system says', async () => {
    const impatient: Check = async () => {
      await sleep(20)
      throw new Error('no greeting')
    }
    const refused: Check = async () => {
      await sleep(20)
      throw new Error('tcp 10.1.0.1:53: connection refused', { cause: failed('ECONNREFUSED') })
    }
    for (const [check, outcome] of [
      [impatient, 'unknown'],
      [refused, 'failure'],
    ] as const) {
      const { checker, results } = start(new TestTarget(member(1, 'up')), check, { timeoutMs: 500 })
      await new Promise((resolve) => setImmediate(resolve))
      block(350)
      await expect.poll(() => results.length).toBe(1)
      expect(results[0]).toMatchObject({ outcome })
      await checker.stop()
    }
  })

  it('does not excuse a silent server when it was short, or over before', async () => {
    const { results } = start(new TestTarget(member(1, 'up')), silent, { timeoutMs: 300 })
    block(200)
    await sleep(150)
    block(20)
    await expect.poll(() => results.length).toBe(1)
    expect(results[0]).toMatchObject({ outcome: 'failure', failures: 1 })
  })

  it('does not lose an answer that has arrived when the time is up', async () => {
    const server = await serve({ tcp: () => {} })
    // Blocked after the loop has read its sockets and before it looks at its timers.
    const check: Check = async (member, context) => {
      await sleep(170)
      await new Promise((resolve) => setImmediate(resolve))
      const connected = checks.tcp()(member, context)
      block(60)
      return connected
    }
    const { results } = start(new TestTarget(server.member), check)
    await expect.poll(() => results.length).toBe(1)
    expect(results[0]).toMatchObject({ outcome: 'success', reason: 'connected' })
    expect(results[0]?.durationMs).toBeGreaterThan(200)
  })

  it('does not make every result unknown when the time limit is as short as timers are coarse', async () => {
    const { results } = start(new TestTarget(member(1, 'up')), silent, {
      intervalMs: 20,
      timeoutMs: 1,
    })
    await expect.poll(() => results.length).toBeGreaterThan(10)
    expect(results.filter((result) => result.outcome === 'failure').length).toBeGreaterThan(5)
  })
})

describe('with real checks', () => {
  it('follows a DNS server that dies on TCP and comes back', async () => {
    let dead = false
    const server = await serve({
      udp: udpReply(),
      tcp: (socket, self) => (dead ? socket.resetAndDestroy() : tcpReply(answer)(socket, self)),
    })
    const target = new TestTarget(server.member)
    const options = { intervalMs: 50, retryDelayMs: 10, timeoutMs: 500 }
    const { checker } = start(target, checks.dns({ name: '.' }), options)
    await checker.ready()
    expect(target.log()).toEqual([`${server.member.key} up!`])
    dead = true
    await expect.poll(() => target.reports.length).toBe(2)
    expect(target.reports[1]?.verdict).toMatchObject({
      healthy: false,
      initial: false,
      reason: `dns tcp ${server.member.key}: connection reset by peer`,
    })
    dead = false
    await expect.poll(() => target.reports.length).toBe(3)
    expect(target.reports[2]?.verdict.healthy).toBe(true)
  })

  it('leaves nothing open when stopped in the middle of its checks', async () => {
    const server = await serve({ udp: () => {}, tcp: (socket) => socket.resume() })
    const { address, port } = server.member
    const target = new TestTarget(...Array.from({ length: 50 }, (_, i) => member(i + 1)))
    const { checker } = start(target, checks.dns({ name: '.', connect: { address, port } }))
    await expect.poll(() => server.connections.size).toBe(50)
    const before = performance.now()
    await checker.stop()
    expect(performance.now() - before).toBeLessThan(100)
    expect(await leftOpen()).toEqual([])
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Immediate')).toEqual([])
  })

  it('leaves nothing open after 2,000 checks', { timeout: 30_000 }, async () => {
    const server = await serve({ udp: udpReply(), tcp: tcpReply() })
    const { address, port } = server.member
    const target = new TestTarget(...Array.from({ length: 100 }, (_, i) => member(i + 1)))
    const check = checks.dns({ name: '.', connect: { address, port } })
    const { checker, results } = start(target, check, {
      intervalMs: 100,
      timeoutMs: 2000,
      maxInFlight: 50,
    })
    await checker.ready()
    await expect.poll(() => results.length, { timeout: 25_000 }).toBeGreaterThan(2000)
    await checker.stop()
    expect(await leftOpen()).toEqual([])
    expect(new Set(results.map((result) => result.outcome))).toEqual(new Set(['success']))
  })
})
