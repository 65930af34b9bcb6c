import { createHook } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { checks, type UdpCheckOptions } from '../../../src/health/checks/index.js'
import { classify } from '../../../src/health/outcome.js'
import { leftOpen, outcomeOf, run, serve } from './loopback.js'

const udp = (options: Partial<UdpCheckOptions> = {}) => checks.udp({ payload: 'ping', ...options })
const pong = Buffer.from('pong 42')
const answering = (...replies: Buffer[]) => ({
  udp: (_query: Buffer, reply: (message: Buffer) => void) => {
    for (const message of replies) reply(message)
  },
})

describe('checks.udp', () => {
  it('sends the payload and takes any reply', async () => {
    const seen: Buffer[] = []
    const { member } = await serve({
      udp: (query, reply) => {
        seen.push(query)
        reply(pong)
      },
    })
    expect(await run(udp(), member)).toBe('healthy: a reply of 7 bytes')
    expect(await run(udp({ payload: Buffer.from('00ff', 'hex') }), member)).toMatch(/^healthy/)
    expect(await run(udp({ payload: new Uint8Array([7]) }), member)).toMatch(/^healthy/)
    expect(await run(udp({ payload: '' }), member)).toMatch(/^healthy/)
    expect(seen.map((query) => query.toString('hex'))).toEqual(['70696e67', '00ff', '07', ''])
  })

  it('works over IPv6', async () => {
    const { member } = await serve(answering(pong), '::1')
    expect(await run(udp(), member)).toBe('healthy: a reply of 7 bytes')
  })

  it('fails at once when refused', async () => {
    const { member } = await serve({})
    const before = performance.now()
    expect(await run(udp(), member, 5000)).toBe('udp HOST: connection refused')
    expect(performance.now() - before).toBeLessThan(2500)
  })

  it('fails when nothing comes: silence is never health', async () => {
    const { member } = await serve({ udp: () => {} })
    expect(await run(udp(), member)).toBe('udp HOST: no answer within 80 ms')
  })

  it('fails when the reply is late', async () => {
    const { member } = await serve({
      udp: (_query, reply) => void sleep(150).then(() => reply(pong)),
    })
    expect(await run(udp(), member)).toBe('udp HOST: no answer within 80 ms')
  })

  it.each([
    ['pong', undefined],
    ['ping', 'no "ping" in "pong 42"'],
    [Buffer.from('g 4'), undefined],
    [new Uint8Array([0, 1]), 'no bytes 0001 in "pong 42"'],
    [/^pong \d+$/, undefined],
    [/4/g, undefined],
    [/^ping/, '/^ping/ does not match "pong 42"'],
    [(reply: Buffer) => reply.length === 7, undefined],
    [() => false, 'not what is expected'],
    [() => 'serial too old', 'serial too old'],
  ] satisfies [UdpCheckOptions['reply'], string | undefined][])(
    'reply %s: %s',
    async (reply, wrong) => {
      const { member } = await serve(answering(pong))
      const check = udp({ reply })
      const expected =
        wrong === undefined
          ? 'healthy: a reply of 7 bytes'
          : `udp HOST: no answer within 80 ms (1 ignored: ${wrong})`
      expect(await run(check, member)).toBe(expected)
      // A regular expression remembers nothing from the first time.
      expect(await run(check, member)).toBe(expected)
    },
  )

  it('waits for the right reply among others, and counts those', async () => {
    const right = await serve(answering(Buffer.from('a'), Buffer.from([0, 255]), pong))
    expect(await run(udp({ reply: /^pong/ }), right.member)).toBe('healthy: a reply of 7 bytes')
    const wrong = await serve(
      answering(...['a', 'a', 'b', 'c', 'd', 'e'].map((text) => Buffer.from(text))),
    )
    expect(await run(udp({ reply: 'pong' }), wrong.member)).toBe(
      'udp HOST: no answer within 80 ms (2 ignored: no "pong" in "a", ' +
        '1 ignored: no "pong" in "b", 1 ignored: no "pong" in "c", 2 ignored: other reasons)',
    )
  })

  it('fails when the function for the reply throws', async () => {
    const { member } = await serve(answering(pong))
    const reply = () => {
      throw new Error('cannot read this')
    }
    expect(await run(udp({ reply }), member)).toBe('udp HOST: cannot read this')
  })

  it('sends from another address when told', async () => {
    const { member } = await serve(answering(pong))
    expect(await run(udp({ localAddress: '127.0.0.9' }), member)).toMatch(/^healthy/)
    const nowhere = udp({ localAddress: '192.0.2.9' })
    const error = await nowhere(member, { signal: new AbortController().signal }).catch(
      (thrown: unknown) => thrown,
    )
    expect(classify(error)).toBe('unknown')
    expect(await leftOpen()).toEqual([])
  })

  it('leaves nothing open at an abort, whenever it comes', async () => {
    const { member } = await serve({ udp: () => {} })
    for (const localAddress of [undefined, '127.0.0.9']) {
      for (const waitMs of [0, 1, 5]) {
        const controller = new AbortController()
        const said = outcomeOf(udp({ localAddress })(member, { signal: controller.signal }))
        if (waitMs > 0) await sleep(waitMs)
        controller.abort()
        expect(await said).toBe(`udp ${member.key}: stopped`)
      }
    }
    expect(await leftOpen()).toEqual([])
    const before = outcomeOf(udp()(member, { signal: AbortSignal.abort() }))
    expect(await before).toBe(`udp ${member.key}: stopped`)
  })

  it('never asks the thread pool', async () => {
    const { member } = await serve(answering(pong))
    const seen = new Set<string>()
    const hook = createHook({ init: (_id, type) => seen.add(type) }).enable()
    await run(udp({ localAddress: '127.0.0.9' }), member)
    hook.disable()
    expect(seen).toContain('UDPWRAP')
    expect([...seen].filter((type) => /GETADDRINFO|QUERYWRAP|FSREQ/.test(type))).toEqual([])
  })

  it.each([
    [{ payload: undefined }, 'options.payload'],
    [{ payload: 5 }, 'options.payload'],
    [{ payload: Buffer.alloc(65_508) }, 'options.payload'],
    [{ reply: '' }, 'options.reply'],
    [{ reply: 5 }, 'options.reply'],
    [{ localAddress: 'lo' }, 'options.localAddress'],
    [{ timeoutMs: 5 }, 'options.timeoutMs'],
  ])('refuses %j', (options, option) => {
    expect(() => udp(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
