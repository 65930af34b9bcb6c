// What all presets of checks.expect have in common; what is special to one is in its own describe.
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import type { Check } from '../../../src/health/types.js'
import { makeCertificate } from './certificate.js'
import { serve } from './loopback.js'
import { judge, pieces, type Script, scripted } from './script.js'
import { overTls } from './tls-server.js'

type Bytes = string | Uint8Array

interface Preset {
  readonly check: Check
  readonly healthy: Script
  readonly detail: string
  /** All that a healthy server is sent. */
  readonly sent: Bytes
  /** What is waited for at first. */
  readonly awaited: string
  /** Answers at each turn that are wrong, and the reason. */
  readonly wrong: readonly (readonly [turns: readonly Bytes[], reason: string])[]
}

const hex = (digits: string) => Buffer.from(digits.replace(/[^0-9a-f]/g, ''), 'hex')

/** As a MySQL packet. */
function packet(sequence: number, ...parts: Bytes[]): Buffer {
  const payload = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)))
  return Buffer.concat([Buffer.from([payload.length, 0, 0, sequence]), payload])
}
function mysqlGreeting(version = '8.0.36', method = 'caching_sha2_password'): Buffer {
  const scramble = hex('0102030405060708')
  const flags = hex('ffff ff 0200 ffdf 15 00000000000000000000')
  return packet(
    0,
    hex('0a'),
    `${version}\0`,
    hex('07000000'),
    scramble,
    hex('00'),
    flags,
    hex('0102030405060708090a0b0c00'),
    `${method}\0`,
  )
}
const mysqlOk = packet(2, hex('00 00 00 0200 0000'))
const denied = packet(2, hex('ff 1504'), "#28000Access denied for user 'ipvs_check'@'h'")
const mysqlLogin = (user: string, method: string, answer: string) =>
  packet(1, hex('01820800 ffffff00 21'), Buffer.alloc(23), `${user}\0`, hex(answer), `${method}\0`)

/** An LDAP message from its parts: each operation a tag and its contents. */
function ldapMessage(id: number, tag: number, contents: Uint8Array): Buffer {
  const op = Buffer.concat([Buffer.from([tag, contents.length]), contents])
  return Buffer.concat([Buffer.from([0x30, 3 + op.length, 2, 1, id]), op])
}
function ldapResult(id: number, tag: number, code: number, text = ''): Buffer {
  const said = Buffer.from(text)
  return ldapMessage(
    id,
    tag,
    Buffer.concat([Buffer.from([10, 1, code, 4, 0, 4, said.length]), said]),
  )
}
const rootEntry = ldapMessage(2, 0x64, hex('0400 3000'))
const searchDone = ldapResult(2, 0x65, 0)

