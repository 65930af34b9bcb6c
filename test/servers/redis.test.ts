import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exec } from '../../src/health/checks/exec.js'
import { checks } from '../../src/health/checks/index.js'
import { judge, memberAt } from './judge.js'
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

  it('answers a program of ours', async () => {
    const check = exec({
      command: 'redis-cli',
      args: ({ address, port: at }) => ['-e', '-h', address, '-p', String(at), 'ping'],
    })
    expect(await judge(check, member)).toMatch(/^healthy: .*PONG/)
    await server.freeze()
    expect(await judge(check, member, 200)).toMatch(/no answer within 200 ms/)
    server.thaw()
    expect(await judge(check, memberAt(1))).toMatch(/^exec redis-cli for HOST: .*refused/)
    const guarded = exec({
      command: 'redis-cli',
      args: ({ port: at }) => ['-e', '-p', String(at), 'get', 'nothing', 'too much'],
    })
    expect(await judge(guarded, member)).toMatch(/^exec redis-cli for HOST: .*wrong number of arg/)
  })

  it('has too many clients', async () => {
    const full = await Server.start(redisPlan({ port: 6381, lines: ['maxclients 1'] }))
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
