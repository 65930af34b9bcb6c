import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { good, trust } from './certificates.js'
import { judge, memberAt } from './judge.js'
import { mariadbPlan } from './plans.js'
import { Server } from './server.js'

/** Not a loopback address, and with a name in /etc/hosts: the server counts the errors of such hosts only. */
const counted = '10.99.0.1'
const greeting = /^healthy: version "5\.5\.5-\d+\.\d+\.\d+-MariaDB.*", refuses strangers$/

describe('mariadbd', () => {
  const port = 3306
  const member = memberAt(port)
  let server: Server
  beforeAll(async () => {
    const options = ['--max-connect-errors=10', '--max-connections=10']
    server = await Server.start(mariadbPlan({ port, options }))
  })
  afterAll(() => server?.remove())

  it('never blocks our host, which it does to those who only look', async () => {
    const at = memberAt(port, counted)
    for (let i = 0; i < 200; i++) expect(await judge(checks.mysql(), at)).toMatch(greeting)
    for (let i = 0; i < 200; i++)
      expect(await judge(checks.mysql({ user: 'probe' }), at)).toMatch(/logged in as "probe"$/)
    // The proof that it would have: the greeting is read, nothing is answered.
    const look = checks.expect({
      dialogue: [
        { expect: (received) => (received.length < 5 ? 'more' : received[4] === 10 || 'blocked') },
      ],
    })
    // A login that succeeds sets the count back, a refused one does not. A busy server counts some of the four after it.
    for (let i = 0; i < 20; i++) {
      expect(await judge(look, at)).toMatch(/^healthy/)
      if (i % 4 === 3) expect(await judge(checks.mysql({ user: 'probe' }), at)).toMatch(/^healthy/)
    }
    const seen: string[] = []
    for (let i = 0; i < 20; i++) seen.push(await judge(look, at))
    expect(seen[0]).toMatch(/^healthy/)
    expect(seen.at(-1)).toMatch(/blocked$/)
    expect(await judge(checks.mysql(), at)).toMatch(
      /^mysql HOST: answered error 1129 "Host '10\.99\.0\.1' is blocked because of many connection errors.*"$/,
    )
  })

  it('lets in whom it knows, and nobody else', async () => {
    const before = server.output().length
    expect(await judge(checks.mysql({ user: 'probe' }), member)).toMatch(
      /^healthy: version ".*", logged in as "probe"$/,
    )
    expect(await judge(checks.mysql({ user: 'app' }), member)).toMatch(
      /^mysql HOST: answered error 1045 "Access denied for user 'app'@.*" to a login$/,
    )
    // Other tests ask what fails, and that is hung up on.
    expect(server.output().slice(before)).not.toMatch(/Aborted connection.*user: 'probe'/)
  })

  it('says whether it is read-only, to who asks', async () => {
    const query = 'SELECT @@global.read_only'
    const writable = checks.mysql({ user: 'probe', query, value: '0' })
    expect(await judge(writable, member)).toMatch(/^healthy: .*, the query gave "0"$/)
    const replica = await Server.start(
      mariadbPlan({ port: 3307, options: ['--read-only'], tls: good }),
    )
    const at = memberAt(3307)
    expect(await judge(writable, at)).toBe('mysql HOST: the query gave "1", expected "0"')
    const secure = { user: 'probe', query, value: '1', tls: trust }
    expect(await judge(checks.mysql(secure), at)).toMatch(/^healthy: .*, the query gave "1"$/)
    const other = { ...trust, serverName: 'other.test' }
    expect(await judge(checks.mysql({ tls: other }), at)).toMatch(
      /certificate: not for other\.test/,
    )
    expect(await judge(checks.mysql({ tls: true }), at)).toMatch(greeting)
    expect(await judge(checks.mysql({ tls: true }), member)).toMatch(/ has no TLS$/)
    await replica.remove()
  })

  it('is no part of a cluster, or does not understand what it is asked', async () => {
    const ask = (query: string) => judge(checks.mysql({ user: 'probe', query, value: '4' }), member)
    expect(await ask("SHOW GLOBAL STATUS LIKE 'wsrep_local_state'")).toBe(
      'mysql HOST: answered no row to a query',
    )
    expect(await ask('SELEKT 1')).toMatch(
      /^mysql HOST: answered error 1064 "You have an error in your SQL syntax;.*" to a query$/,
    )
    expect(await ask("SELECT 'a', 4")).toMatch(/^healthy: .*, the query gave "4"$/)
    expect(await ask('SELECT NULL')).toBe('mysql HOST: the query gave NULL, expected "4"')
    expect(await ask('DO 1')).toBe('mysql HOST: answered no row to a query')
    expect(await ask('SELECT * FROM mysql.user')).toMatch(/answered error 1142 "SELECT command den/)
  })

  it('has too many connections', async () => {
    const guests: Socket[] = []
    // Each waits in the handshake; one more than the limit is kept for administrators.
    for (let i = 0; i < 12; i++) guests.push(connect(port, '127.0.0.1').on('error', () => {}))
    await expect
      .poll(() => judge(checks.mysql(), member))
      .toBe('mysql HOST: answered error 1040 "Too many connections"')
    for (const guest of guests) guest.destroy()
    await expect.poll(() => judge(checks.mysql(), member), { timeout: 10_000 }).toMatch(greeting)
  })
})
