import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { makeCertificate } from './certificate.js'
import { behavesAsDialogue } from './dialogue.js'
import { run, serve } from './loopback.js'
import { type Bytes, hex, pieces, scripted } from './script.js'
import { overTls } from './tls-server.js'

/** As a MySQL packet. */
function packet(sequence: number, ...parts: Bytes[]): Buffer {
  const payload = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)))
  return Buffer.concat([Buffer.from([payload.length, 0, 0, sequence]), payload])
}
function mysqlGreeting(
  version = '8.0.36',
  method = 'caching_sha2_password',
  high = 'ffdf',
): Buffer {
  const scramble = hex('0102030405060708')
  const flags = hex(`ffff ff 0200 ${high} 15 00000000000000000000`)
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

behavesAsDialogue('mysql', {
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
    [
      [packet(1, hex('ff 6a04'), "Host 'h' is not allowed to connect to this server")],
      `answered error 1130 "Host 'h' is not allowed to connect to this server"`,
    ],
    [
      [mysqlGreeting(), packet(7, hex('ff 1d04'), '#08S01Server shutdown in progress')],
      'answered error 1053 "Server shutdown in progress" to a login',
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
})

describe('checks.mysql', () => {
  it('logs in and out as a user it is given', async () => {
    const server = await scripted({ first: true, turns: [mysqlGreeting(), mysqlOk] })
    expect(await run(checks.mysql({ user: 'probe' }), server.member)).toBe(
      'healthy: version "8.0.36", logged in as "probe"',
    )
    await expect
      .poll(() => server.sent())
      .toEqual(
        Buffer.concat([mysqlLogin('probe', 'caching_sha2_password', '0100'), packet(0, hex('01'))]),
      )
  })

  it('says nothing of methods to a server that knows none', async () => {
    const greeting = mysqlGreeting('5.1.73', 'none', '0000')
    const server = await scripted({ first: true, turns: [greeting, denied] })
    expect(await run(checks.mysql(), server.member)).toMatch(/^healthy/)
    expect(server.sent()).toEqual(
      packet(1, hex('01820000 ffffff00 21'), Buffer.alloc(23), 'ipvs_check\0', hex('00')),
    )
  })

  it.each([1045, 1698, 3159, 3118, 4151, 1862, 3955])(
    'takes error %i for a refusal of strangers',
    async (code) => {
      const refusal = packet(
        2,
        hex('ff'),
        new Uint8Array(new Uint16Array([code]).buffer),
        '#HY000No',
      )
      const { member } = await scripted({ first: true, turns: [mysqlGreeting(), refusal] })
      expect(await run(checks.mysql(), member)).toMatch(/^healthy: .*, refuses strangers$/)
      expect(await run(checks.mysql({ user: 'probe' }), member)).toBe(
        `mysql HOST: answered error ${code} "No" to a login`,
      )
    },
  )

  it('fails when that user is refused', async () => {
    const { member } = await scripted({ first: true, turns: [mysqlGreeting(), denied] })
    expect(await run(checks.mysql({ user: 'probe' }), member)).toBe(
      `mysql HOST: answered error 1045 "Access denied for user 'ipvs_check'@'h'" to a login`,
    )
  })

  it('changes the method of login when asked to', async () => {
    const change = packet(2, hex('fe'), 'mysql_native_password\0', hex('0102030400'))
    const after = Buffer.from(denied)
    after[3] = 4
    const server = await scripted({ first: true, turns: [mysqlGreeting(), change, after] })
    expect(await run(checks.mysql(), server.member)).toBe(
      'healthy: version "8.0.36", method "mysql_native_password", refuses strangers',
    )
    expect(server.sent().subarray(-4)).toEqual(packet(3))
    // And not again and again.
    const again = Buffer.from(change)
    again[3] = 4
    const { member } = await scripted({ first: true, turns: [mysqlGreeting(), change, again] })
    expect(await run(checks.mysql(), member)).toMatch(/ to a login$/)
  })

  it('answers an old server with the old method', async () => {
    const greeting = mysqlGreeting('5.5.5-10.11.19-MariaDB', 'mysql_native_password')
    const server = await scripted({ first: true, turns: [greeting, denied] })
    expect(await run(checks.mysql(), server.member)).toBe(
      'healthy: version "5.5.5-10.11.19-MariaDB", refuses strangers',
    )
    expect(server.sent()).toEqual(mysqlLogin('ipvs_check', 'mysql_native_password', '00'))
  })

  it('says what is wrong with options that make no sense', () => {
    for (const [options, option] of [
      [{ query: 'SELECT 1' }, 'options.query'],
      [{ user: 'a', query: '' }, 'options.query'],
      [{ user: 'a', query: 'x'.repeat(4097) }, 'options.query'],
      [{ user: 'a', query: 5 }, 'options.query'],
      [{ user: 'a', value: '1' }, 'options.value'],
      [{ user: 'a', query: 'SELECT 1', value: 1 }, 'options.value'],
      [{ tls: 'yes' }, 'options.tls'],
    ] as const) {
      expect(() => checks.mysql(options as never)).toThrow(
        expect.objectContaining({ code: 'ERR_IPVS_ARGUMENT', option }),
      )
    }
  })
})

describe('checks.mysql with a query', () => {
  const eof = (sequence: number) => packet(sequence, hex('fe 0000 0200'))
  const column = (sequence: number) => packet(sequence, hex('03 646566 00 00 00 01 61 00'))
  /** Two columns, as SHOW STATUS has them. */
  const state = (...row: Bytes[]) =>
    Buffer.concat([
      packet(1, hex('02')),
      column(2),
      column(3),
      eof(4),
      packet(5, hex('05'), 'state', ...row),
      eof(6),
    ])
  const four = state(hex('01'), '4')
  const query = "SHOW STATUS LIKE 'state'"
  const answering = (answer: Bytes, cut?: (bytes: Buffer) => readonly Buffer[]) =>
    scripted({ first: true, turns: [mysqlGreeting(), mysqlOk, answer] }, cut)

  it('sends it after the login, and says goodbye', async () => {
    const server = await answering(four)
    const check = checks.mysql({ user: 'probe', query })
    expect(await run(check, server.member)).toBe(
      'healthy: version "8.0.36", logged in as "probe", the query gave "4"',
    )
    await expect
      .poll(() => server.sent())
      .toEqual(
        Buffer.concat([
          mysqlLogin('probe', 'caching_sha2_password', '0100'),
          packet(0, hex('03'), query),
          packet(0, hex('01')),
        ]),
      )
  })

  const long = Buffer.alloc(300, 'x')
  it.each([
    [four, { value: '4' }, undefined],
    [four, { value: /^[24]$/g }, undefined],
    [four, { value: (value: unknown) => value === '4' }, undefined],
    [four, { value: '2' }, 'the query gave "4", expected "2"'],
    [four, { value: /^2$/ }, 'the query gave "4", expected /^2$/'],
    [four, { value: () => false }, 'the query gave "4", which is not what is expected'],
    [four, { value: () => 'a donor' }, 'the query gave "4", a donor'],
    [state(hex('fb')), { value: (value: unknown) => value === null }, undefined],
    [state(hex('fb')), { value: 'NULL' }, 'the query gave NULL, expected "NULL"'],
    [state(hex('fb')), { value: /NULL/ }, 'the query gave NULL, expected /NULL/'],
    [state(hex('00')), { value: '' }, undefined],
    [
      Buffer.concat([packet(1, hex('01')), column(2), eof(3), eof(4)]),
      {},
      'answered no row to a query',
    ],
    [packet(1, hex('00 00 00 0200 0000')), {}, 'answered no row to a query'],
    [
      packet(1, hex('ff 2804'), '#42000You have an error'),
      {},
      'answered error 1064 "You have an error" to a query',
    ],
    [
      Buffer.concat([
        packet(1, hex('01')),
        column(2),
        eof(3),
        packet(4, hex('ff 2505'), '#70100No'),
      ]),
      {},
      'answered error 1317 "No" to a query',
    ],
    // LOAD DATA LOCAL: the server would like a file of ours.
    [packet(1, hex('fb'), '/etc/passwd'), {}, /^answered bytes fb\w+ to a query$|etc.passwd/],
    [packet(2, hex('01')), {}, /^answered .* to a query$/],
    [Buffer.concat([packet(1, hex('02')), column(2), eof(3)]), {}, /^answered .* to a query$/],
    [Buffer.concat([packet(1, hex('01')), column(2), column(3)]), {}, /^answered .* to a query$/],
    [
      Buffer.concat([packet(1, hex('01')), column(2), eof(3), packet(4, hex('05'), 'ab')]),
      {},
      /^answered .* to a query$/,
    ],
    [
      Buffer.concat([packet(1, hex('01')), column(2), eof(3), packet(4, hex('01'), 'ab')]),
      {},
      /^answered .* to a query$/,
    ],
  ] as [Buffer, object, string | RegExp | undefined][])(
    '%j %j: %s',
    async (answer, options, wrong) => {
      const check = checks.mysql({ user: 'probe', query, ...options })
      for (const size of [1, 1000]) {
        const { member } = await answering(answer, (bytes) => pieces(bytes, [size]))
        const said = await run(check, member)
        if (wrong === undefined) expect(said).toMatch(/^healthy: .*, the query gave /)
        else if (typeof wrong === 'string') expect(said).toBe(`mysql HOST: ${wrong}`)
        else expect(said.replace('mysql HOST: ', '')).toMatch(wrong)
      }
    },
  )

  it('reads a value of more than 250 bytes, and no more than 16 KB of an answer', async () => {
    const row = Buffer.concat([hex('05'), Buffer.from('state'), hex('fc 2c01'), long])
    const head = Buffer.alloc(4)
    head.writeUIntLE(row.length, 0, 3)
    head[3] = 5
    const large = Buffer.concat([
      packet(1, hex('02')),
      column(2),
      column(3),
      eof(4),
      head,
      row,
      eof(6),
    ])
    const server = await answering(large)
    const check = checks.mysql({ user: 'probe', query, value: String(long) })
    expect(await run(check, server.member)).toMatch(/^healthy/)
    const columns = Array.from({ length: 2000 }, (_, i) => column((i + 2) & 0xff))
    const endless = await answering(Buffer.concat([packet(1, hex('fc ffff')), ...columns]))
    expect(await run(check, endless.member)).toMatch(/more than 16384 bytes without an end/)
  })
})

describe('checks.mysql over TLS', () => {
  const certificate = makeCertificate({ name: 'db.test' })
  const heard: Buffer[] = []
  const withTls = (answer: Buffer) => {
    heard.length = 0
    return serve({
      tcp: (socket, server) => {
        socket.write(mysqlGreeting())
        socket.once('data', (request) => {
          // The client does not wait before it begins.
          heard.push(request.subarray(0, 36))
          socket.pause().unshift(request.subarray(36))
          const begin = overTls(certificate, (secure) =>
            secure.once('data', (login) => {
              heard.push(login)
              secure.write(answer)
            }),
          )
          begin(socket, server)
        })
      },
    })
  }

  it('begins it after the greeting, and counts on', async () => {
    const { member } = await withTls(packet(3, hex('00 00 00 0200 0000')))
    const tls = { ca: certificate.cert, serverName: 'db.test' }
    expect(await run(checks.mysql({ user: 'probe', tls }), member)).toBe(
      'healthy: version "8.0.36", logged in as "probe"',
    )
    const head = Buffer.concat([hex('018a0800 ffffff00 21'), Buffer.alloc(23)])
    expect(heard).toEqual([
      packet(1, head),
      packet(2, head, 'probe\0', hex('0100'), 'caching_sha2_password\0'),
    ])
    const other = { ca: certificate.cert, serverName: 'other.test' }
    expect(await run(checks.mysql({ tls: other }), member)).toMatch(
      /^mysql HOST: certificate: not for other\.test/,
    )
  })

  it('takes a refusal of strangers there, too', async () => {
    const refusal = Buffer.from(denied)
    refusal[3] = 3
    const { member } = await withTls(refusal)
    expect(await run(checks.mysql({ tls: true }), member)).toMatch(/, refuses strangers$/)
  })

  it('fails where the server has none', async () => {
    const greeting = mysqlGreeting()
    // The lower capabilities, without CLIENT_SSL.
    const at = greeting.indexOf(hex('ffff ff 0200'))
    greeting.writeUInt16LE(0xf7ff, at)
    const { member } = await scripted({ first: true, turns: [greeting, denied] })
    expect(await run(checks.mysql({ tls: true }), member)).toBe(
      'mysql HOST: version "8.0.36" has no TLS',
    )
    expect(await run(checks.mysql(), member)).toMatch(/^healthy/)
  })
})