const presets: Record<string, Preset> = {
  smtp: {
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
      [['220 a\r\n', '550 go away\r\n'], 'answered "550 go away" to EHLO, expected 250'],
      [['220 a\r\n', '502 what\r\n', '421 bye\r\n'], 'answered "421 bye" to HELO, expected 250'],
    ],
  },
  pop3: {
    check: checks.pop3(),
    healthy: { first: true, turns: ['+OK <1.2@host>\r\n', '+OK bye\r\n'] },
    detail: 'greeting "+OK <1.2@host>"',
    sent: 'QUIT\r\n',
    awaited: '+OK',
    wrong: [
      [['-ERR too many\r\n'], 'answered "-ERR too many", expected +OK'],
      [['+OKAY\r\n'], 'answered "+OKAY", expected +OK'],
      [['+OK\r\n', '-ERR no\r\n'], 'answered "-ERR no" to QUIT, expected +OK'],
      [['220 smtp\r\n'], 'answered "220 smtp", expected +OK'],
    ],
  },
  imap: {
    check: checks.imap(),
    healthy: {
      first: true,
      turns: ['* OK [CAPABILITY IMAP4rev1] ready\r\n', '* 3 EXISTS\r\na1 OK NOOP done\r\n'],
    },
    detail: 'greeting "* OK [CAPABILITY IMAP4rev1] ready"',
    sent: 'a1 NOOP\r\na2 LOGOUT\r\n',
    awaited: '* OK',
    wrong: [
      [
        ['* BYE too many connections\r\n'],
        'answered "* BYE too many connections", expected * OK or * PREAUTH',
      ],
      [['+OK pop\r\n'], 'answered "+OK pop", expected * OK or * PREAUTH'],
      [
        ['* PREAUTH hi\r\n', 'a1 NO disk failed\r\n'],
        'answered "a1 NO disk failed" to NOOP, expected a1 OK',
      ],
      [
        ['* OK hi\r\n', '* 1 EXISTS\r\n* BYE going down\r\n'],
        'answered "* 1 EXISTS\\n* BYE going down" to NOOP, expected a1 OK',
      ],
      [['* OK hi\r\n', 'a2 OK\r\n'], 'answered "a2 OK" to NOOP, expected a1 OK'],
    ],
  },
  mysql: {
    check: checks.mysql(),
    healthy: { first: true, turns: [mysqlGreeting(), denied] },
    detail: 'version "8.0.36", refuses strangers',
    sent: mysqlLogin('ipvs_check', 'caching_sha2_password', '0100'),
    awaited: 'a handshake',
    wrong: [
      [
        [packet(0, hex('ff 1004'), 'Too many connections')],
        'answered error 1040 "Too many connections"',
      ],
      [
        [packet(0, hex('ff 6904'), "Host 'h' is blocked because of many connection errors")],
        `answered error 1129 "Host 'h' is blocked because of many connection errors"`,
      ],
      [[packet(0, hex('09'), '3.20\0', hex('01020304'))], 'speaks protocol 9, expected 10'],
      [[packet(0, hex('0a'), 'no end')], 'expected the handshake of MySQL'],
      [['220 smtp\r\n'], 'answered "220 smtp\\r\\n", expected the handshake of MySQL'],
      [
        [mysqlGreeting(), packet(2, hex('ff 1d04'), '#08S01Server shutdown in progress')],
        'answered error 1053 "Server shutdown in progress" to a login',
      ],
      [[mysqlGreeting(), packet(2, hex('01 04'))], 'answered bytes 020000020104 to a login'],
    ],
  },
  ldap: {
    check: checks.ldap(),
    healthy: { first: false, turns: [Buffer.concat([rootEntry, searchDone])] },
    detail: 'success',
    sent: hex(`302a 020102 6325 0400 0a0100 0a0100 020100 020100 010100
      870b 6f626a656374436c617373 3005 0403 312e31  3005 020103 4200`),
    awaited: 'an answer to the search',
    wrong: [
      [
        [ldapResult(2, 0x65, 52, 'shutting down')],
        'answered unavailable (52) "shutting down", expected success',
      ],
      [[ldapResult(2, 0x65, 50)], 'answered insufficientAccessRights (50), expected success'],
      [[ldapResult(2, 0x65, 123)], 'answered result (123), expected success'],
      [[ldapResult(0, 0x78, 51)], 'answered busy (51), expected success'],
      [[ldapResult(7, 0x65, 0)], 'answered searchResultDone of message 7'],
      [['220 smtp\r\n'], 'answered "220 smtp\\r\\n", expected LDAP'],
      [[hex('30 85')], 'answered bytes 3085, expected LDAP'],
      [[hex('3003 020102')], 'answered bytes 3003020102, expected LDAP'],
    ],
  },
  redis: {
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
  },
}

