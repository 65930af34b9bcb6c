import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checks,
  type ExpectCheckOptions,
  type ExpectStep,
} from '../../../src/health/checks/index.js'
import { classify } from '../../../src/health/outcome.js'
import { type Client, connected, run as judge, outOfTime, serve } from './loopback.js'
import { pieces, type Script, scripted } from './script.js'

/** The outcome of a dialogue with a scripted server. */
async function run(
  dialogue: readonly ExpectStep[],
  script: Partial<Script>,
  options: Partial<ExpectCheckOptions> = {},
): Promise<string> {
  const { member } = await scripted({ first: true, turns: [], ...script })
  return judge(checks.expect({ dialogue, ...options }), member)
}

/** The same, with its time up when it has read all turns. */
async function runOutOfTime(
  dialogue: readonly ExpectStep[],
  script: Partial<Script>,
): Promise<string> {
  const { member } = await scripted({ first: true, turns: [], ...script })
  const all = Buffer.concat((script.turns ?? []).map((turn) => Buffer.from(turn as Uint8Array)))
  const hasRead = (client: Client) => connected(client) && client.bytes === all.length
  return outOfTime(checks.expect({ dialogue }), member, hasRead)
}

const greeting = [{ expect: /^220 / }]
const mail = [
  { expect: /^220 / },
  { send: 'NOOP\r\n', expect: '250 ', last: /^\d{3} / },
  { send: 'QUIT\r\n' },
]

