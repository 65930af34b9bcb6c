import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { expired, good, trust } from './certificates.js'
import { judge, memberAt } from './judge.js'
import { slapdPlan } from './plans.js'
import { Server } from './server.js'

describe('slapd', () => {
  const port = 3389
  const tls = { port: 3636, ...good }
  const member = memberAt(port)
  let server: Server
  beforeAll(async () => {
    server = await Server.start(slapdPlan({ port, tls, lines: [] }))
  })
  afterAll(() => server?.remove())

  it('answers over TLS, from the start and after StartTLS', async () => {
    expect(await judge(checks.ldap({ tls: trust }), memberAt(tls.port))).toBe('healthy: success')
    expect(await judge(checks.ldap({ startTls: trust }), member)).toBe('healthy: success')
    expect(await judge(checks.ldap({ tls: true }), member, 500)).toMatch(
      /^ldap HOST: (TLS: |the server closed|no answer within 500 ms \(no TLS handshake\))/,
    )
  })

  it('has lost an entry, or never had it', async () => {
    expect(await judge(checks.ldap({ base: 'cn=gone,cn=test' }), member)).toBe(
      'ldap HOST: answered noSuchObject (32), expected success',
    )
    expect(await judge(checks.ldap({ base: 'not a name' }), member)).toMatch(
      /^ldap HOST: answered invalidDNSyntax \(34\) .*, expected success$/,
    )
  })

  it('knows who binds, and who does not', async () => {
    const dn = 'cn=admin,cn=test'
    const bound = checks.ldap({ dn, password: 'hunter2', startTls: trust })
    expect(await judge(bound, member)).toBe('healthy: success')
    const refused = await judge(checks.ldap({ dn, password: 'wrong-one' }), member)
    expect(refused).toBe(
      'ldap HOST: answered invalidCredentials (49) to the bind, expected success',
    )
  })

  it('wants to know who asks, and has an old certificate', async () => {
    const lines = ['require authc']
    const strict = await Server.start(
      slapdPlan({ port: 3390, lines, tls: { port: 3637, ...expired } }),
    )
    expect(await judge(checks.ldap(), memberAt(3390))).toBe(
      'ldap HOST: answered unwillingToPerform (53) "authentication required", expected success',
    )
    expect(await judge(checks.ldap({ tls: trust }), memberAt(3637))).toBe(
      'ldap HOST: certificate: cert has expired',
    )
    await strict.remove()
  })
})
