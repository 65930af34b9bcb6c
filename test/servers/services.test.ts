// memcached, and servers of telephony, access and time: what they say that is not health.
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { judge, memberAt } from './judge.js'
import { Server, type ServerPlan } from './server.js'
import { chronyPlan, freeradiusPlan, kamailioPlan, memcachedPlan } from './service-plans.js'

const started: Server[] = []
async function start(plan: ServerPlan): Promise<Server> {
  const server = await Server.start(plan)
  started.push(server)
  return server
}
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.remove()))
})

describe('memcached', () => {
  const port = 11_211
  it('has too many clients', async () => {
    await start(memcachedPlan({ port, options: ['--conn-limit=16', '-o', 'maxconns_fast'] }))
    expect(await judge(checks.memcached(), memberAt(port))).toMatch(/^healthy/)
    const guests = Array.from({ length: 16 }, () => connect(port, '127.0.0.1'))
    for (const guest of guests) guest.on('error', () => {})
    await expect
      .poll(() => judge(checks.memcached(), memberAt(port), 500))
      .toMatch(
        /^memcached HOST: (answered "ERROR Too many open connections"|the server closed|conn)/,
      )
    for (const guest of guests) guest.destroy()
    await expect.poll(() => judge(checks.memcached(), memberAt(port))).toMatch(/^healthy/)
  })

  it('does not speak the protocol of text', async () => {
    await start(memcachedPlan({ port, options: ['--protocol=binary'] }))
    expect(await judge(checks.memcached(), memberAt(port), 500)).toMatch(/^memcached HOST: /)
  })
})

describe('kamailio', () => {
  const port = 5060
  it.each(['udp', 'tcp'] as const)('says over %s that it is out of service', async (protocol) => {
    await start(kamailioPlan({ port, status: '503' }))
    expect(await judge(checks.sip({ protocol }), memberAt(port))).toBe(
      `sip ${protocol} HOST: answered "SIP/2.0 503 Said": status 503, expected 200 to 299`,
    )
    expect(await judge(checks.sip({ protocol, status: 503 }), memberAt(port))).toMatch(/^healthy/)
  })

  it('is silent while it is stopped, and refuses when it has ended', async () => {
    const server = await start(kamailioPlan({ port }))
    const check = checks.sip({ uri: 'sip:ping@pbx.test' })
    expect(await judge(check, memberAt(port))).toBe('healthy: status 200')
    await server.freeze()
    expect(await judge(check, memberAt(port), 200)).toBe('sip udp HOST: no answer within 200 ms')
    server.thaw()
    await expect.poll(() => judge(check, memberAt(port))).toBe('healthy: status 200')
    await server.stop()
    expect(await judge(check, memberAt(port))).toBe('sip udp HOST: connection refused')
  })
})

describe('freeradius', () => {
  const port = 1812
  it('answers on both of its ports, and nobody with another secret', async () => {
    const server = await start(freeradiusPlan({ port, accountingPort: port + 1 }))
    const check = checks.radius({ secret: 'hunter2' })
    expect(await judge(check, memberAt(port))).toBe('healthy: Access-Accept')
    expect(await judge(check, memberAt(port + 1))).toBe('healthy: Accounting-Response')
    expect(await judge(checks.radius({ secret: 'hunter3' }), memberAt(port), 300)).toBe(
      'radius HOST: no answer within 300 ms',
    )
    const stranger = checks.radius({ secret: 'hunter2', localAddress: '127.0.0.66' })
    expect(await judge(stranger, memberAt(port), 300)).toBe('radius HOST: no answer within 300 ms')
    await server.freeze()
    expect(await judge(check, memberAt(port), 200)).toBe('radius HOST: no answer within 200 ms')
    server.thaw()
    await server.stop()
    expect(await judge(check, memberAt(port))).toBe('radius HOST: connection refused')
  })
})

describe('chronyd', () => {
  const port = 1123
  it('is further from a clock than it may be', async () => {
    await start(chronyPlan({ port, stratum: 10 }))
    expect(await judge(checks.ntp(), memberAt(port))).toBe('healthy: stratum 10')
    expect(await judge(checks.ntp({ maxStratum: 9 }), memberAt(port))).toBe(
      'ntp HOST: stratum 10, at most 9 expected',
    )
  })

  it('has no time to give', async () => {
    const server = await start(chronyPlan({ port, stratum: 0 }))
    expect(await judge(checks.ntp(), memberAt(port))).toBe('ntp HOST: not synchronised')
    await server.freeze()
    expect(await judge(checks.ntp(), memberAt(port), 200)).toBe('ntp HOST: no answer within 200 ms')
    server.thaw()
    await server.stop()
    expect(await judge(checks.ntp(), memberAt(port))).toBe('ntp HOST: connection refused')
  })

  it('does not talk to everybody', async () => {
    await start(chronyPlan({ port }))
    const stranger = checks.ntp({ localAddress: '10.99.0.1' })
    expect(await judge(stranger, memberAt(port), 300)).toBe('ntp HOST: no answer within 300 ms')
  })
})
