import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { judge, memberAt } from './judge.js'
import { etcdPlan } from './plans.js'
import { Server } from './server.js'

describe('etcd', () => {
  const member = memberAt(2379)
  let server: Server
  beforeAll(async () => {
    server = await Server.start(etcdPlan({ port: 2379, peerPort: 2380 }))
  })
  afterAll(() => server?.remove())

  it('knows nothing of a service that it has not registered', async () => {
    expect(await judge(checks.grpc(), member)).toBe('healthy: SERVING')
    expect(await judge(checks.grpc({ service: 'shop.Orders' }), member)).toBe(
      'grpc HOST: answered status 5 (NOT_FOUND) "unknown service"',
    )
  })

  it('is asked for TLS, which it has not', async () => {
    // It hangs up; what is still on its way to it then makes a reset of that.
    expect(await judge(checks.grpc({ tls: true }), member)).toMatch(
      /^grpc HOST: (the server closed the connection in the TLS handshake|connection reset by peer)$/,
    )
  })

  it('has JSON for HTTP', async () => {
    const health = { path: '/health', expectJson: { health: 'true' } }
    expect(await judge(checks.http(health), member)).toBe('healthy: status 200')
    expect(await judge(checks.http({ ...health, expectJson: { health: true } }), member)).toBe(
      'http HOST: body: health is "true", expected true',
    )
  })
})
