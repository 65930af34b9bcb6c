// What the options of checks.dns do with four servers of it; what is special to unbound is in unbound.test.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks, type DnsCheckOptions } from '../../src/health/checks/index.js'
import { expired, good, trust } from './certificates.js'
import { dnsmasqPlan, knotPlan, namedPlan } from './dns-plans.js'
import { judge, memberAt } from './judge.js'
import { unboundPlan } from './plans.js'
import { Server } from './server.js'

const ports = { unbound: 5310, knotd: 5320, named: 5330, dnsmasq: 5340 }
const tlsPorts = { unbound: 5311, named: 5331, stale: 5333 }
const started: Server[] = []

beforeAll(async () => {
  const plans = [
    unboundPlan({ port: ports.unbound, tls: { port: tlsPorts.unbound, ...good } }),
    knotPlan({ port: ports.knotd }),
    namedPlan({ port: ports.named, tlsPort: tlsPorts.named, tls: good }),
    namedPlan({ port: 5332, tlsPort: tlsPorts.stale, tls: expired }),
    dnsmasqPlan({ port: ports.dnsmasq }),
  ]
  started.push(...(await Promise.all(plans.map((plan) => Server.start(plan)))))
})
afterAll(async () => {
  await Promise.all(started.map((server) => server.remove()))
})

const ask = (port: number, options: DnsCheckOptions, timeoutMs?: number) =>
  judge(checks.dns(options), memberAt(port), timeoutMs)

it.each([
  ['unbound', 'version.bind', /^unbound/],
  ['unbound', 'id.server', /^unbound-1$/],
  ['knotd', 'id.server', /^knot-1$/],
  ['named', 'version.bind', /^nine$/],
  ['named', 'id.server', /^named-1$/],
  ['dnsmasq', 'version.bind', /^dnsmasq-/],
] as const)('%s says of itself, asked for %s', async (server, name, expected) => {
  const said: string[] = []
  const answer: DnsCheckOptions['answer'] = (records) => {
    for (const record of records) if (record.type === 'TXT') said.push(String(record.data))
    return true
  }
  const options = { name, class: 'CH', minAnswers: 1, answer } as const
  expect(await ask(ports[server], options)).toMatch(/^healthy/)
  expect(said[0]).toMatch(expected)
  expect(await ask(ports[server], { name, class: 'CH', answer: 'another' })).toMatch(
    /^dns udp HOST: no TXT record another, but /,
  )
})

it.each([
  ['knotd', 'any.knot.test'],
  ['named', 'any.bind.test'],
  ['dnsmasq', 'any.masq.test'],
  ['unbound', 'any.example.test'],
] as const)('%s answers for a random name below a wildcard', async (server, name) => {
  const options = { name, randomLabel: true, answer: '192.0.2.3' }
  expect(await ask(ports[server], options)).toMatch(/^healthy: udp NOERROR, 1 answers/)
})

it.each([
  ['knotd', 'ns.knot.test', 'NXDOMAIN'],
  ['knotd', 'elsewhere.test', 'REFUSED'],
  ['named', 'ns.bind.test', 'NXDOMAIN'],
  ['named', 'elsewhere.test', 'REFUSED'],
  ['named', 'broken.test', 'SERVFAIL'],
  ['dnsmasq', 'elsewhere.test', 'REFUSED'],
] as const)('%s has no random name below %s: %s', async (server, name, rcode) => {
  const options = { name, randomLabel: true }
  expect(await ask(ports[server], options)).toBe(`dns udp HOST: ${rcode}; dns tcp HOST: ${rcode}`)
  expect(await ask(ports[server], { ...options, rcodes: [rcode] })).toMatch(/^healthy/)
})

describe.each([
  ['knotd', 'knot.test', 'knot-1'],
  ['named', 'bind.test', 'named-1'],
] as const)('%s', (server, zone, id) => {
  it('is the authority, and says so in its reply', async () => {
    const answer: DnsCheckOptions['answer'] = (_, { authoritative, recursionAvailable }) =>
      authoritative && !recursionAvailable
    expect(await ask(ports[server], { name: zone, answer, minAnswers: 2 })).toMatch(/^healthy/)
    expect(await ask(ports[server], { name: zone, minAnswers: 3, protocols: ['tcp'] })).toBe(
      'dns tcp HOST: 2 A records, at least 3 expected',
    )
  })

  it('truncates what does not fit, and sends all of it where there is room', async () => {
    const large = { name: `large.${zone}`, type: 'TXT', protocols: ['udp'] } as const
    expect(await ask(ports[server], large)).toBe('healthy: udp NOERROR, truncated')
    expect(await ask(ports[server], { ...large, truncated: 'fail' })).toBe(
      'dns udp HOST: truncated reply',
    )
    expect(await ask(ports[server], { ...large, truncated: 'retry', minAnswers: 1 })).toBe(
      'healthy: udp truncated, tcp NOERROR, 1 answers',
    )
    expect(await ask(ports[server], { ...large, truncated: 'fail', edns: true })).toBe(
      'healthy: udp NOERROR, 1 answers',
    )
    const small = { udpPayloadSize: 600 }
    expect(await ask(ports[server], { ...large, truncated: 'fail', edns: small })).toBe(
      'dns udp HOST: truncated reply',
    )
  })

  it('has a name in answer to an option of EDNS', async () => {
    const answer: DnsCheckOptions['answer'] = (_, { ednsOptions }) => {
      const nsid = ednsOptions.find(({ code }) => code === 3)
      return nsid?.data !== undefined && Buffer.from(nsid.data).toString() === id
    }
    const nsid = { name: zone, protocols: ['udp'], answer } as const
    expect(await ask(ports[server], { ...nsid, edns: { options: [{ code: 3 }] } })).toMatch(
      /^healthy/,
    )
    expect(await ask(ports[server], { ...nsid, edns: true })).toBe(
      'dns udp HOST: the answers are not those expected',
    )
  })
})

it.each([
  ['unbound', tlsPorts.unbound, 'example.test'],
  ['named', tlsPorts.named, 'bind.test'],
] as const)('%s answers over TLS', async (_, port, name) => {
  const healthy = 'healthy: tls NOERROR, 2 answers'
  expect(await ask(port, { name, tls: true })).toBe(healthy)
  expect(await ask(port, { name, tls: trust, edns: true, minAnswers: 2 })).toBe(healthy)
  expect(await ask(port, { name, tls: { ...trust, serverName: 'other.test' } })).toMatch(
    /^dns tls HOST: certificate: not for other\.test, but for /,
  )
  expect(await ask(port, { name: 'elsewhere.invalid', tls: true })).toMatch(
    /^dns tls HOST: (REFUSED|SERVFAIL|NXDOMAIN)$/,
  )
  expect(await ask(port, { name, protocols: ['tcp'] })).toMatch(/^dns tcp HOST: /)
})

it('an old certificate is seen over TLS by who looks', async () => {
  const name = 'bind.test'
  expect(await ask(tlsPorts.stale, { name, tls: trust })).toBe(
    'dns tls HOST: certificate: cert has expired',
  )
  expect(await ask(tlsPorts.stale, { name, tls: true })).toMatch(/^healthy/)
  expect(await ask(ports.named, { name, tls: true }, 300)).toBe(
    'dns tls HOST: no answer within 300 ms (no TLS handshake)',
  )
})