describe.each(Object.entries(presets))('checks.%s', (name, preset) => {
  const { check, healthy, detail, awaited } = preset

  it('is healthy when the server answers as it should', async () => {
    const server = await scripted(healthy)
    expect(await judge(check, server.member)).toBe(`healthy: ${detail}`)
    // The last thing it says is not waited for.
    await expect.poll(() => server.sent()).toEqual(Buffer.from(preset.sent as Uint8Array))
  })

  it('works one byte at a time', async () => {
    const { member } = await scripted(healthy, (bytes) => pieces(bytes, [1]))
    expect(await judge(check, member)).toBe(`healthy: ${detail}`)
  })

  it('says refused', async () => {
    const { member } = await serve({})
    expect(await judge(check, member)).toBe(`${name} HOST: connection refused`)
  })

  it('says what it waits for when the server is silent', async () => {
    const { member } = await serve({ tcp: (socket) => socket.resume() })
    expect(await judge(check, member, 60)).toBe(
      `${name} HOST: no answer within 60 ms (waiting for ${awaited})`,
    )
  })

  it('says when the time is up in the middle of an answer', async () => {
    const half = Buffer.from(healthy.turns[0] as Uint8Array).subarray(0, 3)
    const { member } = await scripted({ ...healthy, turns: [half] })
    expect(await judge(check, member, 60)).toContain(
      `${name} HOST: no answer within 60 ms (waiting for ${awaited}, so far `,
    )
  })

  it('says when the answer comes too late, and takes it in time', async () => {
    const late = () =>
      serve({
        tcp: (socket) => {
          const turns = [...healthy.turns]
          const next = () =>
            sleep(100).then(() => socket.write(Buffer.from((turns.shift() ?? '') as Uint8Array)))
          if (healthy.first) next()
          socket.on('data', next)
        },
      })
    expect(await judge(check, (await late()).member, 60)).toContain('no answer within 60 ms')
    expect(await judge(check, (await late()).member, 5000)).toBe(`healthy: ${detail}`)
  })

  it('says when the server closes or resets the connection', async () => {
    const half = Buffer.from(healthy.turns[0] as Uint8Array).subarray(0, 3)
    const closed = await serve({ tcp: (socket) => void socket.end() })
    expect(await judge(check, closed.member)).toMatch(
      new RegExp(`^${name} HOST: (the server closed the connection|connection reset by peer)`),
    )
    const reset = await serve({
      tcp: (socket) =>
        void socket.write(half, () => setTimeout(() => socket.resetAndDestroy(), 20)),
    })
    expect(await judge(check, reset.member)).toMatch(
      new RegExp(`^${name} HOST: connection reset by peer \\(waiting for .*, so far `),
    )
  })

  it('keeps no more than it needs of a server that never stops', async () => {
    const { member } = await serve({
      tcp: (socket) => {
        const more = () => {
          if (!socket.destroyed) socket.write(Buffer.alloc(65_536, '* '), more)
        }
        more()
      },
    })
    expect(await judge(check, member)).toMatch(/more than 16384 bytes|expected/)
  })

  it.each(preset.wrong)('says what is wrong about %j', async (turns, reason) => {
    const { member } = await scripted({ ...healthy, turns })
    expect(await judge(check, member)).toMatch(new RegExp(`^${name} HOST: .*${literally(reason)}$`))
  })

  it('judges the same however the bytes are split', async () => {
    const turns = fc.constantFrom(healthy.turns, ...preset.wrong.map(([wrong]) => wrong))
    const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(turns, sizes, async (lines, cuts) => {
        const server = await scripted({ ...healthy, turns: lines }, (bytes) => pieces(bytes, cuts))
        const reason = preset.wrong.find(([wrong]) => wrong === lines)?.[1]
        const said = await judge(check, server.member)
        if (reason === undefined) expect(said).toBe(`healthy: ${detail}`)
        // What was shown of a binary protocol, or of none, is what had come by then.
        else expect(said).toMatch(new RegExp(`^${name} HOST: (answered|speaks)`))
        await server.close()
      }),
      { numRuns: 30 },
    )
  })

  it.each([
    [{ port: 0 }, 'options.port'],
    [{ prot: 25 }, 'options.prot'],
    [{ connect: { address: 'localhost', port: 1 } }, 'options.connect.address'],
  ])('refuses %j', (options, option) => {
    const make = checks[name as 'smtp']
    expect(() => make(options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
    )
  })
})

