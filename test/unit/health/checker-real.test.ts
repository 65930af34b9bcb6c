// With real time, real sockets and an event loop that is really blocked.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Check,
  checks,
  HealthChecker,
  type HealthCheckerOptions,
  type HealthResultEvent,
} from '../../../src/health/index.js'
import { block } from './block.js'
import { answer, nothingLeftOpen, serve, tcpReply, udpReply } from './loopback.js'
import { failed, member, TestTarget } from './target.js'

let checker: HealthChecker | undefined

afterEach(async () => {
  await checker?.stop()
})

function start(target: TestTarget, options: Partial<HealthCheckerOptions> & { check: Check }) {
  checker = new HealthChecker(target, { timeoutMs: 60_000, ...options })
  const results: HealthResultEvent[] = []
  checker.on('result', (event) => results.push(event))
  checker.start()
  return { checker, results }
}

describe('a blocked event loop', () => {
  const silent: Check = (_member, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

  /** The first result of a check in whose time the event loop is blocked for `blockMs`, or for longer. */
  async function firstResult(
    check: Check,
    timeoutMs: number,
    blockMs: number,
  ): Promise<HealthResultEvent & { readonly blockedMs: number }> {
    let blockedMs = 0
    const { checker } = start(new TestTarget(member(1, 'up')), {
      timeoutMs,
      check: (member, context) => {
        const ended = check(member, context)
        if (blockedMs === 0) blockedMs = block(blockMs)
        return ended
      },
    })
    const [result] = await once(checker, 'result')
    await checker.stop()
    return { ...result, blockedMs }
  }

  it('gives a silent server its time back: then it has failed', async () => {
    const { outcome, reason, durationMs, blockedMs } = await firstResult(silent, 200, 400)
    expect({ outcome, reason }).toEqual({ outcome: 'failure', reason: 'no answer within 200 ms' })
    // It looks every 20 ms, and timers are whole milliseconds.
    expect(durationMs).toBeGreaterThanOrEqual(blockedMs + 200 - 20 - 2)
  })

  it('makes a time-out unknown that is blocked for many times its limit', async () => {
    const { outcome, failures, reason, durationMs, blockedMs } = await firstResult(silent, 100, 450)
    expect({ outcome, failures }).toEqual({ outcome: 'unknown', failures: 0 })
    const words = /^no answer within 100 ms, but our own event loop was blocked for (\d+) ms/
    const told = Number(words.exec(reason)?.[1])
    expect(told).toBeGreaterThanOrEqual(Math.floor(blockedMs - 20))
    expect(told).toBeLessThanOrEqual(Math.ceil(durationMs))
  })

  it.each([
    [new Error('no greeting'), 'unknown'],
    [new Error('connection refused', { cause: failed('ECONNREFUSED') }), 'failure'],
  ])(
    'makes unknown what a check says on timers of its own, but not what the system says: %s',
    async (error, outcome) => {
      const check: Check = async () => {
        await sleep(20)
        throw error
      }
      expect(await firstResult(check, 500, 350)).toMatchObject({ outcome })
    },
  )

  it('does not lose an answer that has arrived when the time is up', async () => {
    const server = await serve({ tcp: () => {} })
    // The loop looks at its timers before it reads its sockets.
    const check: Check = (_member, context) => checks.tcp()(server.member, context)
    const result = await firstResult(check, 200, 260)
    expect(result).toMatchObject({ outcome: 'success', reason: 'connected' })
    expect(result.durationMs).toBeGreaterThan(200)
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
    const check = checks.dns({ name: '.' })
    const { checker } = start(target, { check, intervalMs: 50, retryDelayMs: 10 })
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
    const check = checks.dns({ name: '.', connect: { address, port } })
    // A check that did not obey would be waited for so long.
    const { checker } = start(target, { check, timeoutMs: 86_400_000 })
    await expect.poll(() => server.connections.size).toBe(50)
    await checker.stop()
    await nothingLeftOpen()
    await expect.poll(() => process.getActiveResourcesInfo()).not.toContain('Immediate')
  })

  it('leaves nothing open after 2,000 checks', async () => {
    const server = await serve({ udp: udpReply(), tcp: tcpReply() })
    const { address, port } = server.member
    const target = new TestTarget(...Array.from({ length: 100 }, (_, i) => member(i + 1)))
    const check = checks.dns({ name: '.', connect: { address, port } })
    const { checker, results } = start(target, { check, intervalMs: 10, maxInFlight: 50 })
    await checker.ready()
    while (results.length <= 2000) await once(checker, 'result')
    await checker.stop()
    await nothingLeftOpen()
    expect(new Set(results.map((result) => result.outcome))).toEqual(new Set(['success']))
  })
})
