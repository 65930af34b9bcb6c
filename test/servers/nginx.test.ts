import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { authority, expired, good, trust } from './certificates.js'
import { judge, memberAt } from './judge.js'
import { nginxPlan } from './plans.js'
import { Server } from './server.js'

describe('nginx', () => {
  const port = 8080
  const tlsPort = 8443
  const h2Port = 8082
  const plain = memberAt(port)
  const secure = memberAt(tlsPort)
  let server: Server
  beforeAll(async () => {
    server = await Server.start(nginxPlan({ port, tlsPort, h2Port, tls: good }))
  })
  afterAll(() => server?.remove())

  it('gives the wrong answer', async () => {
    expect(await judge(checks.http({ path: '/broken' }), plain)).toMatch(
      /^http HOST: status 503, expected 200/,
    )
    expect(await judge(checks.http({ path: '/broken', tls: trust }), secure)).toMatch(
      /^https HOST: status 503, expected 200/,
    )
    expect(await judge(checks.http({ path: '/broken', status: 503 }), plain)).toMatch(/^healthy/)
    expect(await judge(checks.http({ body: 'excellent' }), plain)).toMatch(
      /^http HOST: body: no "excellent" in "fine/,
    )
    expect(await judge(checks.http({ expectHeaders: { server: /apache/i } }), plain)).toMatch(
      /^http HOST: .*server/,
    )
  })

  it('speaks HTTP/2', async () => {
    const h2 = memberAt(h2Port)
    expect(await judge(checks.http({ http2: true, body: 'fine' }), h2)).toBe('healthy: status 200')
    expect(await judge(checks.http({ http2: true, path: '/broken' }), h2)).toBe(
      'http HOST: status 503, expected 200 to 399',
    )
    expect(await judge(checks.http({ http2: true, body: 'excellent' }), h2)).toMatch(
      /^http HOST: body: no "excellent" in "fine/,
    )
    expect(await judge(checks.http({ http2: true, tls: trust }), secure)).toBe(
      'healthy: status 200',
    )
    const other = { ...trust, serverName: 'other.test' }
    expect(await judge(checks.http({ http2: true, tls: other }), secure)).toMatch(
      /^https HOST: certificate: not for other\.test/,
    )
    expect(await judge(checks.http({ http2: true }), plain)).toMatch(/^http HOST: HTTP\/2: /)
    await server.freeze()
    expect(await judge(checks.http({ http2: true }), h2, 200)).toBe(
      'http HOST: no answer within 200 ms',
    )
    server.thaw()
  })

  it('says how much it can carry', async () => {
    const path = '/load'
    const weighed = {
      path,
      expectJson: { state: 'ready' },
      weight: { header: 'x-weight', max: 40 },
    }
    expect(await judge(checks.http(weighed), plain)).toBe('healthy: status 200, weight 30 of 40')
    expect(await judge(checks.http({ ...weighed, http2: true, tls: trust }), secure)).toBe(
      'healthy: status 200, weight 30 of 40',
    )
    expect(await judge(checks.http({ path, weight: { json: 'load.used' } }), plain)).toBe(
      'http HOST: weight: no load.used',
    )
    expect(await judge(checks.http({ path, expectJson: { 'load.free': 1 } }), plain)).toBe(
      'http HOST: body: load.free is "0.25", expected 1',
    )
    expect(await judge(checks.http({ expectJson: { state: 'ready' } }), plain)).toBe(
      'http HOST: body: no JSON: "fine\\n"',
    )
  })

  it('is asked for TLS where it has none, and the reverse', async () => {
    expect(await judge(checks.tls(), plain)).toMatch(/^tls HOST: TLS: /)
    expect(await judge(checks.http({ tls: true }), plain)).toMatch(/^https HOST: TLS: /)
    expect(await judge(checks.http(), secure)).toMatch(/^http HOST: status 400, expected 200/)
  })

  it('has a certificate for somebody else, or of nobody we trust', async () => {
    const other = { ca: authority.cert, serverName: 'other.test' }
    const reason = /HOST: certificate: not for other\.test, but for .*server\.test/
    expect(await judge(checks.tls(other), secure)).toMatch(reason)
    expect(await judge(checks.http({ tls: other }), secure)).toMatch(reason)
    expect(await judge(checks.tls({ verify: true }), secure)).toMatch(
      /HOST: certificate: unable to/,
    )
    expect(await judge(checks.tls({ ...trust, minDaysLeft: 60 }), secure)).toBe(
      'tls HOST: certificate: 30 days left, at least 60 days expected',
    )
  })

  it('has an old certificate', async () => {
    const plan = nginxPlan({ port: 8081, tlsPort: 8444, tls: expired })
    const stale = await Server.start(plan)
    const at = memberAt(8444)
    expect(await judge(checks.tls(trust), at)).toBe('tls HOST: certificate: cert has expired')
    expect(await judge(checks.http({ tls: trust }), at)).toBe(
      'https HOST: certificate: cert has expired',
    )
    expect(await judge(checks.tls(), at)).toMatch(/^healthy: .*expired on \d{4}-\d\d-\d\d$/)
    await stale.remove()
  })

  it('has a port that is open although nobody answers, which checks.tcp cannot tell', async () => {
    const tcp = checks.tcp()
    const both = checks.all(tcp, checks.http())
    expect(await judge(both, plain)).toMatch(/^healthy/)
    await server.freeze()
    expect(await judge(tcp, plain)).toBe('healthy: connected')
    expect(await judge(both, plain, 200)).toMatch(/http HOST: no answer within 200 ms/)
    expect(await judge(checks.any(tcp, checks.http()), plain)).toMatch(/^healthy: .*connected/)
    expect(await judge(checks.not(tcp), plain)).toBe('not: connected')
    server.thaw()
    expect(await judge(tcp, memberAt(1))).toBe('tcp HOST: connection refused')
  })
})
