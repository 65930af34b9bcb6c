import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { behavesAsDialogue } from './dialogue.js'
import { run } from './loopback.js'
import { pieces, scripted } from './script.js'

behavesAsDialogue('redis', {
  check: checks.redis(),
  healthy: { first: false, turns: ['+PONG\r\n'] },
  detail: 'answered "+PONG"',
  sent: '*1\r\n$4\r\nPING\r\n',
  awaited: '+PONG to PING',
  wrong: [
    [
      ['-LOADING Redis is loading the dataset in memory\r\n'],
      'answered "-LOADING Redis is loading the dataset in memory" to PING, expected +PONG',
    ],
    [
      ['-NOAUTH Authentication required.\r\n'],
      'answered "-NOAUTH Authentication required." to PING, expected +PONG',
    ],
    [['+PONGO\r\n'], 'answered "+PONGO" to PING, expected +PONG'],
    [['HTTP/1.1 400 Bad Request\r\n'], 'expected +PONG'],
  ],
})

describe('checks.redis', () => {
  it('logs in first when told, and never shows the password', async () => {
    const server = await scripted({ first: false, turns: ['+OK\r\n', '+PONG\r\n'] })
    const check = checks.redis({ user: 'probe', password: 'hünter\r\n2' })
    expect(await run(check, server.member)).toBe('healthy: answered "+PONG"')
    expect(server.sent().toString()).toBe(
      '*3\r\n$4\r\nAUTH\r\n$5\r\nprobe\r\n$10\r\nhünter\r\n2\r\n*1\r\n$4\r\nPING\r\n',
    )
    const wrong = await scripted({ first: false, turns: ['-WRONGPASS invalid\r\n'] })
    expect(await run(check, wrong.member)).toBe(
      'redis HOST: answered "-WRONGPASS invalid" to AUTH, expected +OK',
    )
  })

  it('takes the errors it is told to take in answer to a password, too', async () => {
    const turns = ['-ERR AUTH called without any password configured\r\n', '+PONG\r\n']
    const { member } = await scripted({ first: false, turns })
    const login = { password: 'secret' }
    expect(await run(checks.redis({ ...login, accept: ['ERR'] }), member)).toMatch(/^healthy/)
    expect(await run(checks.redis({ ...login, accept: ['LOADING'] }), member)).toContain('to AUTH')
  })

  it('takes an answer with its length before it, in pieces too', async () => {
    const bulk = await scripted({ first: false, turns: ['$4\r\nPONG\r\n'] }, (bytes) =>
      pieces(bytes, [1]),
    )
    expect(await run(checks.redis(), bulk.member)).toBe('healthy: answered "$4\\nPONG"')
    const wrong = await scripted({ first: false, turns: ['$4\r\nPING\r\n'] })
    expect(await run(checks.redis(), wrong.member)).toMatch(/answered "\$4\\nPING" to PING/)
  })

  it('takes the errors it is told to take', async () => {
    const check = checks.redis({ accept: ['NOAUTH', 'LOADING'] })
    for (const [turn, healthy] of [
      ['-NOAUTH Authentication required.\r\n', true],
      ['-LOADING soon\r\n', true],
      ['-MASTERDOWN alone\r\n', false],
      ['-NOAUTHX\r\n', false],
    ] as const) {
      const { member } = await scripted({ first: false, turns: [turn] })
      expect((await run(check, member)).startsWith('healthy')).toBe(healthy)
    }
  })

  it.each([
    [{ password: '' }, 'options.password'],
    [{ user: 'a' }, 'options.user'],
    [{ accept: 'NOAUTH' }, 'options.accept'],
    [{ accept: ['-NOAUTH'] }, 'options.accept'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.redis(options as never)).toThrow(expect.objectContaining({ option }))
  })
})