describe('over TLS', () => {
  const certificate = makeCertificate({ name: 'mail.test' })
  /** Greets and answers in plain text until `begin`, then in TLS; what was said in either. */
  async function upgrading(greeting: string, begin: RegExp, go: string, answer: string) {
    const said: string[] = []
    const server = await serve({
      tcp: (socket, self) => {
        socket.write(greeting)
        socket.on('data', function plain(data) {
          said.push(String(data))
          if (!begin.test(String(data))) return void socket.write(answer)
          socket.off('data', plain)
          socket.write(go)
          overTls(certificate, (secure) => {
            secure.on('data', (text) => {
              said.push(`TLS ${text}`)
              secure.write(answer)
            })
          })(socket, self)
        })
      },
    })
    return { ...server, said }
  }

  it.each([
    {
      check: checks.smtp({ startTls: { ca: certificate.cert, serverName: 'mail.test' } }),
      server: () => upgrading('220 hi\r\n', /^STARTTLS/, '220 go\r\n', '250 ok\r\n'),
      said: ['EHLO [127.0.0.1]\r\n', 'STARTTLS\r\n', 'TLS EHLO [127.0.0.1]\r\n', 'TLS QUIT\r\n'],
    },
    {
      check: checks.pop3({ startTls: true }),
      server: () => upgrading('+OK hi\r\n', /^STLS/, '+OK go\r\n', '+OK bye\r\n'),
      said: ['STLS\r\n', 'TLS QUIT\r\n'],
    },
    {
      check: checks.imap({ startTls: true }),
      server: () => upgrading('* OK hi\r\n', /^a0/, 'a0 OK go\r\n', 'a1 OK done\r\n'),
      said: ['a0 STARTTLS\r\n', 'TLS a1 NOOP\r\n', 'TLS a2 LOGOUT\r\n'],
    },
  ])('begins TLS when granted, and says the rest in it: $said', async ({ check, server, said }) => {
    const at = await server()
    expect(await judge(check, at.member)).toMatch(/^healthy: greeting/)
    await expect.poll(() => at.said).toEqual(said)
  })

  it('fails when TLS is not granted', async () => {
    const { member } = await scripted({
      first: true,
      turns: ['220 hi\r\n', '250 ok\r\n', '454 TLS not available\r\n'],
    })
    expect(await judge(checks.smtp({ startTls: true }), member)).toBe(
      'smtp HOST: answered "454 TLS not available" to STARTTLS, expected 220',
    )
  })

  it('takes nothing for an answer that came before TLS began', async () => {
    const { member } = await scripted({
      first: true,
      turns: ['220 hi\r\n', '250 ok\r\n', '220 go\r\n250 injected\r\n'],
    })
    expect(await judge(checks.smtp({ startTls: true }), member)).toBe(
      'smtp HOST: sent "250 injected\\r\\n" after the answer that begins TLS',
    )
  })

  it('says when the handshake is what is missing', async () => {
    const server = await scripted({
      first: true,
      turns: ['220 hi\r\n', '250 ok\r\n', '220 go\r\n'],
    })
    expect(await judge(checks.smtp({ startTls: true }), server.member, 80)).toBe(
      'smtp HOST: no answer within 80 ms (no TLS handshake)',
    )
    const plain = await scripted({ first: true, turns: ['220 hi\r\n'] })
    expect(await judge(checks.smtp({ tls: true }), plain.member)).toMatch(/^smtp HOST: TLS: /)
  })

  it('speaks TLS from the start, to a dialogue of our own too, and says its last words', async () => {
    const said: string[] = []
    const { member } = await serve({
      tcp: overTls(certificate, (secure) => {
        secure.write('220 hi\r\n')
        secure.on('data', (data) => said.push(String(data)))
      }),
    })
    const check = checks.expect({ dialogue: [{ expect: '220' }, { send: 'QUIT\r\n' }], tls: true })
    expect(await judge(check, member)).toBe('healthy: answered "220 hi"')
    await expect.poll(() => said).toEqual(['QUIT\r\n'])
    const stranger = checks.expect({ dialogue: [{ expect: '220' }], tls: { verify: true } })
    expect(await judge(stranger, member)).toMatch(/^expect HOST: certificate: /)
  })

  it.each(['smtp', 'pop3', 'imap', 'ldap'] as const)('%s refuses both ways at once', (name) => {
    expect(() => checks[name]({ tls: true, startTls: true })).toThrow(
      expect.objectContaining({ option: 'options.startTls' }),
    )
    expect(checks[name]({ tls: false, startTls: true })).toBeTypeOf('function')
  })
})