describe('checks.expect', () => {
  it('sends and expects in turn, and shows the last answer', async () => {
    const server = await scripted({ first: true, turns: ['220 mail\r\n', '250-a\r\n250 b\r\n'] })
    expect(await judge(checks.expect({ dialogue: mail }), server.member)).toBe(
      'healthy: answered "250-a\\n250 b"',
    )
    await expect.poll(() => server.sent().toString()).toBe('NOOP\r\nQUIT\r\n')
  })

  it('takes bytes to send, and text as UTF-8', async () => {
    const server = await scripted({ first: false, turns: ['a\n', 'b\n'] })
    const bytes = new Uint8Array([0, 255, 10])
    const check = checks.expect({
      dialogue: [
        { send: bytes, expect: 'a' },
        { send: 'é', expect: 'b' },
      ],
    })
    bytes.fill(1)
    expect(await judge(check, server.member)).toBe('healthy: answered "b"')
    expect(server.sent()).toEqual(Buffer.from([0, 255, 10, 0xc3, 0xa9]))
  })

  it('reads several answers that come at once, one step each', async () => {
    const steps = [{ expect: 'one' }, { expect: 'two' }, { expect: /^three$/ }]
    expect(await run(steps, { turns: ['one\r\ntwo\nthree\r\n'] })).toBe('healthy: answered "three"')
  })

  it('looks at the last line of several, and with a regular expression at all of them', async () => {
    const answer = { turns: ['250-STARTTLS\r\n250 ok\r\n'] }
    const last = /^250 /
    const said = 'answered "250-STARTTLS\\n250 ok"'
    for (const wanted of ['250 ok', /^250 ok$/, /STARTTLS/, /^250-.*\n250 ok$/])
      expect(await run([{ expect: wanted, last }], answer)).toBe(`healthy: ${said}`)
    for (const wanted of ['250-', 'ok', /^ok/])
      expect(await run([{ expect: wanted, last }], answer)).toContain(`${said}, expected `)
  })

  it('only sends, when told', async () => {
    expect(await run([{ send: 'x' }], {})).toBe('healthy: sent')
  })

  it('has the name it is given', async () => {
    const said = await run(greeting, { turns: ['554 no service\r\n'] }, { name: 'smtp' })
    expect(said).toBe('smtp HOST: answered "554 no service", expected /^220 /')
  })

  it('works over IPv6 and to other places', async () => {
    const { member } = await serve({ tcp: (socket) => void socket.write('220 hi\r\n') }, '::1')
    expect(await judge(checks.expect({ dialogue: greeting }), member)).toBe(
      'healthy: answered "220 hi"',
    )
    const connect = { address: member.address, port: member.port }
    const other = { key: 'x', address: '127.0.0.1', port: 0 }
    expect(await judge(checks.expect({ dialogue: greeting, connect }), other)).toBe(
      'healthy: answered "220 hi"',
    )
  })

  describe('says what is wrong', () => {
    it('refused', async () => {
      const { member } = await serve({})
      expect(await judge(checks.expect({ dialogue: mail }), member)).toBe(
        'expect HOST: connection refused',
      )
    })

    it('silent', async () => {
      expect(await runOutOfTime(greeting, {})).toBe(
        'expect HOST: no answer within 80 ms (waiting for /^220 /)',
      )
      expect(await runOutOfTime(mail, { turns: ['220 hi\r\n'] })).toBe(
        'expect HOST: no answer within 80 ms (waiting for "250 " in step 2)',
      )
    })

    it('half a line, half an answer', async () => {
      expect(await runOutOfTime(greeting, { turns: ['22'] })).toBe(
        'expect HOST: no answer within 80 ms (waiting for /^220 /, so far "22")',
      )
      expect(await runOutOfTime(mail, { turns: ['220 hi\r\n', '250-one\r\n250-'] })).toBe(
        'expect HOST: no answer within 80 ms (waiting for "250 " in step 2, so far "250-one\\r\\n250-")',
      )
    })

    it('closed too early', async () => {
      const close = (text: string) => serve({ tcp: (socket) => void socket.end(text) })
      const nothing = await close('')
      expect(await judge(checks.expect({ dialogue: greeting }), nothing.member)).toBe(
        'expect HOST: the server closed the connection, expected /^220 /',
      )
      const half = await close('22')
      expect(await judge(checks.expect({ dialogue: greeting }), half.member)).toBe(
        'expect HOST: the server closed the connection after "22", expected /^220 /',
      )
      // What is complete counts, closed or not.
      const whole = await close('220 x\r\n')
      expect(await judge(checks.expect({ dialogue: greeting }), whole.member)).toBe(
        'healthy: answered "220 x"',
      )
    })

    it('reset in the middle', async () => {
      const { member } = await serve({
        tcp: (socket) => {
          socket.write('220-a\r\n')
          socket.once('data', () => socket.resetAndDestroy())
        },
      })
      const dialogue = [{ expect: '220-' }, { send: 'x', expect: /y/ }]
      expect(await judge(checks.expect({ dialogue }), member)).toBe(
        'expect HOST: connection reset by peer (waiting for /y/ in step 2)',
      )
    })

    it('a wrong answer at once, with the step', async () => {
      expect(await run(mail, { turns: ['220 hi\r\n', '421 going down\r\n'] })).toBe(
        'expect HOST: answered "421 going down" in step 2, expected "250 "',
      )
    })

    it('an answer without an end', async () => {
      const said = await run(greeting, { turns: ['x'.repeat(20_000)] })
      expect(said).toBe(
        `expect HOST: more than 16384 bytes without an end of the answer, which begins "${'x'.repeat(80)}…"`,
      )
      const small = await run(greeting, { turns: ['220 0123456789\r\n'] }, { maxBytes: 10 })
      expect(small).toContain('more than 10 bytes')
      expect(await run(greeting, { turns: ['220 01234\n'] }, { maxBytes: 10 })).toMatch(/^healthy/)
    })

    it('bytes that are no text, and text that would confuse', async () => {
      expect(await run(greeting, { turns: [Buffer.from('J\0\0\0\n5.7', 'latin1')] })).toBe(
        'expect HOST: answered "J\\u0000\\u0000\\u0000", expected /^220 /',
      )
      const rule = () => 'no'
      expect(await run([{ expect: rule }], { turns: [Buffer.alloc(40, 0xfe)] })).toBe(
        `expect HOST: answered bytes ${'fe'.repeat(24)}… (40): no`,
      )
      expect(await run(greeting, { turns: ['\u202e\u0085\u2028\x1b[31m\n'] })).toBe(
        'expect HOST: answered "\\u{202e}\\u{85}\\u{2028}\\u001b[31m", expected /^220 /',
      )
    })
  })

  it('never shows what it sends', async () => {
    const secret = [{ send: 'AUTH hunter2\r\n', expect: '+OK' }]
    for (const turns of [[], ['-ERR\r\n'], ['+']])
      expect(await runOutOfTime(secret, { first: false, turns })).not.toContain('hunter2')
  })

  describe('a function', () => {
    const four = (received: Buffer) =>
      received.length < 4 ? 'more' : received.readUInt32BE() === 7 || 'not seven'

    it('waits for more, accepts or says what is wrong', async () => {
      expect(await run([{ expect: four }], { turns: [Buffer.from([0, 0, 0, 7])] })).toBe(
        'healthy: answered bytes 00000007',
      )
      expect(await run([{ expect: four }], { turns: [Buffer.from([0, 0, 0, 8])] })).toBe(
        'expect HOST: answered bytes 00000008: not seven',
      )
      expect(await runOutOfTime([{ expect: four }], { turns: [Buffer.from([0, 0])] })).toBe(
        'expect HOST: no answer within 80 ms (waiting for the answer, so far bytes 0000)',
      )
    })

    it('that throws fails the check', async () => {
      const said = await run(
        [
          {
            expect: () => {
              throw new Error('broken')
            },
          },
        ],
        { turns: ['x'] },
      )
      expect(said).toBe('expect HOST: broken')
    })

    it('that returns nonsense proves nothing about the server', async () => {
      const { member } = await scripted({ first: true, turns: ['x'] })
      const check = checks.expect({ dialogue: [{ expect: (() => false) as never }] })
      const error = await check(member, { signal: new AbortController().signal }).catch((e) => e)
      expect(error.message).toContain("returned false, not 'more', true or a text")
      expect(classify(error)).toBe('unknown')
    })
  })

  it('is not confused by a regular expression with a memory', async () => {
    const { member } = await scripted({ first: true, turns: ['220 a\n'] })
    const pattern = /220/g
    const check = checks.expect({ dialogue: [{ expect: pattern }] })
    for (let i = 0; i < 3; i++) expect(await judge(check, member)).toMatch(/^healthy/)
  })

  it('gives the same result however the bytes are split', async () => {
    const answers = fc.constantFrom(
      ['220 é mail\r\n', '250-a\r\n250 b\r\n'],
      ['220 mail\n', '250-a\n451 no\n'],
      ['554 no\r\n'],
      ['220 a\r\n', `250-${'x'.repeat(100)}\r\n`],
    )
    const cuts = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 20 })
    const check = checks.expect({ dialogue: mail, maxBytes: 64 })
    const whole = new Map<string, string>()
    await fc.assert(
      fc.asyncProperty(answers, cuts, async (turns, sizes) => {
        const inPieces = await scripted({ first: true, turns }, (bytes) => pieces(bytes, sizes))
        const key = turns.join()
        if (!whole.has(key)) {
          const once = await scripted({ first: true, turns })
          whole.set(key, await judge(check, once.member))
          await once.close()
        }
        expect(tail(await judge(check, inPieces.member))).toBe(tail(whole.get(key) ?? ''))
        await inPieces.close()
      }),
      { numRuns: 60 },
    )

    /** How much of an endless answer had come by then is a matter of time. */
    function tail(said: string): string {
      return said.replace(/which begins .*/, '')
    }
  })

  it.each<[unknown, string]>([
    [{}, 'options.dialogue'],
    [{ dialogue: [] }, 'options.dialogue'],
    [{ dialogue: ['220'] }, 'options.dialogue[0]'],
    [{ dialogue: [{}] }, 'options.dialogue[0]'],
    [{ dialogue: [{ send: 5 }] }, 'options.dialogue[0].send'],
    [{ dialogue: [{ expect: 5 }] }, 'options.dialogue[0].expect'],
    [{ dialogue: [{ expect: '' }] }, 'options.dialogue[0].expect'],
    [{ dialogue: [{ expect: 'a\r\n' }] }, 'options.dialogue[0].expect'],
    [{ dialogue: [{ expect: 'a', last: 'b' }] }, 'options.dialogue[0].last'],
    [{ dialogue: [{ expect: 'a' }, { send: 'a', last: /b/ }] }, 'options.dialogue[1].last'],
    [{ dialogue: [{ expect: () => true, last: /b/ }] }, 'options.dialogue[0].last'],
    [{ dialogue: [{ recv: 'a' }] }, 'options.dialogue[0].recv'],
    [{ dialogue: [{ expect: 'a' }], maxBytes: 0 }, 'options.maxBytes'],
    [{ dialogue: [{ expect: 'a' }], name: 1 }, 'options.name'],
    [{ dialogue: [{ expect: 'a' }], steps: 1 }, 'options.steps'],
    [{ dialogue: [{ expect: 'a' }], port: 0 }, 'options.port'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.expect(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})
