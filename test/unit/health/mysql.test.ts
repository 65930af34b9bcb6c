import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { behavesAsDialogue } from './dialogue.js'
import { run } from './loopback.js'
import { type Bytes, hex, scripted } from './script.js'

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
})
