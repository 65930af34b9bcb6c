// Nothing grows: memory, descriptors and sockets after many checks of every kind, good ones and bad ones.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { encode } from 'dns-packet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { CheckTimeoutError } from '../../src/health/outcome.js'
import type { Check, HealthMember } from '../../src/health/types.js'
import { expired, good, trust } from './certificates.js'
import { memberAt } from './judge.js'
import {
  dovecotPlan,
  mariadbPlan,
  nginxPlan,
  postfixPlan,
  redisPlan,
  slapdPlan,
  unboundPlan,
} from './plans.js'
import { Server } from './server.js'

/** IPVS_FLAT_CHECKS=100000 for all of them: half a minute to a minute and a half. */
const total = Number(process.env.IPVS_FLAT_CHECKS ?? 10_000)
/** At once. */
const width = 48

const ports = { imap: 8143, imaps: 8993, pop3: 8110, pop3s: 8995 }
const frozenPort = 8380

interface Kind {
  readonly name: string
  readonly check: Check
  readonly member: HealthMember
  /** What must come of it. */
  readonly said: RegExp
  /** How many of each round. */
  readonly share: number
  readonly timeoutMs?: number
}

const fine = /^healthy/
const kinds: readonly Kind[] = [
  { name: 'tcp', check: checks.tcp(), member: memberAt(8880), said: fine, share: 16 },
  {
    name: 'dns',
    check: checks.dns({ name: 'example.test', answer: '192.0.2.1' }),
    member: memberAt(8053),
    said: fine,
    share: 8,
  },
  { name: 'redis', check: checks.redis(), member: memberAt(8379), said: fine, share: 16 },
  { name: 'ldap', check: checks.ldap(), member: memberAt(8389), said: fine, share: 16 },
  { name: 'mysql', check: checks.mysql(), member: memberAt(8306), said: fine, share: 8 },
  { name: 'smtp', check: checks.smtp(), member: memberAt(8025), said: fine, share: 4 },
  { name: 'imap', check: checks.imap(), member: memberAt(ports.imap), said: fine, share: 4 },
  { name: 'pop3', check: checks.pop3(), member: memberAt(ports.pop3), said: fine, share: 4 },
  {
    name: 'expect',
    check: checks.expect({
      dialogue: [{ send: 'GET / HTTP/1.0\r\n\r\n', expect: /200 OK[\s\S]*fine$/, last: /^fine/ }],
    }),
    member: memberAt(8880),
    said: fine,
    share: 8,
  },
  {
    name: 'http',
    check: checks.http({ body: 'fine' }),
    member: memberAt(8880),
    said: fine,
    share: 8,
  },
  {
    name: 'https',
    check: checks.http({ tls: true, body: 'fine' }),
    member: memberAt(8843),
    said: fine,
    share: 1,
  },
  { name: 'tls', check: checks.tls(), member: memberAt(8843), said: fine, share: 1 },
  {
    name: 'udp',
    check: checks.udp({
      payload: encode({ type: 'query', questions: [{ name: 'example.test', type: 'A' }] }),
    }),
    member: memberAt(8053),
    said: fine,
    share: 8,
  },
  {
    name: 'status',
    check: checks.http({ path: '/broken' }),
    member: memberAt(8880),
    said: /status 503/,
    share: 2,
  },
  {
    name: 'imap over TLS',
    check: checks.imap({ tls: trust }),
    member: memberAt(ports.imaps),
    said: fine,
    share: 1,
  },
  {
    name: 'ldap after StartTLS',
    check: checks.ldap({ startTls: trust }),
    member: memberAt(8389),
    said: fine,
    share: 1,
  },
  {
    name: 'refused',
    check: checks.smtp(),
    member: memberAt(1),
    said: /connection refused$/,
    share: 4,
  },
  {
    name: 'wrong answer',
    check: checks.mysql(),
    member: memberAt(8025),
    said: /answered "220 /,
    share: 4,
  },
  {
    name: 'error reply',
    check: checks.dns({ name: 'broken.example', require: 'any' }),
    member: memberAt(8053),
    said: /SERVFAIL/,
    share: 2,
  },
  {
    name: 'silent',
    check: checks.redis(),
    member: memberAt(frozenPort),
    said: /no answer within 20 ms/,
    share: 2,
    timeoutMs: 20,
  },
  {
    name: 'expired certificate',
    check: checks.expect({ dialogue: [{ send: 'x' }], tls: trust }),
    member: memberAt(8843),
    said: /cert has expired$/,
    share: 1,
  },
]
const round = kinds.flatMap((kind) => Array.from({ length: kind.share }, () => kind))

