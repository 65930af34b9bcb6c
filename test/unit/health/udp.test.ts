import { createHook } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { checks, type UdpCheckOptions } from '../../../src/health/checks/index.js'
import { classify } from '../../../src/health/outcome.js'
import {
  type LoopbackServer,
  nothingLeftOpen,
  outcomeOf,
  outOfTime,
  run,
  serve,
  stopAnywhere,
} from './loopback.js'

const udp = (options: Partial<UdpCheckOptions> = {}) => checks.udp({ payload: 'ping', ...options })
const pong = Buffer.from('pong 42')
const answering = (...replies: Buffer[]) => ({
  udp: (_query: Buffer, reply: (message: Buffer) => void) => {
    for (const message of replies) reply(message)
  },
})

const asked = (server: LoopbackServer) => () => server.datagrams.length === 1

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

  it('fails without waiting when refused', async () => {
    const { member } = await serve({})
    expect(await run(udp(), member)).toBe('udp HOST: connection refused')
  })

  it('fails when nothing comes: silence is never health', async () => {
    const server = await serve({ udp: () => {} })
    expect(await outOfTime(udp(), server.member, asked(server))).toBe(
      'udp HOST: no answer within 80 ms',
    )
  })

  it('fails when the reply is late', async () => {
    let answer = () => {}
    const server = await serve({
      udp: (_query, reply) => {
        answer = () => reply(pong)
      },
    })
    const said = outOfTime(udp(), server.member, asked(server))
    expect(await said).toBe('udp HOST: no answer within 80 ms')
    answer()
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
      // A regular expression remembers nothing from the first time.
      for (let time = 0; time < 2; time++) {
        if (wrong === undefined) {
          expect(await run(check, member)).toBe('healthy: a reply of 7 bytes')
        } else {
          expect(await outOfTime(check, member, ({ datagrams }) => datagrams >= 1)).toBe(
            `udp HOST: no answer within 80 ms (1 ignored: ${wrong})`,
          )
        }
      }
    },
  )

  it('waits for the right reply among others, and counts those', async () => {
    const right = await serve(answering(Buffer.from('a'), Buffer.from([0, 255]), pong))
    expect(await run(udp({ reply: /^pong/ }), right.member)).toBe('healthy: a reply of 7 bytes')
    const wrong = await serve(
      answering(...['a', 'a', 'b', 'c', 'd', 'e'].map((text) => Buffer.from(text))),
    )
    const check = udp({ reply: 'pong' })
    expect(await outOfTime(check, wrong.member, ({ datagrams }) => datagrams >= 6)).toBe(
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
    await nothingLeftOpen()
  })

  it('leaves nothing open at an abort, whenever it comes', async () => {
    const { member } = await serve(answering(pong))
    for (const localAddress of [undefined, '127.0.0.9']) {
      const reasons = await stopAnywhere(udp({ localAddress }), member)
      expect(reasons.length).toBeGreaterThan(1)
      for (const reason of reasons) expect(reason).toBe('udp HOST: stopped')
    }
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
    [{ silence: 'alive' }, 'options.silence'],
    [{ silence: 'ping', reply: 'pong' }, 'options.reply'],
    [{ localAddress: 'lo' }, 'options.localAddress'],
    [{ timeoutMs: 5 }, 'options.timeoutMs'],
  ])('refuses %j', (options, option) => {
    expect(() => udp(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
