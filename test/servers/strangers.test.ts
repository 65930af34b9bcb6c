// Every check against every other server, and all of them at once in the hands of a HealthChecker.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HealthChecker } from '../../src/health/checker.js'
import { checks } from '../../src/health/checks/index.js'
import type { Check, HealthMember } from '../../src/health/types.js'
import { TestTarget } from '../unit/health/target.js'
import { good } from './certificates.js'
import { judge, memberAt } from './judge.js'
import {
  dovecotPlan,
  mariadbPlan,
  nginxPlan,
  postfixPlan,
  redisPlan,
  slapdPlan,
  unboundPlan,
} from './plans.js'
import { Server, type ServerPlan } from './server.js'

const tls = good
const ports = { imap: 7143, imaps: 7993, pop3: 7110, pop3s: 7995 }

/** What is wrong with a server of another kind: an answer that is no answer, the end, or silence. */
const wrong =
  /HOST: (answered .*|status 400, .*|not HTTP: .*|TLS: .*|the server closed the connection.*|connection reset by peer.*|no answer within 300 ms.*|malformed reply.*|connection refused|.*more than \d+ bytes.*)$/

const kinds: Record<string, { plan: ServerPlan; checks: Record<string, [Check, HealthMember]> }> = {
  unbound: {
    plan: unboundPlan({ port: 7053 }),
    checks: { dns: [checks.dns({ name: 'example.test' }), memberAt(7053)] },
  },
  slapd: {
    plan: slapdPlan({ port: 7389, lines: [] }),
    checks: { ldap: [checks.ldap(), memberAt(7389)] },
  },
  mariadb: {
    plan: mariadbPlan({ port: 7306, options: [] }),
    checks: { mysql: [checks.mysql(), memberAt(7306)] },
  },
  postfix: {
    plan: postfixPlan({ port: 7025, tlsPort: 7465, tls }),
    checks: { smtp: [checks.smtp(), memberAt(7025)] },
  },
  dovecot: {
    plan: dovecotPlan({ ports, tls }),
    checks: {
      imap: [checks.imap(), memberAt(ports.imap)],
      pop3: [checks.pop3(), memberAt(ports.pop3)],
    },
  },
  nginx: {
    plan: nginxPlan({ port: 7080, tlsPort: 7443, tls }),
    checks: {
      http: [checks.http(), memberAt(7080)],
      https: [checks.http({ tls: true }), memberAt(7443)],
    },
  },
  redis: {
    plan: redisPlan({ port: 7379, lines: [] }),
    checks: { redis: [checks.redis(), memberAt(7379)] },
  },
}

describe('strangers', () => {
  const servers = new Map<string, Server>()
  beforeAll(async () => {
    const started = Object.entries(kinds).map(async ([name, { plan }]) => {
      servers.set(name, await Server.start(plan))
    })
    await Promise.all(started)
  })
  afterAll(async () => {
    await Promise.all([...servers.values()].map((server) => server.remove()))
  })

  const all = Object.entries(kinds).flatMap(([server, kind]) =>
    Object.entries(kind.checks).map(([name, [check, member]]) => ({ server, name, check, member })),
  )

  it.each(all)('$name knows $server, and nobody else', async ({ check, member }) => {
    expect(await judge(check, member)).toMatch(/^healthy/)
    const others = all.filter((other) => other.member !== member)
    const said = await Promise.all(
      others.map(async (other) => `${other.name}: ${await judge(check, other.member, 300)}`),
    )
    for (const one of said) expect(one).toMatch(wrong)
  })

  it('a checker sees all of them up, silent, back, and gone', async () => {
    const byKey = new Map(all.map(({ member, check }) => [member.key, check]))
    const target = new TestTarget(...all.map(({ member }) => member))
    const checker = new HealthChecker(target, {
      check: (member, context) => byKey.get(member.key)?.(member, context) ?? Promise.reject(),
      intervalMs: 300,
      timeoutMs: 250,
      retryDelayMs: 50,
      rise: 1,
      fall: 2,
    })
    const states = () => checker.status().map(({ state }) => state)
    const every = (state: string) => all.map(() => state)
    const within = { timeout: 20_000 }
    checker.start()
    try {
      await expect.poll(states, within).toEqual(every('up'))
      for (const server of servers.values()) server.freeze()
      await expect.poll(states, within).toEqual(every('down'))
      for (const { verdict } of target.reports.slice(-all.length))
        expect(verdict.reason).toMatch(/no answer within 250 ms/)
      for (const server of servers.values()) server.thaw()
      await expect.poll(states, within).toEqual(every('up'))
      await Promise.all([...servers.values()].map((server) => server.stop()))
      await expect.poll(states, within).toEqual(every('down'))
      // The first failure may still be the reset of a connection that was open.
      const others = () =>
        checker.status().filter(({ reason }) => !reason.includes('connection refused'))
      await expect.poll(others, within).toEqual([])
    } finally {
      await checker.stop()
    }
  })
})