describe('checks.smtp', () => {
  it('says HELO to a server that knows no EHLO', async () => {
    const server = await scripted({
      first: true,
      turns: ['220 old\r\n', '502 what?\r\n', '250 hello\r\n'],
    })
    expect(await judge(checks.smtp({ helo: 'director.example.org' }), server.member)).toMatch(
      /^healthy/,
    )
    await expect
      .poll(() => server.sent().toString())
      .toBe('EHLO director.example.org\r\nHELO director.example.org\r\nQUIT\r\n')
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
    expect(await judge(checks.smtp(), member)).toMatch(/^healthy/)
    expect(sent).toMatch(/^EHLO \[IPv6:::1\]\r\n/)
  })

  it.each(['', 'a b', 'a\r\nRSET', 5])('refuses the name %j', (helo) => {
    expect(() => checks.smtp({ helo: helo as string })).toThrow(/options\.helo/)
  })
})

describe('checks.mysql', () => {
  it('logs in and out as a user it is given', async () => {
    const server = await scripted({ first: true, turns: [mysqlGreeting(), mysqlOk] })
    expect(await judge(checks.mysql({ user: 'probe' }), server.member)).toBe(
      'healthy: version "8.0.36", logged in as "probe"',
    )
    await expect
      .poll(() => server.sent())
      .toEqual(
        Buffer.concat([mysqlLogin('probe', 'caching_sha2_password', '0100'), packet(0, hex('01'))]),
      )
  })

  it.each([1045, 1698, 3159])('takes error %i for a refusal of strangers', async (code) => {
    const refusal = packet(2, hex('ff'), new Uint8Array(new Uint16Array([code]).buffer), '#HY000No')
    const { member } = await scripted({ first: true, turns: [mysqlGreeting(), refusal] })
    expect(await judge(checks.mysql(), member)).toMatch(/^healthy: .*, refuses strangers$/)
    expect(await judge(checks.mysql({ user: 'probe' }), member)).toBe(
      `mysql HOST: answered error ${code} "No" to a login`,
    )
  })

  it('fails when that user is refused', async () => {
    const { member } = await scripted({ first: true, turns: [mysqlGreeting(), denied] })
    expect(await judge(checks.mysql({ user: 'probe' }), member)).toBe(
      `mysql HOST: answered error 1045 "Access denied for user 'ipvs_check'@'h'" to a login`,
    )
  })

  it('changes the method of login when asked to', async () => {
    const change = packet(2, hex('fe'), 'mysql_native_password\0', hex('0102030400'))
    const after = Buffer.from(denied)
    after[3] = 4
    const server = await scripted({ first: true, turns: [mysqlGreeting(), change, after] })
    expect(await judge(checks.mysql(), server.member)).toBe(
      'healthy: version "8.0.36", method "mysql_native_password", refuses strangers',
    )
    expect(server.sent().subarray(-4)).toEqual(packet(3))
    // And not again and again.
    const again = Buffer.from(change)
    again[3] = 4
    const { member } = await scripted({ first: true, turns: [mysqlGreeting(), change, again] })
    expect(await judge(checks.mysql(), member)).toMatch(/ to a login$/)
  })

  it('answers an old server with the old method', async () => {
    const greeting = mysqlGreeting('5.5.5-10.11.19-MariaDB', 'mysql_native_password')
    const server = await scripted({ first: true, turns: [greeting, denied] })
    expect(await judge(checks.mysql(), server.member)).toBe(
      'healthy: version "5.5.5-10.11.19-MariaDB", refuses strangers',
    )
    expect(server.sent()).toEqual(mysqlLogin('ipvs_check', 'mysql_native_password', '00'))
  })
})

