import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { behaves, judge, memberAt } from './judge.js'
import { redisPlan } from './plans.js'
import { Server } from './server.js'

describe('redis-server', () => {
  const port = 6379
  const member = memberAt(port)
  let server: Server
  beforeAll(async () => {
    server = await Server.start(redisPlan({ port, lines: [] }))
  })
  afterAll(() => server?.remove())

  behaves({
    server: () => server,
    check: checks.redis(),
    member,
    label: 'redis HOST',
    healthy: /^healthy: answered "\+PONG"$/,
    awaited: '+PONG to PING',
  })

  it('wants a password', async () => {
    const guarded = await Server.start(redisPlan({ port: 6380, lines: ['requirepass hunter2'] }))
    const at = memberAt(6380)
    expect(await judge(checks.redis(), at)).toBe(
      'redis HOST: answered "-NOAUTH Authentication required." to PING, expected +PONG',
    )
    expect(await judge(checks.redis({ accept: ['NOAUTH'] }), at)).toMatch(/^healthy/)
    expect(await judge(checks.redis({ password: 'hunter2' }), at)).toMatch(/^healthy.*PONG/)
    expect(await judge(checks.redis({ user: 'default', password: 'hunter2' }), at)).toMatch(
      /^healthy.*PONG/,
    )
    const wrong = await judge(checks.redis({ password: 'wrong-one' }), at)
    expect(wrong).toMatch(/^redis HOST: answered "-WRONGPASS .*" to AUTH, expected \+OK$/)
    expect(wrong).not.toContain('wrong-one')
    await guarded.remove()
  })

  it('has too many clients', async () => {
    const full = await Server.start(redisPlan({ port: 6381, lines: ['maxclients 1'] }))
    const { connect } = await import('node:net')
    const guest = connect(6381, '127.0.0.1')
    await expect
      .poll(() => judge(checks.redis(), memberAt(6381)))
      .toBe('redis HOST: answered "-ERR max number of clients reached" to PING, expected +PONG')
    guest.destroy()
    await full.remove()
  })

  it('is a replica that has lost its master', async () => {
    const lines = ['replicaof 127.0.0.1 1', 'replica-serve-stale-data no']
    const alone = await Server.start(redisPlan({ port: 6382, lines }))
    expect(await judge(checks.redis(), memberAt(6382))).toMatch(
      /^redis HOST: answered "-MASTERDOWN .*" to PING, expected \+PONG$/,
    )
    await alone.remove()
  })
})
