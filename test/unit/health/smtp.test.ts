import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { behavesAsDialogue } from './dialogue.js'
import { run, serve } from './loopback.js'
import { scripted } from './script.js'

behavesAsDialogue('smtp', {
  check: checks.smtp(),
  healthy: {
    first: true,
    turns: ['220-mail.example.org\r\n220 ESMTP\r\n', '250-mail\r\n250-SIZE 1\r\n250 HELP\r\n'],
  },
  detail: 'greeting "220-mail.example.org\\n220 ESMTP"',
  sent: 'EHLO [127.0.0.1]\r\nQUIT\r\n',
  awaited: '220',
  wrong: [
    [['554 no service\r\n'], 'answered "554 no service", expected 220'],
    [['220-a\r\n421 busy\r\n'], 'answered "220-a\\n421 busy", expected 220'],
    [['2200 odd\r\n'], 'answered "2200 odd", expected 220'],
    [['+OK POP3\r\n'], 'answered "+OK POP3", expected 220'],
    [['220 a\r\n', '421 bye\r\n'], 'answered "421 bye" to EHLO, expected 250'],
    [['220 a\r\n', '550 go\r\n', '550 away\r\n'], 'answered "550 away" to HELO, expected 250'],
    [['220 a\r\n', '502 what\r\n', '421 bye\r\n'], 'answered "421 bye" to HELO, expected 250'],
  ],
})

describe('checks.smtp', () => {
  it.each([
    '500 what?',
    '501 no such thing',
    '502 what?',
    '504 no',
    '550-not\r\n550 here',
    '451 not now',
  ])('says HELO to a server that takes no EHLO: %j', async (answer) => {
    const server = await scripted({
      first: true,
      turns: ['220 old\r\n', `${answer}\r\n`, '250 hello\r\n'],
    })
    expect(await run(checks.smtp({ helo: 'director.example.org' }), server.member)).toMatch(
      /^healthy/,
    )
    await expect
      .poll(() => server.sent().toString())
      .toBe('EHLO director.example.org\r\nHELO director.example.org\r\nQUIT\r\n')
  })

  it.each([
    ['220', '250'],
    ['220-a\r\n220', '250-a\r\n250'],
    ['221 hi', '251 hi'],
    ['200 a', '299 b'],
  ])('looks at the first digit only: %j, %j', async (greeting, hello) => {
    const { member } = await scripted({ first: true, turns: [`${greeting}\r\n`, `${hello}\r\n`] })
    expect(await run(checks.smtp(), member)).toMatch(/^healthy/)
  })

  it('says its own address over IPv6 too', async () => {
    let sent = ''
    const { member } = await serve(
      {
        tcp: (socket) => {
          socket.write('220 hi\r\n')
          socket.on('data', (data) => {
            sent += data
            socket.write('250 ok\r\n')
          })
        },
      },
      '::1',
    )
    expect(await run(checks.smtp(), member)).toMatch(/^healthy/)
    expect(sent).toMatch(/^EHLO \[IPv6:::1\]\r\n/)
  })

  it.each(['', 'a b', 'a\r\nRSET', 5])('refuses the name %j', (helo) => {
    expect(() => checks.smtp({ helo: helo as string })).toThrow(/options\.helo/)
  })
})