describe('memory, descriptors and sockets', () => {
  const servers: Server[] = []
  beforeAll(async () => {
    const plans = [
      unboundPlan({ port: 8053 }),
      slapdPlan({ port: 8389, lines: [], tls: { port: 8636, ...good } }),
      mariadbPlan({ port: 8306, options: ['--log-warnings=0'] }),
      postfixPlan({ port: 8025, tlsPort: 8465, tls: good }),
      dovecotPlan({ ports, tls: good, lines: busyDovecot }),
      nginxPlan({ port: 8880, tlsPort: 8843, tls: expired }),
      redisPlan({ port: 8379, lines: [] }),
      redisPlan({ port: frozenPort, lines: ['tcp-backlog 4096'] }),
    ]
    servers.push(...(await Promise.all(plans.map((plan) => Server.start(plan)))))
    servers.at(-1)?.freeze()
  })
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.remove()))
  })

  it(`stay as they are from ${total / 10} checks to ${total}`, { timeout: 600_000 }, async () => {
    let done = 0
    const wrong: string[] = []
    const worker = async (until: number) => {
      while (done < until && wrong.length < 10) {
        const kind = round[done++ % round.length]
        if (kind === undefined) return
        const said = await run(kind)
        if (!kind.said.test(said)) wrong.push(`${kind.name}: ${said}`)
      }
    }
    const runUntil = (until: number) =>
      Promise.all(Array.from({ length: width }, () => worker(until)))

    const started = performance.now()
    const before = await measure()
    await runUntil(total / 10)
    const early = await measure()
    await runUntil(total)
    const seconds = (performance.now() - started) / 1000
    const late = await measure()
    const rows = { 0: before, [total / 10]: early, [total]: late }
    process.stdout.write(
      `${JSON.stringify({ checks: total, seconds: Math.round(seconds), rows })}\n`,
    )

    expect(wrong).toEqual([])
    // A socket that stays costs more than a kilobyte: a twentieth of that per check would show.
    expect(late.heapKB - early.heapKB).toBeLessThan(Math.max(1536, total / 20))
    expect(late.externalKB - early.externalKB).toBeLessThan(512)
    expect(late.descriptors).toBeLessThanOrEqual(early.descriptors)
    expect(late.resources).toBeLessThanOrEqual(early.resources)
    expect(late.timeWait).toBeLessThan(10)
  })
})

/** One process serves many connections, as where there are many. */
const busyDovecot = ['imap', 'pop3'].map(
  (name) => `service ${name}-login {\n  service_count = 0\n  process_min_avail = 1\n}`,
)

async function run({ check, member, timeoutMs = 10_000 }: Kind): Promise<string> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new CheckTimeoutError(timeoutMs)), timeoutMs)
  try {
    const success = await check(member, { signal: controller.signal })
    return `healthy: ${success?.detail}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    clearTimeout(timer)
  }
}

async function measure() {
  setFlagsFromString('--expose-gc')
  const gc: () => void = runInNewContext('gc')
  // What is closing leaves in the next turns; what was freed by one collection may free more in the next.
  for (let i = 0; i < 5; i++) {
    await sleep(100)
    gc()
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
  return {
    heapKB: Math.round(heapUsed / 1024),
    externalKB: Math.round((external + arrayBuffers) / 1024),
    rssKB: Math.round(rss / 1024),
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
    timeWait: timeWait(),
  }
}

/** Sockets in TIME_WAIT at the servers of this file or with them; other tests have servers too. */
function timeWait(): number {
  const ours = new Set(kinds.map(({ member }) => member.port.toString(16).toUpperCase()))
  const portOf = (address = '') => address.slice(-4)
  return readFileSync('/proc/net/tcp', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, state]) => {
      return state === '06' && (ours.has(portOf(local)) || ours.has(portOf(remote)))
    }).length
}
