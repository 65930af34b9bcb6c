// Nothing grows: memory, descriptors and sockets after many checks of every kind, good ones and bad ones.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checks } from '../../src/health/checks/index.js'
import { CheckTimeoutError } from '../../src/health/outcome.js'
import type { Check, HealthMember } from '../../src/health/types.js'
import { expired, trust } from './certificates.js'
import { memberAt, place } from './judge.js'
import { nginxPlan, redisPlan } from './plans.js'
import { Server } from './server.js'

/** IPVS_FLAT_CHECKS=100000 for all of them: half a minute to a minute and a half. */
const total = Number(process.env.IPVS_FLAT_CHECKS ?? 10_000)
/** At once. */
const width = 48

const busy = place(8000)
const known = busy.flatMap(({ checks }) => checks)
const memberOf = (label: string) => known.find((one) => one.label === label)!.member
/** Beside them: one that nobody answers for, and one with an old certificate. */
const frozenPort = 8380
const stale = { port: 8480, tlsPort: 8481, tls: expired }

interface Kind {
  readonly label: string
  readonly check: Check
  readonly member: HealthMember
  /** What must come of it. */
  readonly said: RegExp
  /** How many of each round. */
  readonly share: number
  readonly timeoutMs?: number
}

/** Of the good ones, those that are cheap come more often, and those with a handshake of TLS seldom. */
const shares: Record<string, number> = {
  tcp: 16,
  udp: 8,
  dns: 8,
  http: 8,
  https: 1,
  tls: 1,
  expect: 8,
  redis: 16,
  ldap: 16,
  mysql: 8,
}
const good = known.map((one) => ({ ...one, said: one.healthy, share: shares[one.label] ?? 4 }))
const kinds: readonly Kind[] = [
  ...good,
  {
    label: 'status',
    check: checks.http({ path: '/broken' }),
    member: memberOf('http'),
    said: /status 503/,
    share: 2,
  },
  {
    label: 'imap over TLS',
    check: checks.imap({ tls: trust, port: memberOf('imap').port + 1 }),
    member: memberOf('imap'),
    said: /^healthy/,
    share: 1,
  },
  {
    label: 'ldap after StartTLS',
    check: checks.ldap({ startTls: trust }),
    member: memberOf('ldap'),
    said: /^healthy/,
    share: 1,
  },
  {
    label: 'refused',
    check: checks.smtp(),
    member: memberAt(1),
    said: /connection refused$/,
    share: 4,
  },
  {
    label: 'wrong answer',
    check: checks.mysql(),
    member: memberOf('smtp'),
    said: /answered "220 /,
    share: 4,
  },
  {
    label: 'error reply',
    check: checks.dns({ name: 'broken.example', require: 'any' }),
    member: memberOf('dns'),
    said: /SERVFAIL/,
    share: 2,
  },
  {
    label: 'silent',
    check: checks.redis(),
    member: memberAt(frozenPort),
    said: /no answer within 20 ms/,
    share: 2,
    timeoutMs: 20,
  },
  {
    label: 'expired certificate',
    check: checks.expect({ dialogue: [{ send: 'x' }], tls: trust }),
    member: memberAt(stale.tlsPort),
    said: /cert has expired$/,
    share: 1,
  },
]
const round = kinds.flatMap((kind) => Array.from({ length: kind.share }, () => kind))

describe('memory, descriptors and sockets', () => {
  const servers: Server[] = []
  beforeAll(async () => {
    const plans = [
      ...busy.map(({ plan }) => plan),
      nginxPlan(stale),
      redisPlan({ port: frozenPort, lines: ['tcp-backlog 4096'] }),
    ]
    servers.push(...(await Promise.all(plans.map((plan) => Server.start(plan)))))
    await servers.at(-1)?.freeze()
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
        if (!kind.said.test(said)) wrong.push(`${kind.label}: ${said}`)
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
