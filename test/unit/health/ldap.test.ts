import { describe, expect, it } from 'vitest'
import { checks } from '../../../src/health/checks/index.js'
import { behavesAsDialogue } from './dialogue.js'
import { run } from './loopback.js'
import { hex, scripted } from './script.js'

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

behavesAsDialogue('ldap', {
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
})

describe('checks.ldap', () => {
  it('looks an entry up, and misses it', async () => {
    const base = 'dc=example,dc=org'
    const found = await scripted({ first: false, turns: [Buffer.concat([rootEntry, searchDone])] })
    expect(await run(checks.ldap({ base }), found.member)).toBe('healthy: success')
    expect(found.sent().toString('latin1')).toContain(base)
    const none = await scripted({ first: false, turns: [searchDone] })
    expect(await run(checks.ldap({ base }), none.member)).toBe(
      `ldap HOST: success, but no entry "${base}"`,
    )
  })

  it('takes a code that is written longer than it needs, and codes that are long', async () => {
    const done = (code: string) => ldapMessage(2, 0x65, hex(`0a ${code} 0400 0400`))
    const padded = await scripted({ first: false, turns: [done('03 000000')] })
    expect(await run(checks.ldap(), padded.member)).toBe('healthy: success')
    const own = await scripted({ first: false, turns: [done('02 1000')] })
    expect(await run(checks.ldap(), own.member)).toBe(
      'ldap HOST: answered result (4096), expected success',
    )
  })

  it('takes no notice of what is no answer, but of the end', async () => {
    const notice = (name: string, code = 0) => {
      const oid = Buffer.from(name)
      const rest = Buffer.concat([
        hex(`0a01 0${code} 0400 0400 8a`),
        Buffer.from([oid.length]),
        oid,
      ])
      return ldapMessage(0, 0x78, rest)
    }
    const intermediate = ldapMessage(2, 0x79, hex(''))
    const turn = Buffer.concat([notice('1.2.3'), intermediate, rootEntry, searchDone])
    const busy = await scripted({ first: false, turns: [turn] })
    expect(await run(checks.ldap(), busy.member)).toBe('healthy: success')
    const going = await scripted({ first: false, turns: [notice('1.3.6.1.4.1.1466.20036')] })
    expect(await run(checks.ldap(), going.member)).toBe(
      'ldap HOST: answered extendedResponse of message 0',
    )
  })

  it('binds first when told, and never shows the password', async () => {
    const check = checks.ldap({ dn: 'cn=probe', password: 'hunter2' })
    const server = await scripted({
      first: false,
      turns: [ldapResult(1, 0x61, 0), Buffer.concat([rootEntry, searchDone])],
    })
    expect(await run(check, server.member)).toBe('healthy: success')
    expect(server.sent().subarray(0, 29)).toEqual(
      hex('301b 020101 6016 020103 0408 636e3d70726f6265 8007 68756e74657232'),
    )
    const { member } = await scripted({ first: false, turns: [ldapResult(1, 0x61, 49)] })
    expect(await run(check, member)).toBe(
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
    expect(await run(checks.ldap({ base: name }), member)).toBe('healthy: success')
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