describe('checks.ldap', () => {
  it('looks an entry up, and misses it', async () => {
    const base = 'dc=example,dc=org'
    const found = await scripted({ first: false, turns: [Buffer.concat([rootEntry, searchDone])] })
    expect(await judge(checks.ldap({ base }), found.member)).toBe('healthy: success')
    expect(found.sent().toString('latin1')).toContain(base)
    const none = await scripted({ first: false, turns: [searchDone] })
    expect(await judge(checks.ldap({ base }), none.member)).toBe(
      `ldap HOST: success, but no entry "${base}"`,
    )
  })

  it('binds first when told, and never shows the password', async () => {
    const check = checks.ldap({ dn: 'cn=probe', password: 'hunter2' })
    const server = await scripted({
      first: false,
      turns: [ldapResult(1, 0x61, 0), Buffer.concat([rootEntry, searchDone])],
    })
    expect(await judge(check, server.member)).toBe('healthy: success')
    expect(server.sent().subarray(0, 29)).toEqual(
      hex('301b 020101 6016 020103 0408 636e3d70726f6265 8007 68756e74657232'),
    )
    const { member } = await scripted({ first: false, turns: [ldapResult(1, 0x61, 49)] })
    expect(await judge(check, member)).toBe(
      'ldap HOST: answered invalidCredentials (49) to the bind, expected success',
    )
  })

  it('reads long names and long messages', async () => {
    const name = 'x'.repeat(300)
    const entry = Buffer.concat([
      hex('30 82 0139 020102 64 82 0132 04 82 012c'),
      Buffer.from(name),
      hex('3000'),
    ])
    const { member } = await scripted({ first: false, turns: [Buffer.concat([entry, searchDone])] })
    expect(await judge(checks.ldap({ base: name }), member)).toBe('healthy: success')
  })

  it.each([
    [{ dn: 'cn=a' }, 'options.password'],
    [{ dn: 'cn=a', password: '' }, 'options.password'],
    [{ password: 'secret' }, 'options.dn'],
    [{ base: 5 }, 'options.base'],
  ])('refuses %j', (options, option) => {
    expect(() => checks.ldap(options as never)).toThrow(expect.objectContaining({ option }))
  })
})

describe('checks.redis', () => {
  it('logs in first when told, and never shows the password', async () => {
    const server = await scripted({ first: false, turns: ['+OK\r\n', '+PONG\r\n'] })
    const check = checks.redis({ user: 'probe', password: 'hünter\r\n2' })
    expect(await judge(check, server.member)).toBe('healthy: answered "+PONG"')
    expect(server.sent().toString()).toBe(
      '*3\r\n$4\r\nAUTH\r\n$5\r\nprobe\r\n$10\r\nhünter\r\n2\r\n*1\r\n$4\r\nPING\r\n',
    )
    const wrong = await scripted({ first: false, turns: ['-WRONGPASS invalid\r\n'] })
    expect(await judge(check, wrong.member)).toBe(
      'redis HOST: answered "-WRONGPASS invalid" to AUTH, expected +OK',
    )
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
      expect((await judge(check, member)).startsWith('healthy')).toBe(healthy)
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

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
