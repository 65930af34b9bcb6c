import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { expired, good, trust } from './certificates.js'
import { judge, memberAt } from './judge.js'
import { postfixPlan } from './plans.js'
import { Server } from './server.js'

describe('postfix', () => {
  const port = 2525
  const tlsPort = 2465
  const member = memberAt(port)
  let server: Server
  beforeAll(async () => {
    server = await Server.start(postfixPlan({ port, tlsPort, tls: good }))
  })
  afterAll(() => server?.remove())

  const greeting = /^healthy: greeting "220 mail\.test ESMTP Postfix/
  it('answers over TLS, from the start and after STARTTLS', async () => {
    expect(await judge(checks.smtp({ tls: trust }), memberAt(tlsPort))).toMatch(greeting)
    expect(await judge(checks.smtp({ startTls: trust }), member)).toMatch(greeting)
    expect(await judge(checks.smtp({ tls: true }), member)).toMatch(/^smtp HOST: TLS: /)
    expect(await judge(checks.smtp(), memberAt(tlsPort), 300)).toBe(
      'smtp HOST: no answer within 300 ms (waiting for 220)',
    )
    const stranger = { ...trust, serverName: 'other.test' }
    expect(await judge(checks.smtp({ startTls: stranger }), member)).toMatch(
      /^smtp HOST: certificate: not for other\.test/,
    )
  })

  it('speaks the same to a dialogue of our own', async () => {
    const check = checks.expect({
      dialogue: [
        { expect: /^220 / },
        { send: 'EHLO a.test\r\n', expect: /STARTTLS/, last: /^\d{3} / },
        { send: 'MAIL FROM:<>\r\n', expect: '250 ', last: /^\d{3} / },
        { send: 'QUIT\r\n', expect: '221 ' },
      ],
    })
    expect(await judge(check, member)).toMatch(/^healthy: answered "221 /)
    const strict = checks.expect({
      dialogue: [{ expect: /^220 / }, { send: 'HOW ARE YOU\r\n', expect: '250' }],
    })
    expect(await judge(strict, member)).toMatch(
      /^expect HOST: answered "5\d\d .*" in step 2, expected "250"$/,
    )
  })

  it('turns everybody away', async () => {
    const closed = await Server.start(
      postfixPlan({
        port: 2526,
        tlsPort: 2466,
        tls: expired,
        lines: ['smtpd_delay_reject = no', 'smtpd_client_restrictions = reject'],
      }),
    )
    expect(await judge(checks.smtp(), memberAt(2526))).toMatch(
      /^smtp HOST: answered "554 5\.7\.1 .*Client host rejected: Access denied.*", expected 220$/,
    )
    expect(await judge(checks.smtp({ tls: trust }), memberAt(2466))).toBe(
      'smtp HOST: certificate: cert has expired',
    )
    await closed.remove()
  })

  it('demands TLS, which is no reason to be down', async () => {
    const strict = await Server.start(
      postfixPlan({
        port: 2527,
        tlsPort: 2467,
        tls: good,
        lines: ['smtpd_tls_security_level = encrypt'],
      }),
    )
    expect(await judge(checks.smtp(), memberAt(2527))).toMatch(greeting)
    await strict.remove()
  })

  it('has no process left for us', async () => {
    // Two at most (master.cf): the kernel accepts the third, and it waits.
    const guests = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
    for (const guest of guests) guest.on('error', () => {})
    await expect
      .poll(() => judge(checks.smtp(), member, 200))
      .toBe('smtp HOST: no answer within 200 ms (waiting for 220)')
    for (const guest of guests) guest.destroy()
    await expect.poll(() => judge(checks.smtp(), member), { timeout: 10_000 }).toMatch(greeting)
  })
})
