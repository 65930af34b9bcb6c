import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { expired, good, trust } from './certificates.js'
import { judge, memberAt } from './judge.js'
import { dovecotPlan } from './plans.js'
import { Server } from './server.js'

const ports = { imap: 1143, imaps: 1993, pop3: 1110, pop3s: 1995 }
const imap = memberAt(ports.imap)
const imaps = memberAt(ports.imaps)
const pop3 = memberAt(ports.pop3)
const pop3s = memberAt(ports.pop3s)
const imapReady = /^healthy: greeting "\* OK \[CAPABILITY /
const pop3Ready = /^healthy: greeting "\+OK Dovecot/

describe('dovecot', () => {
  let server: Server
  beforeAll(async () => {
    server = await Server.start(dovecotPlan({ ports, tls: good }))
  })
  afterAll(() => server?.remove())

  it('answers over TLS, from the start and after STARTTLS', async () => {
    expect(await judge(checks.imap({ tls: trust }), imaps)).toMatch(imapReady)
    expect(await judge(checks.imap({ startTls: trust }), imap)).toMatch(imapReady)
    expect(await judge(checks.pop3({ tls: trust }), pop3s)).toMatch(pop3Ready)
    expect(await judge(checks.pop3({ startTls: trust }), pop3)).toMatch(pop3Ready)
  })

  it('is asked for the wrong protocol', async () => {
    expect(await judge(checks.imap(), pop3)).toMatch(
      /^imap HOST: answered "\+OK .*", expected \* OK or \* PREAUTH$/,
    )
    expect(await judge(checks.pop3(), imap)).toMatch(
      /^pop3 HOST: answered "\* OK .*", expected \+OK$/,
    )
    expect(await judge(checks.imap({ tls: true }), imap)).toMatch(/^imap HOST: TLS: /)
  })

  it('lets a dialogue of our own log in', async () => {
    const login = (password: string) =>
      checks.expect({
        dialogue: [
          { expect: '* OK' },
          { send: `x LOGIN probe ${password}\r\n`, expect: 'x OK', last: /^x / },
          { send: 'y LOGOUT\r\n' },
        ],
      })
    expect(await judge(login('hunter2'), imap)).toMatch(/^healthy: answered "x OK/)
    const refused = await judge(login('wrong-one'), imap, 5000)
    expect(refused).toMatch(/^expect HOST: answered "x NO \[AUTHENTICATIONFAILED\].*" in step 2/)
    expect(refused).not.toContain('wrong-one')
  })

  it('has an old certificate', async () => {
    const old = { imap: 1144, imaps: 1994, pop3: 1111, pop3s: 1996 }
    const stale = await Server.start(dovecotPlan({ ports: old, tls: expired }))
    const reason = /^\w+ HOST: certificate: cert has expired$/
    expect(await judge(checks.imap({ tls: trust }), memberAt(old.imaps))).toMatch(reason)
    expect(await judge(checks.imap({ startTls: trust }), memberAt(old.imap))).toMatch(reason)
    expect(await judge(checks.pop3({ tls: trust }), memberAt(old.pop3s))).toMatch(reason)
    expect(await judge(checks.pop3({ startTls: trust }), memberAt(old.pop3))).toMatch(reason)
    await stale.remove()
  })
})
