import { decode, encode } from 'dns-packet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks, type DnsCheckOptions } from '../../src/health/checks/index.js'
import { judge, memberAt } from './judge.js'
import { unboundPlan } from './plans.js'
import { Server } from './server.js'

describe('unbound', () => {
  const port = 5300
  const member = memberAt(port)
  let server: Server
  beforeAll(async () => {
    server = await Server.start(unboundPlan({ port }))
  })
  afterAll(() => server?.remove())

  const ask = (options: Partial<DnsCheckOptions> = {}, timeoutMs = 2000) =>
    judge(checks.dns({ name: 'example.test', ...options }), member, timeoutMs)

  it('answers over both protocols', async () => {
    expect(await ask()).toBe('healthy: udp NOERROR, 2 answers; tcp NOERROR, 2 answers')
    expect(await ask({ answer: ['192.0.2.2', '192.0.2.1'] })).toMatch(/^healthy/)
  })

  it('gives the wrong answer', async () => {
    expect(await ask({ name: 'other.test', answer: '192.0.2.1', protocols: ['udp'] })).toBe(
      'dns udp HOST: no A record 192.0.2.1, but 192.0.2.9',
    )
    expect(await ask({ name: 'no.example.test' })).toBe(
      'dns udp HOST: NXDOMAIN; dns tcp HOST: NXDOMAIN',
    )
    expect(await ask({ name: 'broken.example' })).toBe(
      'dns udp HOST: SERVFAIL; dns tcp HOST: SERVFAIL',
    )
    expect(await ask({ name: 'refused.test' })).toBe('dns udp HOST: REFUSED; dns tcp HOST: REFUSED')
  })

  it('answers a bare datagram', async () => {
    const query = (name: string) =>
      encode({ type: 'query', id: 7, questions: [{ name, type: 'A' }] })
    const ours = (name: string) =>
      checks.udp({
        payload: query(name),
        reply: (reply) => reply.readUInt16BE() === 7 && decode(reply).answers?.length === 2,
      })
    expect(await judge(ours('example.test'), member)).toMatch(/^healthy: a reply of \d+ bytes/)
    expect(await judge(ours('no.example.test'), member, 200)).toMatch(
      /^udp HOST: no answer within 200 ms \(1 ignored: /,
    )
    expect(await judge(ours('silent.test'), member, 200)).toBe('udp HOST: no answer within 200 ms')
    expect(await judge(ours('example.test'), memberAt(1))).toBe('udp HOST: connection refused')
  })

  it('does not know us', async () => {
    expect(await ask({ localAddress: '127.0.0.66', protocols: ['udp'] })).toBe(
      'dns udp HOST: REFUSED',
    )
  })

  it('is silent about one zone', async () => {
    expect(await ask({ name: 'silent.test', protocols: ['udp'] }, 200)).toBe(
      'dns udp HOST: no answer within 200 ms',
    )
  })

  it('is silent while it is stopped, healthy when it goes on', async () => {
    await server.freeze()
    expect(await ask({}, 200)).toBe(
      'dns udp HOST: no answer within 200 ms; dns tcp HOST: no answer within 200 ms',
    )
    server.thaw()
    await expect.poll(() => ask(), { timeout: 10_000 }).toMatch(/^healthy/)
  })

  it('is refused when it has ended, healthy when it is back', async () => {
    await server.stop()
    expect(await ask()).toBe('dns udp HOST: connection refused; dns tcp HOST: connection refused')
    await server.start()
    await expect.poll(() => ask(), { timeout: 10_000 }).toMatch(/^healthy/)
  })
})
